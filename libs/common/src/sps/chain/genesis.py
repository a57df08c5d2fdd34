"""The genesis document: the one file on which all trust rests. Its SHA-256 is the chain's name.

Canonical JSON with every field written out, so that no default of a program is part of the agreement.
"""

import hashlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from sps import signing
from sps.chain.committee import VALIDATORS_MAX, WEIGHT_MAX, Committee, Validator
from sps.transactions.spelling import Speller
from sps.transactions.values import CurrencyCode, Digits, Hex32, Milliseconds, Name

GENESIS_BYTES_MAX: Final = 1024 * 1024
PRODUCERS_MAX: Final = 64
FLOATS_MAX: Final = 256
FIRST_EPOCH: Final = 1
EXECUTION_LAG_MAX: Final = 64
APPROVERS_MAX: Final = 64

Role = Literal["api", "carrier", "payment", "settlement", "operator"]
Weight = Annotated[int, Meta(ge=1, le=WEIGHT_MAX)]
Url = Annotated[str, Meta(max_length=256)]
ProducerId = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class BadGenesis(ValueError):
    """The document is not one genesis in canonical form."""


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """A validator of the first epoch; its place in the list is its index, `url` its HTTP address."""

    name: Name
    public_key: Hex32
    weight: Weight
    url: Url

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.public_key)


class Producer(Struct, frozen=True, forbid_unknown_fields=True):
    """A service that may send transactions; `role` says which kinds."""

    id: ProducerId
    name: Name
    role: Role
    public_key: Hex32

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.public_key)


class OpeningFloat(Struct, frozen=True, forbid_unknown_fields=True):
    """Our own money at a provider when the chain begins: `minor` units of `currency` (posting P84)."""

    provider: Name
    currency: CurrencyCode
    minor: Digits


class Parameters(Struct, frozen=True, forbid_unknown_fields=True):
    """What all validators must hold alike; times in milliseconds, `execution_lag` in heights."""

    min_block_interval_ms: Annotated[int, Meta(ge=0, le=60_000)] = 25
    heartbeat_ms: Positive = 10_000
    execution_lag: Annotated[int, Meta(ge=1, le=EXECUTION_LAG_MAX)] = 4
    t_lead_ms: Positive = 250
    t_view_ms: Positive = 500
    t_resend_ms: Positive = 1_000
    t_cap_ms: Positive = 10_000
    """Longest leader or view timeout after repeated failures."""
    precision_ms: Positive = 500
    """How far the clocks of honest validators may differ."""
    message_delay_ms: Positive = 2_000
    """How old a proposal's time may be, beyond the precision."""


class FxRules(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on reference rates: their age, and the jump between two snapshots in basis points."""

    max_rate_age_ms: Milliseconds = 4 * 86_400_000
    max_jump_bp: Annotated[int, Meta(ge=1, le=10_000)] = 1_000


class Genesis(Struct, frozen=True, forbid_unknown_fields=True):
    """The agreement that a chain starts from."""

    network: Name
    created_ms: Milliseconds
    validators: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=VALIDATORS_MAX)]
    producers: Annotated[tuple[Producer, ...], Meta(min_length=1, max_length=PRODUCERS_MAX)]
    floats: Annotated[tuple[OpeningFloat, ...], Meta(max_length=FLOATS_MAX)] = ()
    parameters: Parameters = Parameters()
    fx: FxRules = FxRules()
    approvers: Annotated[tuple[Hex32, ...], Meta(max_length=APPROVERS_MAX)] = ()
    """Public keys of the persons of whom two together may take a release back (P24); none: nobody can."""

    def committee(self) -> Committee:
        """The committee of epoch 1."""
        seats = (Validator(i, m.name, m.key, m.weight) for i, m in enumerate(self.validators))
        return Committee(FIRST_EPOCH, tuple(seats))

    def producer(self, producer_id: int) -> Producer | None:
        """The registered producer with this id, if there is one."""
        return next((producer for producer in self.producers if producer.id == producer_id), None)


_encoder: Final = msgspec.json.Encoder(order="sorted")
_read: Final = Speller[Genesis](Genesis, GENESIS_BYTES_MAX, BadGenesis).read


def genesis_bytes(genesis: Genesis) -> bytes:
    """The canonical bytes of the document."""
    return _encoder.encode(genesis)


def chain_id(raw: bytes) -> bytes:
    """The chain's name: SHA-256 of the genesis bytes."""
    return hashlib.sha256(raw).digest()


def load_genesis(raw: bytes) -> Genesis:
    """Read a genesis document; raise `BadGenesis` with the reason when it cannot start a chain."""
    genesis = _read(raw)
    check_genesis(genesis)
    return genesis


def check_genesis(genesis: Genesis) -> None:
    """Check what the shape alone does not say: valid keys, and nothing that stands twice."""
    holders: list[Member | Producer] = [*genesis.validators, *genesis.producers]
    for holder in holders:
        try:
            signing.check_public_key(holder.key)
        except signing.BadKey as error:
            raise BadGenesis(f"{holder.name}: {error}") from error
    for key in genesis.approvers:
        try:
            signing.check_public_key(bytes.fromhex(key))
        except signing.BadKey as error:
            raise BadGenesis(f"approver {key}: {error}") from error
    _no_repeat("key", [*(holder.public_key for holder in holders), *genesis.approvers])
    _no_repeat("validator name", [member.name for member in genesis.validators])
    _no_repeat("producer name", [producer.name for producer in genesis.producers])
    _no_repeat("producer id", [producer.id for producer in genesis.producers])
    _no_repeat("float", [(opening.provider, opening.currency) for opening in genesis.floats])


def _no_repeat(what: str, values: list[str] | list[int] | list[tuple[str, str]]) -> None:
    if len(set(values)) != len(values):
        raise BadGenesis(f"a {what} stands twice")
