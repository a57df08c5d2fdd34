"""What a payment found at the provider means for us: the real amount, whatever was ordered.

A callback is a hint; `Found` is what the provider answered when asked, and that is the evidence
(`docs/life-of-a-contract.md`, pay-in). Exact, partial, too much or wrong currency is for the contract
to decide; here nothing is rounded, corrected or held back (X64).
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from sps.identifiers import EVENT, PAYMENT, derived
from sps.money import Money
from sps.transactions.values import wire
from sps.transactions.vocabulary import (
    PaymentCleared,
    PaymentFailed,
    PaymentPending,
    ProviderFee,
    Transaction,
)

FoundState = Literal["absent", "pending", "succeeded", "failed"]

FIRST_LOOK_MS: Final = 15 * 60 * 1000
"""A payment whose callback never comes is asked for after this long (X62)."""
LONGEST_LOOK_MS: Final = 4 * 3_600_000
GRACE_MS: Final = 3_600_000
"""Past its expiry an attempt is still asked for, before it is called failed."""
GIVE_UP_MS: Final = 7 * 24 * 3_600_000
"""An attempt that the provider still calls open this long after its expiry is no longer asked for."""
FEE_LOOKS_MAX: Final = 8
"""Queries for a provider's fee that is not stated yet."""
DOUBLINGS_MAX: Final = 16


class Found(Struct, frozen=True):
    """The provider's authenticated answer about one payment. `raw` is the answer as received."""

    state: FoundState
    raw: bytes
    reference: str = ""
    amount: Money | None = None
    """What truly arrived; always there when succeeded."""
    fee: Money | None = None
    """What the provider kept, when it says so. None: not stated (yet)."""
    fee_follows: bool = False
    """The provider will state a fee later."""
    reason: str = ""


class Arrival(Struct, frozen=True):
    """Money that arrived for an attempt; once per provider's number. `payment` is its name on the chain."""

    reference: str
    amount: Money
    payment: str
    fee_open: bool = False
    """The provider will still state its fee."""


class News(Struct, frozen=True):
    """What the chain is told after a look, and the arrivals that are new or changed."""

    arrivals: tuple[Arrival, ...]
    facts: tuple[Transaction, ...]


def news(
    contract: str, payment: str, provider: str, known: Sequence[Arrival], found: Sequence[Found]
) -> News:
    """Compare what was found with what is known; every arrival and every fee is told once."""
    all_known = {arrival.reference: arrival for arrival in known}
    changed: dict[str, Arrival] = {}
    facts: list[Transaction] = []
    for one in found:
        arrival = all_known.get(one.reference)
        if one.state != "succeeded" or one.amount is None or (arrival and not arrival.fee_open):
            continue
        if arrival is None:
            name = arrival_name(payment, one.reference) if all_known else payment
            arrival = Arrival(one.reference, one.amount, name)
            facts.append(cleared_fact(contract, name, provider, one))
        fee = fee_fact(arrival.payment, provider, one)
        facts += [fee] if fee else []
        changed[one.reference] = all_known[one.reference] = replace(arrival, fee_open=one.fee_follows)
    return News(tuple(changed.values()), tuple(facts))


def arrival_name(payment: str, reference: str) -> str:
    """Who pays twice on one pay page has made two payments: the second one gets a name of its own."""
    return derived(PAYMENT, hashlib.sha256(f"{payment}|{reference}".encode()).digest())


def pending_fact(contract: str, payment: str, provider: str) -> PaymentPending:
    """F7: the buyer was sent to the provider."""
    return PaymentPending(
        id=event_id("payment.pending", payment), contract=contract, payment=payment, provider=provider
    )


def cleared_fact(contract: str, payment: str, provider: str, found: Found) -> PaymentCleared:
    """F8 to F11: the money is there, in the amount and currency in which it arrived."""
    if found.amount is None:
        raise ValueError("a payment that succeeded has an amount")
    return PaymentCleared(
        id=event_id("payment.cleared", payment, found.reference),
        contract=contract,
        payment=payment,
        provider=provider,
        reference=found.reference,
        amount=wire(found.amount),
        raw=hashlib.sha256(found.raw).hexdigest(),
    )


def failed_fact(contract: str, payment: str, provider: str, reason: str) -> PaymentFailed:
    """The attempt ended without money."""
    return PaymentFailed(
        id=event_id("payment.failed", payment),
        contract=contract,
        payment=payment,
        provider=provider,
        reason=reason,
    )


def fee_fact(payment: str, provider: str, found: Found) -> ProviderFee | None:
    """P04: the provider's own statement of its fee; nothing for no fee."""
    if found.fee is None or found.fee.minor <= 0:
        return None
    return ProviderFee(
        id=event_id("provider.fee", payment),
        payment=payment,
        provider=provider,
        amount=wire(found.fee),
        raw=hashlib.sha256(found.raw).hexdigest(),
    )


def next_look_ms(now_ms: int, looks: int) -> int:
    """When to ask again for a payment that is still open: doubling, bounded."""
    pause = min(FIRST_LOOK_MS << min(looks, DOUBLINGS_MAX), LONGEST_LOOK_MS)
    return now_ms + pause


def event_id(kind: str, *natural_key: str) -> str:
    """The identifier that follows from a natural key: the same fact has the same one."""
    return derived(EVENT, hashlib.sha256("|".join((kind, *natural_key)).encode()).digest())
