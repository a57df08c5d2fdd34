"""A hop of the Kafka log: append until a waiting reader holds the record; 300 bytes, one reader."""

import tempfile
from pathlib import Path
from typing import Final

from sps_cli.benches.figures import Effort, Figure, Told
from sps_cli.benches.hop import hops
from sps_cli.benches.own_servers import event_log, kafka

PART: Final = "kafka-hop"
RATES: Final = (50, 200)


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Reader in the same process, then in another one."""
    with tempfile.TemporaryDirectory() as folder:
        told("starting Kafka")
        async with kafka(Path(folder)) as server:
            address = await event_log(server)
            return hops(PART, effort.of(100, 10) / 10, told, "--log", address, "--rates", *map(str, RATES))
