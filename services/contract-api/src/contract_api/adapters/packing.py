"""How values of the chain lie in the read models: MessagePack, complete, terms included.

The chain's own encoding of a contract leaves the terms out (`sps.escrow.state`); a page needs them.
"""

from typing import Any, Final

import msgspec

from sps.escrow.state import Contract, Opening, Payout, Quote
from sps.transactions.terms import Terms


def _taken_apart(value: object) -> Any:
    if isinstance(value, Opening):
        return (value.seller, value.seller_key, value.terms, value.terms_hash, value.opened_ms)
    raise TypeError(f"{type(value)} has no place in a read model")


def _put_together(kind: type, value: Any) -> Any:
    if kind is Opening:
        seller, seller_key, terms, terms_hash, opened_ms = value
        return Opening(seller, seller_key, msgspec.convert(terms, Terms), terms_hash, opened_ms)
    raise TypeError(f"{kind} has no place in a read model")


pack: Final = msgspec.msgpack.Encoder(enc_hook=_taken_apart).encode
read_contract: Final = msgspec.msgpack.Decoder(Contract, dec_hook=_put_together).decode
read_payout: Final = msgspec.msgpack.Decoder(Payout).decode
read_quote: Final = msgspec.msgpack.Decoder(Quote).decode
read_receipts: Final = msgspec.msgpack.Decoder(list[bytes]).decode
