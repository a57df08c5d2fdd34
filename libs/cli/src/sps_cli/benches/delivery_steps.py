"""Where a delivery was on its way from the webhook to the block that releases the money, and for how long.

The times come from the log itself: when the carrier gateway sealed the batch, when the batch was on the log,
when the block was proposed (its header) and when it was on the log. All processes of a bench share one clock.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from sps_cli.benches.block_watch import BlockWatch, Seen, Sent
from sps_cli.benches.deliveries import Webhook
from sps_cli.benches.figures import Figure, quantile

STEPS: Final = (
    "webhook sent → batch sealed",
    "batch sealed → on the log",
    "batch on the log → block proposed",
    "block proposed → final, on the log",
    "block on the log → read",
)
SLOWEST: Final = 0.1
"""Share of the deliveries whose mean is shown beside the usual time: what the slow ones waited for."""


def step_figures(
    part: str, what: str, watch: BlockWatch, webhooks: dict[str, Webhook], blocks: dict[str, Seen]
) -> list[Figure]:
    """Every step's usual time, and its mean among the slowest tenth of all."""
    ways = sorted(_ways(watch, webhooks, blocks), key=sum)
    slowest = ways[-max(1, round(len(ways) * SLOWEST)) :]
    answers = [(each.answered_s - each.sent_s) * 1_000 for each in webhooks.values()]
    rows = [(f"webhook → answered, {what}, p50", quantile(answers, 0.5), len(answers))]
    for number, step in enumerate(STEPS):
        rows.append((f"{step}, {what}, p50", quantile([way[number] for way in ways], 0.5), len(ways)))
        mean = sum(way[number] for way in slowest) / len(slowest)
        rows.append((f"{step}, {what}, mean of the slowest tenth", mean, len(slowest)))
    return [Figure(part, figure, round(value, 2), "ms", n) for figure, value, n in rows]


def _ways(
    watch: BlockWatch, webhooks: dict[str, Webhook], blocks: dict[str, Seen]
) -> Iterator[tuple[float, ...]]:
    for contract, webhook in webhooks.items():
        block = blocks[contract]
        yield steps(webhook, watch.sent[block.batches[-1]], block)


def steps(webhook: Webhook, batch: Sent, block: Seen) -> tuple[float, ...]:
    """Milliseconds of each of the `STEPS`; together they are the whole way."""
    on_the_gateway = (webhook.sent_ms, batch.sealed_ms, batch.appended_ms)
    on_the_chain = (block.proposed_ms, block.appended_ms, block.read_ms)
    return tuple(after - before for before, after in pairwise((*on_the_gateway, *on_the_chain)))
