"""Deliveries on a platform that runs, one by one and then under load: the same for every way to run it."""

import time
from collections.abc import Callable
from typing import Final

from sps_cli.benches.block_watch import BlockWatch, Seen
from sps_cli.benches.crowd import Crowd, Deal
from sps_cli.benches.deliveries import (
    Webhook,
    at_rest,
    most,
    payout_figures,
    release_figures,
    released,
    shown,
    under_load,
)
from sps_cli.benches.delivery_steps import step_figures
from sps_cli.benches.figures import Effort, Figure, Told, latency
from sps_cli.state_folder import StateFolder

OPENED_PER_S: Final = 1.0
DELIVERY_CPU_S: Final = 0.4
"""Taken where the kernel does not tell CPU time."""


class DeliveryLoad:
    """`cpu_s`: CPU seconds used so far by `who`. `busy`: how many processors the deliveries of the half load
    keep busy; with the contracts opened beside them that is half of what there is.
    """

    def __init__(
        self, part: str, folder: StateFolder, cpu_s: Callable[[], float | None], who: str, busy: float
    ) -> None:
        self._part: Final = part
        self._folder: Final = folder
        self._cpu_s: Final = cpu_s
        self._who: Final = who
        self._busy: Final = busy

    async def measure(self, crowd: Crowd, ready: list[Deal], effort: Effort, told: Told) -> list[Figure]:
        """`ready`: contracts on their way whose deliveries the carrier knows of, `deals(effort)` of them."""
        rest, load, asked = counts(effort)
        async with BlockWatch.on(self._folder) as watch:
            told(f"{rest} deliveries, one by one")
            figures, cost_s = await self._resting(crowd, watch, ready[:rest])
            told(f"{asked} deliveries, and the API is asked all the time")
            times = await shown(crowd, watch, ready[rest : rest + asked])
            figures += latency(self._part, "signed webhook → release shown by the API, at rest", times)
            told("how many contracts can be opened in a second")
            full = await most(crowd, effort.of(4, 1))
            what = "contracts opened through the API, at most"
            figures.append(Figure(self._part, what, round(full, 1), "/s", crowd.opened))
            told(f"{load} deliveries at half load")
            return figures + await self._loaded(crowd, watch, ready[rest + asked :], cost_s / self._busy)

    async def _resting(
        self, crowd: Crowd, watch: BlockWatch, deals: list[Deal]
    ) -> tuple[list[Figure], float]:
        await watch.quiet()
        before = self._cpu_s()
        webhooks = await at_rest(crowd, watch, deals)
        await watch.quiet()
        cost_s = DELIVERY_CPU_S if before is None else ((self._cpu_s() or 0) - before) / len(deals)
        what = f"a delivery with its payout, {self._who}"
        figures = [Figure(self._part, what, round(cost_s, 3), "s CPU", len(deals))]
        figures += await self._told("at rest", watch, webhooks, await released(crowd, watch, deals))
        return figures, cost_s

    async def _loaded(
        self, crowd: Crowd, watch: BlockWatch, deals: list[Deal], every_s: float
    ) -> list[Figure]:
        await watch.quiet()
        began, before = time.monotonic(), self._cpu_s()
        webhooks = await under_load(crowd, deals, every_s, OPENED_PER_S)
        took, after = time.monotonic() - began, self._cpu_s()
        figures = [Figure(self._part, "half load: deliveries", round(1 / every_s, 2), "/s", len(deals))]
        figures.append(Figure(self._part, "half load: contracts opened meanwhile", OPENED_PER_S, "/s", 1))
        if before is not None and after is not None:
            share = round((after - before) / took, 2)
            figures.append(
                Figure(self._part, f"half load: processors kept busy by {self._who}", share, "", 1)
            )
        blocks = await released(crowd, watch, deals)
        return figures + await self._told("at half load", watch, webhooks, blocks)

    async def _told(
        self, what: str, watch: BlockWatch, webhooks: dict[str, Webhook], blocks: dict[str, Seen]
    ) -> list[Figure]:
        figures = release_figures(self._part, what, webhooks, blocks)
        figures += step_figures(self._part, what, watch, webhooks, blocks)
        return figures + await payout_figures(self._part, what, self._folder, blocks)


def counts(effort: Effort) -> tuple[int, int, int]:
    """Deliveries at rest, under load, and with the API asked all the time."""
    return effort.of(40, 1), effort.of(120, 2), effort.of(10, 1)
