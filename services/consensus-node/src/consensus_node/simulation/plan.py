"""What one seed decides: size, delays, losses, crashes, load. Times in virtual milliseconds."""

import random
from typing import Final

from msgspec import Struct

SIZES: Final = (1, 4, 4, 4, 4, 4, 5, 7)
TIMEOUTS_TO_RECOVER: Final = 10
"""After the faults end every node finalizes within so many of the longest timeouts."""
SETTLE_MS: Final = 3_000
QUIET_MS: Final = 1_500


class Plan(Struct, frozen=True):
    """One run. Faults stop at `stable_ms`; then everything submitted must be ordered everywhere."""

    seed: int
    size: int
    mean_delay_ms: float
    loss: float
    duplication: float
    stable_ms: int
    partition_every_ms: int
    execution_ms: int
    t_lead_ms: int
    crashes: int
    batches: int
    producers: int
    skew_ms: int
    heartbeat_ms: int = 100_000

    @property
    def t_view_ms(self) -> int:
        return 2 * self.t_lead_ms

    @property
    def t_cap_ms(self) -> int:
        return 6 * self.t_lead_ms

    @property
    def deadline_ms(self) -> int:
        return self.stable_ms + TIMEOUTS_TO_RECOVER * self.t_cap_ms


def draw_plan(seed: int, size: int | None = None) -> Plan:
    """Draw a run; timeouts are short against delays, so that both certificates of a view are often near."""
    dice = random.Random(seed)  # noqa: S311 a simulation must be repeatable, not secret
    chosen = dice.choice(SIZES) if size is None else size
    mean = dice.choice((1.0, 3.0, 10.0, 20.0))
    return Plan(
        seed=seed,
        size=chosen,
        mean_delay_ms=mean,
        loss=dice.choice((0.0, 0.05, 0.2, 0.4)),
        duplication=dice.choice((0.0, 0.1)),
        stable_ms=dice.randrange(300, 1_200),
        partition_every_ms=dice.choice((0, 100, 300)),
        execution_ms=dice.choice((1, 20, 60)),
        t_lead_ms=int(dice.choice((2, 4, 8, 16)) * mean) + 12,
        crashes=dice.choice((0, 1, 2, 4, 8)),
        batches=dice.randrange(3, 12),
        producers=dice.randrange(1, 4),
        skew_ms=dice.choice((0, 20)),
    )
