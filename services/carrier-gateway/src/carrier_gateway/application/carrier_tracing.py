"""What the gateway says about carriers' words when traces are on. No tracking number, no address, no name."""

from typing import Final

from carrier_gateway.application.store_port import Inbound
from sps.runtime.chain_tracing import wall_ms
from sps.tracing import names
from sps.tracing.context import trace_of
from sps.tracing.span import Span, Tracer


class CarrierTracing:
    """Only made when the tracer is on."""

    def __init__(self, tracer: Tracer, carrier: str) -> None:
        self._tracer: Final = tracer
        self._carrier: Final = carrier

    def told(self, contract: str, message: Inbound, facts: int) -> None:
        """A webhook about a parcel of this contract was translated."""
        trace = trace_of(contract)
        if self._tracer.wants(trace):
            self._tracer.record(
                Span(
                    context=names.said(trace, message.sha256),
                    name=f"webhook {self._carrier}",
                    kind="server",
                    began_ms=message.received_ms,
                    ended_ms=wall_ms(),
                    attributes={
                        names.STORY: contract,
                        names.CARRIER: self._carrier,
                        names.ORIGIN: message.origin,
                        names.FACTS: facts,
                    },
                )
            )

    def asked(self, contract: str, raw: str, facts: int, began_ms: int, because: str) -> None:
        """The carrier was asked and had news; `because`: SHA-256 of the push that made us ask, if one did."""
        trace = trace_of(contract)
        if self._tracer.wants(trace):
            self._tracer.record(
                Span(
                    context=names.said(trace, raw),
                    parent=names.said(trace, because) if because else None,
                    name=f"ask {self._carrier}",
                    kind="client",
                    began_ms=began_ms,
                    ended_ms=wall_ms(),
                    attributes={
                        names.STORY: contract,
                        names.CARRIER: self._carrier,
                        names.ORIGIN: "pulled",
                        names.FACTS: facts,
                    },
                )
            )
