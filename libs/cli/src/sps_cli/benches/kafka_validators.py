"""Four validators, each a process, over a real Kafka broker on this machine: finality, speed, CPU time."""

import tempfile
from pathlib import Path
from typing import Final

from sps.eventlog.address import open_log
from sps_cli.benches.figures import Effort, Figure, Told
from sps_cli.benches.own_servers import event_log, kafka, server_cpu_s
from sps_cli.benches.validator_processes import ValidatorProcesses
from sps_cli.benches.validators_apart import Bench

PART: Final = "kafka-validators"


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """A broker, a committee, and the bench between them."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        told("starting Kafka")
        async with kafka(path) as broker:
            address = await event_log(broker)
            validators, log = ValidatorProcesses(path / "state", address), open_log(address)
            try:
                told("starting four validators")
                await validators.start()
                await log.start()
                bench = Bench(PART, effort, told, lambda: server_cpu_s(broker))
                return await bench.measure(validators, log)
            finally:
                await log.stop()
                await validators.stop()
