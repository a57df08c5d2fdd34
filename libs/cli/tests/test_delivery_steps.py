from types import SimpleNamespace

import pytest

from sps_cli.benches.block_watch import Seen, Sent
from sps_cli.benches.deliveries import Webhook
from sps_cli.benches.delivery_steps import STEPS, step_figures, steps


def delivery(number: int, late_ms: int = 0) -> tuple[Webhook, Sent, Seen]:
    """Sent at 1000, sealed 30 later, on the log 5, proposed 7 (and what it is late), final 12, read 1 later."""
    proposed = 1_042 + late_ms
    webhook = Webhook(sent_s=50.0, sent_ms=1_000.0, answered_s=50.010)
    seen = Seen(
        50.055 + late_ms / 1_000,
        proposed + 13.0,
        proposed_ms=proposed,
        appended_ms=proposed + 12,
        batches=(number,),
    )
    return webhook, Sent(1_030, 1_035), seen


def test_the_steps_are_the_whole_way():
    webhook, batch, block = delivery(1)
    assert steps(webhook, batch, block) == (30, 5, 7, 12, 1)
    assert sum(steps(webhook, batch, block)) == pytest.approx((block.read_s - webhook.sent_s) * 1_000)
    assert len(steps(webhook, batch, block)) == len(STEPS)


def test_the_usual_time_and_what_the_slow_ones_waited_for_stand_side_by_side():
    late = {number: 200 if number >= 18 else 0 for number in range(20)}
    ways = {f"c{number}": delivery(number, late_ms) for number, late_ms in late.items()}
    watch = SimpleNamespace(sent={number: Sent(1_030, 1_035) for number in late})
    figures = step_figures(
        "a part",
        "at rest",
        watch,
        {c: way[0] for c, way in ways.items()},
        {c: way[2] for c, way in ways.items()},
    )
    told = {figure.figure: (figure.value, figure.n) for figure in figures}
    assert told["webhook → answered, at rest, p50"] == (10.0, 20)
    assert told["batch on the log → block proposed, at rest, p50"] == (7.0, 20)
    assert told["batch on the log → block proposed, at rest, mean of the slowest tenth"] == (207.0, 2)
    assert told["block proposed → final, on the log, at rest, mean of the slowest tenth"] == (12.0, 2)
