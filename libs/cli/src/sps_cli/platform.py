"""The whole platform in one process: validators, services and sandbox, on any event log and databases.

It only composes the services' own bootstraps; `fleet.py` runs the same in a process each.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Final

import carrier_gateway.bootstrap as carrier
import consensus_node.bootstrap as node
import contract_api.bootstrap as api
import payment_gateway.bootstrap as payment
import sandbox.bootstrap as sandbox
import settlement.bootstrap as settlement
from sps.eventlog.address import open_log
from sps.runtime.errors import Trouble
from sps.runtime.lifecycle import Service, stop_bounded
from sps.runtime.probe import Probe, no_probe
from sps_cli.state_folder import VALIDATORS, StateFolder
from sps_cli.wiring import NODES, SANDBOX, SERVICES, Backends, Wiring, backends_of

READY_S: Final = 30.0
POLL_S: Final = 0.02
STOP_S: Final = 4.0
"""All services stop at the same time within this; the log goes last."""


class Platform:
    """Starts, waits until ready, stops. `backends`: none given, those that the folder was made with."""

    def __init__(
        self,
        folder: StateFolder,
        probe: Probe = no_probe,
        backends: Backends | None = None,
        trace_endpoint: str = "",
    ) -> None:
        backends = backends or backends_of(folder)
        self.wiring: Final = Wiring(folder, backends, trace_endpoint=trace_endpoint)
        self.probes: Final[dict[str, Probe]] = defaultdict(lambda: probe)
        """By service: where a test may let it die."""
        self._log: Final = open_log(backends.event_log)
        self.services: Final[dict[str, Any]] = {}

    async def start(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Bring everything up; returns when every service is ready."""
        await self._log.start()
        told("sandbox of carriers and providers")
        await self._begin(SANDBOX, await sandbox.bootstrap(self.wiring.sandbox()))
        told(f"{VALIDATORS} validators")
        await asyncio.gather(*(self.start_node(i) for i in range(VALIDATORS)))
        told("gateways, settlement, contract API")
        await asyncio.gather(*(self.start_service(name) for name in SERVICES))
        await self._until_ready()

    async def start_node(self, index: int) -> None:
        """Start one validator."""
        name = NODES[index]
        settings = self.wiring.node(name)
        await self._begin(name, await node.bootstrap(settings, log=self._log, probe=self.probes[name]))

    async def start_service(self, name: str) -> None:
        """Start one of the services by its name."""
        log, probe, wiring = self._log, self.probes[name], self.wiring
        builders: dict[str, Callable[[], Coroutine[Any, Any, Service]]] = {
            "carrier-gateway": lambda: carrier.bootstrap(wiring.carrier(), log=log, probe=probe),
            "payment-gateway": lambda: payment.bootstrap(wiring.payment(), log=log, probe=probe),
            "settlement": lambda: settlement.bootstrap(wiring.settlement(), log=log, probe=probe),
            "contract-api": lambda: api.bootstrap(wiring.api(), log=log, probe=probe),
        }
        await self._begin(name, await builders[name]())

    async def stop_one(self, name: str) -> None:
        """Stop one service or validator."""
        await stop_bounded(self.services.pop(name).stop, name, STOP_S)

    async def stop(self) -> bool:
        """Stop everything; tell whether all stopped within their bounds."""
        stopping = [stop_bounded(service.stop, name, STOP_S) for name, service in self.services.items()]
        fine = all(await asyncio.gather(*stopping))
        self.services.clear()
        return await stop_bounded(self._log.stop, "log") and fine

    async def failed(self) -> str:
        """Return the name of the first service that met a defect."""
        waits = {asyncio.ensure_future(each.failed()): name for name, each in self.services.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[next(iter(done))]
        finally:
            for task in waits:
                task.cancel()

    async def _begin(self, name: str, service: Service) -> None:
        self.services[name] = service
        await service.start()

    async def _until_ready(self) -> None:
        end = time.monotonic() + READY_S
        while waiting := [name for name, service in self.services.items() if not service.ready()]:
            if time.monotonic() > end:
                raise Trouble(f"not ready after {READY_S:.0f} s: {', '.join(waiting)}")
            await asyncio.sleep(POLL_S)
