"""Proof that an event comes from Stripe: HMAC-SHA256 over `<t>.<raw body>`, stamp at most 300 s old.

The key is the whole secret text with its `whsec_`. During a roll of the secret several `v1` stand in the
header and two secrets are live; `v0` counts for nothing.
"""

import hmac
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from payment_gateway.application.ports import CallbackRefused, Hint, HintKind, RawCallback
from sps.identifiers import PAYMENT, PAYOUT, REFUND

TOLERANCE_S: Final = 300
FUTURE_S: Final = 60
SIGNATURES_MAX: Final = 10
HEADER: Final = "stripe-signature"

_STAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_KINDS: Final[dict[str, HintKind]] = {PAYMENT: "payment", PAYOUT: "order", REFUND: "order"}


class Subject(msgspec.Struct):
    """The parts of `data.object` that may carry an identifier of ours; nothing here is evidence."""

    id: Any = None
    object: Any = None
    payment_intent: Any = None
    metadata: dict[str, Any] | None = None
    client_reference_id: Any = None
    transfer_group: Any = None


class EventData(msgspec.Struct):
    """`data` of an event."""

    object: Subject = msgspec.field(default_factory=Subject)


class Event(msgspec.Struct):
    """An event as far as we read it."""

    id: str
    data: EventData = msgspec.field(default_factory=EventData)


_decoder: Final = msgspec.json.Decoder(Event)


class EventVerifier:
    """Checks events with the secrets that are live now."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)

    def prove(self, callback: RawCallback) -> Hint:
        """Return what the event is about; raises `CallbackRefused`."""
        headers = [value for name, value in callback.headers if name == HEADER]
        if len(headers) != 1:
            raise CallbackRefused("NO_SIGNATURE", "exactly one Stripe-Signature is needed")
        stamp, given = _parse(headers[0])
        self._check(stamp, given, callback.body)
        age_s = callback.received_ms // 1000 - int(stamp)
        if not -FUTURE_S <= age_s <= TOLERANCE_S:
            raise CallbackRefused("STALE", f"the stamp is {age_s} s old")
        return _hint(callback.body)

    def _check(self, stamp: str, given: Sequence[bytes], body: bytes) -> None:
        wanted = [
            hmac.digest(secret, stamp.encode() + b"." + body, "sha256").hex().encode()
            for secret in self._secrets
        ]
        # All pairs are compared, so that the time does not tell which one was near.
        if not sum(hmac.compare_digest(one, other) for one in wanted for other in given):
            raise CallbackRefused("BAD_SIGNATURE", "the signature is not Stripe's")


def _parse(header: str) -> tuple[str, list[bytes]]:
    stamps: list[str] = []
    given: list[bytes] = []
    for part in header.split(",")[: SIGNATURES_MAX + 2]:
        name, _, value = part.strip().partition("=")
        if name == "t":
            stamps.append(value)
        elif name == "v1":
            given.append(value.encode())
    if len(stamps) != 1 or not _STAMP.fullmatch(stamps[0]) or not given:
        raise CallbackRefused("NO_SIGNATURE", "Stripe-Signature needs one t and a v1")
    return stamps[0], given[:SIGNATURES_MAX]


def _hint(body: bytes) -> Hint:
    try:
        event = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CallbackRefused("MALFORMED", "the body is not an event") from error
    metadata = event.data.object.metadata or {}
    candidates = (
        metadata.get("payment"),
        metadata.get("order"),
        event.data.object.client_reference_id,
        event.data.object.transfer_group,
    )
    for subject in candidates:
        if isinstance(subject, str) and (kind := _KINDS.get(subject.partition("_")[0])):
            return Hint(kind, subject, event.id, _intent(event.data.object))
    return Hint("none", "", event.id)


def _intent(subject: Subject) -> str:
    """The payment intent that an event is about, if it names one."""
    named = subject.id if subject.object == "payment_intent" else subject.payment_intent
    return named if isinstance(named, str) else ""
