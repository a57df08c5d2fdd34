"""The short form of every bench: it shows that each part gives its figures, not how good they are."""

import json

import pytest

from sps.runtime.errors import Refusal
from sps_cli.bench import PARTS, run
from sps_cli.benches.figures import Figure, latency, quantile
from sps_cli.benches.report import (
    BEGIN,
    END,
    SUMMANDS,
    Machine,
    Report,
    read_report,
    with_sum,
    write_page,
    write_report,
)

MACHINE = Machine("a processor", 2, 8.0, "Linux", "3.11.0", 0.0)
FIELDS = {"part", "figure", "value", "unit", "n", "target", "bound", "command", "at"}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_gives_well_formed_figures(tmp_path, part):
    out = tmp_path / "bench.json"
    assert run(out, part, short=True) == 0
    figures = json.loads(out.read_bytes())["figures"]
    assert figures
    for figure in figures:
        assert set(figure) == FIELDS
        assert figure["part"] == part
        assert figure["command"] == f"sps bench --only {part}"
        assert figure["value"] >= 0
        assert figure["n"] > 0
        assert (figure["target"] is None) == (figure["bound"] == "")
    assert len({figure["figure"] for figure in figures}) == len(figures)


def test_an_unknown_part_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(Refusal, match="parts are"):
        run(tmp_path / "bench.json", "everything")


def test_a_run_of_one_part_keeps_the_figures_of_the_others(tmp_path):
    out = tmp_path / "bench.json"
    write_report(out, Report(MACHINE, (Figure("platform", "kept", 1.0, "ms", 1),)))
    run(out, "ordering", short=True)
    report = read_report(out)
    assert report is not None
    assert {figure.part for figure in report.figures} == {"platform", "ordering"}


def test_both_halves_of_a_transactions_cost_are_summed_once():
    halves = tuple(Figure("p", name, 7.5, "µs CPU/tx", n) for n, name in enumerate(SUMMANDS, 1))
    one = with_sum(with_sum(Report(MACHINE, halves)))
    assert [(f.value, f.n, f.reached) for f in one.figures if f.part == "sum"] == [(15.0, 1, True)]
    assert with_sum(Report(MACHINE, halves[:1])).figures == halves[:1]


def test_a_file_that_does_not_read_is_as_good_as_none(tmp_path):
    out = tmp_path / "bench.json"
    assert read_report(out) is None
    out.write_text("{")
    assert read_report(out) is None


def test_the_table_of_a_page_is_written_anew_and_the_rest_stays(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"# Speed\n\n{BEGIN}\nold figures\n{END}\n\nWhere the time goes.\n")
    figure = Figure("p", "a hop", 1.5, "ms", 7, 2.0, "at most", "sps bench --only p", "2026-01-01T00:00:00Z")
    for _ in range(2):
        write_page(page, Report(MACHINE, (figure,)))
    text = page.read_text()
    assert "old figures" not in text
    assert text.count("| a hop | 1.5 | ms | ≤ 2 | reached | 7 |") == 1
    assert text.startswith("# Speed\n")
    assert text.endswith("\nWhere the time goes.\n")


def test_a_page_without_markers_is_left_alone(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Speed\n")
    with pytest.raises(Refusal, match="marker"):
        write_page(page, Report(MACHINE, ()))
    assert page.read_text() == "# Speed\n"


def test_quantiles_are_values_that_were_seen():
    times = [float(n) for n in range(1, 101)]
    assert (quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1.0)) == (50.0, 99.0, 100.0)
    assert quantile([3.0], 0.99) == 3.0


def test_a_figure_knows_whether_its_target_is_reached():
    slow, fast = latency("p", "a wait", [1.0, 9.0], 2.0, 5.0)
    assert slow.reached is True
    assert fast.reached is False
    assert Figure("p", "speed", 10.0, "/s", 1, 5.0, "at least").reached is True
    assert Figure("p", "speed", 10.0, "/s", 1).reached is None
