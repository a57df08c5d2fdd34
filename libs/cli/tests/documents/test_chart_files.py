"""What of the chart is built: the table of values, the topics, the schema; and that a missing comment is found."""

import json
from pathlib import Path

import pytest

from sps.eventlog.topics import TOPICS
from sps_cli.documents.catalogue import DOCUMENTS, differing, write
from sps_cli.documents.chart_files import CHART
from sps_cli.documents.chart_schema import COMPONENTS, schema
from sps_cli.documents.chart_topics import topics
from sps_cli.documents.chart_values import BEGIN, END, BadValues, values_of, with_table

VALUES = """# A title.

# -- How loud.
loud: 3
# -- A block.
block:
  # -- Inside | it.
  inside: {a: 1}
# -- After it.
after: ""
"""


def test_every_key_has_its_place_default_and_meaning():
    assert [(value.path, value.default, value.meaning) for value in values_of(VALUES)] == [
        ("loud", "3", "How loud."),
        ("block", "", "A block."),
        ("block.inside", "{a: 1}", "Inside | it."),
        ("after", '""', "After it."),
    ]


@pytest.mark.parametrize(
    "text",
    ["silent: 1\n", "# -- One.\none:\n  two: 2\n", "# -- List.\nlist:\n  - 1\n", "# no comment\nx: 1\n"],
)
def test_a_key_without_a_meaning_and_a_line_that_is_no_key_are_found(text):
    with pytest.raises(BadValues, match="line"):
        list(values_of(text))


def test_the_table_stands_between_its_lines_and_the_rest_stays():
    readme = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = with_table(readme, VALUES)
    assert once.startswith("before\n")
    assert once.endswith(f"{END}\nafter\n")
    assert "| `block.inside` | `{a: 1}` | Inside \\| it. |" in once
    assert "old" not in once
    assert with_table(once, VALUES) == once


def test_a_readme_without_a_place_is_refused():
    with pytest.raises(ValueError, match="no lines"):
        with_table("nothing", VALUES)


def test_the_built_files_of_a_chart_are_written_beside_the_documents_and_compared(tmp_path):
    chart = tmp_path / CHART
    (chart / "files").mkdir(parents=True)
    (chart / "values.yaml").write_text(VALUES)
    (chart / "README.md").write_text(f"{BEGIN}{END}")
    docs = tmp_path / "docs"
    docs.mkdir()
    observed = [name for name in DOCUMENTS if name.startswith("../deploy/observe/")]
    assert len(write(docs)) == len(DOCUMENTS) + len(observed) + 3
    assert differing(docs) == []
    (chart / "values.yaml").write_text(VALUES.replace("3", "4"))
    assert differing(docs) == [f"../{CHART}/README.md"]


def test_rules_and_dashboards_are_copied_into_the_chart(tmp_path):
    chart, rules = tmp_path / CHART, tmp_path / "deploy" / "observe" / "rules"
    (rules / "tests").mkdir(parents=True)
    chart.mkdir(parents=True)
    (rules / "slo.yaml").write_text("groups: []\n")
    (rules / "tests" / "slo.yaml").write_text("tests: []\n")
    (chart / "values.yaml").write_text(VALUES)
    (chart / "README.md").write_text(f"{BEGIN}{END}")
    write(tmp_path / "docs")
    assert (chart / "files" / "rules" / "slo.yaml").read_text() == "groups: []\n"
    built = {Path(name).name for name in DOCUMENTS if name.startswith("../deploy/observe/rules/")}
    assert {path.name for path in (chart / "files" / "rules").iterdir()} == {"slo.yaml"} | built


def test_the_topics_of_the_chart_are_those_of_the_table_with_their_readers():
    found = json.loads(topics())
    assert found.keys() == TOPICS.keys()
    assert found["sps.payouts.v1"]["readers"] == ["payment-gateway"]
    assert "min.insync.replicas" not in found["sps.blocks.v1"]["config"]


def test_settings_are_in_the_schema_with_their_bounds_and_without_secrets():
    definitions = json.loads(schema())["definitions"]
    api = definitions["contractApiSettings"]["properties"]
    assert api["wait_s"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 30}
    for component in COMPONENTS:
        names = definitions[f"{component}Settings"]["properties"].keys()
        assert not {name for name in names if "token" in name or "secret" in name or "password" in name}
        assert not names & {"host", "port", "event_log", "genesis", "key", "database_url"}
