"""The port to carriers: what an adapter has to be able to do, and the values that pass through it.

An adapter proves the origin of a message, translates it, and talks to its carrier. It decides nothing.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from carrier_gateway.core.tracking import Observation
from sps.runtime.errors import Refusal, Trouble


class CarrierTrouble(Trouble):
    """The carrier cannot be asked now. `retry_after_ms` is what it asked for, 0 when it said nothing."""

    def __init__(self, message: str, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class CarrierRefused(Refusal):
    """The carrier says no for good; `code` is stable and ours."""


class WebhookRequest(Struct, frozen=True):
    """A request as it came: raw body, lower-case header names, every header as often as it was sent."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    path_secret: str = ""

    def header(self, name: str) -> str | None:
        """The header's value when it was sent exactly once; two are as suspect as none."""
        values = [value for key, value in self.headers if key == name]
        return values[0] if len(values) == 1 else None


class Genuine(Struct, frozen=True):
    """The origin is proved; `key` names the message, so that a replay is known for ever."""

    origin: Literal["pushed", "signed"]
    key: str


class Forged(Struct, frozen=True):
    """The origin is not proved. The reason is for our eyes only."""

    reason: Literal["too_large", "empty", "header", "secret", "signature", "path"]


class Observed(Struct, frozen=True):
    """The message speaks about a parcel."""

    observation: Observation


class Handshake(Struct, frozen=True):
    """The carrier asks whether we want this subscription; the answer is a call to `url` with `secret`."""

    url: str
    secret: str


class Notice(Struct, frozen=True):
    """The message speaks about something else, such as `unreadable` or `subscription_failure`."""

    kind: str


Message = Observed | Handshake | Notice


class Pulled(Struct, frozen=True):
    """The answer to our own authenticated question; no observation: the carrier does not know the number."""

    raw: bytes
    """All that was received and led to the observation; its SHA-256 names it on the chain."""
    observation: Observation | None
    complete: bool = True
    """False when a part, such as the proof of delivery, could not be fetched just now."""


class Carrier(Protocol):
    """Who calls: the webhook entry point `prove`; workers everything else. The adapter bounds every wait."""

    @property
    def name(self) -> str:
        """The carrier's name in terms of contracts, in paths and in tags."""

    def prove(self, request: WebhookRequest) -> Genuine | Forged:
        """Judge the origin over the raw bytes, in constant time; never raises."""

    def interpret(self, body: bytes) -> Sequence[Message]:
        """Translate a message whose origin is proved; an unknown word is a value, never a crash."""

    async def subscribe(self, number: str) -> str:
        """Ask the carrier to tell us about a number; returns the carrier's reference, which may be empty.

        Raises `CarrierTrouble` or `CarrierRefused`. May be called again after an unknown outcome.
        """

    async def pull(self, number: str, reference: str) -> Pulled:
        """Ask for the parcel now. Raises `CarrierTrouble` or `CarrierRefused`."""

    async def confirm(self, handshake: Handshake) -> None:
        """Answer a handshake. Raises `CarrierRefused` for an address that is not the carrier's."""

    async def stop(self) -> None:
        """Close connections within a bound."""
