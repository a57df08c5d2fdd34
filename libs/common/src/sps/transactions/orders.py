"""Settlement's signed orders to the payment gateway: the records of `sps.payouts.v1`.

An order repeats what the chain already decided; a gateway executes it only when the signature is
settlement's and its own fold of the chain says the same (`docs/life-of-a-contract.md`, payout).
Record: canonical JSON `{"order": {…}, "signature": "<hex>"}`; signed under `Domain.RESULT` are the
order's own canonical bytes.
"""

import hashlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from sps.signing import Domain, Signer, verify
from sps.transactions.spelling import Speller
from sps.transactions.values import Hex32, Hex64, Identifier, Name, WireMoney

ORDER_BYTES_MAX: Final = 4096

OrderKind = Literal["payout", "refund"]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class BadOrder(ValueError):
    """The record is not one canonical, complete order, or its signature is not good."""


class Order(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Pay `amount` out once. `id` is the payout's or refund's own identifier, the same for ever."""

    id: Identifier
    kind: OrderKind
    height: Position
    """Height of the block that ordered it."""
    index: Position
    """Index of the receipt in that block."""
    provider: Name
    amount: WireMoney
    beneficiary: Hex32 | None = None
    """For a payout: the commitment that names the account."""
    payment: Identifier | None = None
    """For a refund: the pay-in whose rail the money goes back on."""


class SignedOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """An order with the hex signature of settlement over `order_bytes`."""

    order: Order
    signature: Hex64


_encoder: Final = msgspec.json.Encoder(order="sorted")
_read: Final = Speller[SignedOrder](SignedOrder, ORDER_BYTES_MAX, BadOrder).read


def order_bytes(order: Order) -> bytes:
    """The canonical bytes that are signed."""
    return _encoder.encode(order)


def seal_order(order: Order, signer: Signer, chain_id: bytes) -> bytes:
    """Sign an order and spell the record."""
    signature = signer.sign(Domain.RESULT, chain_id, order_bytes(_complete(order)))
    return _encoder.encode(SignedOrder(order, signature.hex()))


def decode_order(raw: bytes) -> SignedOrder:
    """Read a record; unknown fields, other spellings and incomplete orders are refused."""
    signed = _read(raw)
    _complete(signed.order)
    return signed


def open_order(raw: bytes, settlement_key: bytes, chain_id: bytes) -> Order:
    """Read a record and check that settlement signed it for this chain."""
    signed = decode_order(raw)
    body = order_bytes(signed.order)
    if not verify(settlement_key, Domain.RESULT, chain_id, body, bytes.fromhex(signed.signature)):
        raise BadOrder("the signature is not settlement's for this chain")
    return signed.order


def order_partition(order_id: str, partitions: int) -> int:
    """The partition of an order: all records of one order lie in one."""
    return int.from_bytes(hashlib.sha256(order_id.encode()).digest()[:8], "big") % partitions


def _complete(order: Order) -> Order:
    wanted = (True, False) if order.kind == "payout" else (False, True)
    if (order.beneficiary is not None, order.payment is not None) != wanted:
        raise BadOrder("a payout names its beneficiary, a refund its payment, and neither names both")
    prefix = "pyo_" if order.kind == "payout" else "rfd_"
    if not order.id.startswith(prefix):
        raise BadOrder(f"the identifier of a {order.kind} begins with {prefix}")
    return order
