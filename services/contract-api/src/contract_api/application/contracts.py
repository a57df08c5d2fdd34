"""What seller and buyer can do to a contract. Each command is one transaction and waits for its receipt."""

import secrets
from collections.abc import Callable
from typing import Any, Final

from contract_api.application.idempotent import CREATED, FINE, Answer, Asked, Desk, Intent
from contract_api.application.ports import Principal, PrivateData, Store, Work
from contract_api.application.reading import Reader
from contract_api.core.credentials import BUYER, RANDOM_BYTES, digest, make_secret, party_seed
from contract_api.core.drafting import SALT_BYTES, Salts, Wish, draft
from sps import identifiers
from sps.runtime.clock import Clock
from sps.runtime.errors import Refusal
from sps.runtime.ids import new_id
from sps.signing import Domain, Signer
from sps.transactions.terms import terms_hash
from sps.transactions.vocabulary import (
    Accept,
    AcceptGoods,
    Cancel,
    Decline,
    Offer,
    RefuseCancel,
    RequestCancel,
    Transaction,
    Withdraw,
)

SELLER_ROLE: Final = "seller"
BUYER_ROLE: Final = "buyer"

_PLAIN: Final[dict[str, Callable[[str, str], Transaction]]] = {
    "withdrawal": Withdraw,
    "cancellation": Cancel,
    "cancellation_refusal": RefuseCancel,
    "decline": Decline,
    "cancellation_request": RequestCancel,
}
"""Commands that say nothing but their name."""


class Custody:
    """Signs for parties that have no key of their own; the keys follow from one custody key."""

    def __init__(self, custody_key: bytes, chain_id: bytes) -> None:
        self._custody_key = custody_key
        self._chain_id = chain_id

    def sign_terms(self, role: str, contract: str, hash_: bytes) -> tuple[str, str]:
        """(public key, signature) in hex of this party over the terms hash."""
        signer = Signer(party_seed(self._custody_key, role, contract))
        return signer.public_key.hex(), signer.sign(Domain.TX, self._chain_id, hash_).hex()


class Contracts:
    """The use cases around one contract."""

    def __init__(self, store: Store, desk: Desk, reader: Reader, custody: Custody, clock: Clock) -> None:
        self._store = store
        self._desk = desk
        self._reader = reader
        self._custody = custody
        self._clock = clock

    async def create(self, asked: Asked, wish: Wish) -> Answer:
        """F1: the seller signs the terms and opens the contract."""

        async def prepare() -> Intent:
            contract = new_id(identifiers.CONTRACT, self._clock)
            private = self._private(contract, asked.principal.merchant, wish)
            assert private.salts is not None  # noqa: S101 just made
            terms = draft(wish, private.salts)
            hash_ = terms_hash(terms)
            key, signature = self._custody.sign_terms(SELLER_ROLE, contract, hash_)
            offer = Offer(self._event(), contract, asked.principal.merchant, key, signature, terms)
            return Intent(contract, offer, lambda work: self._keep(work, private))

        async def render(contract: str) -> tuple[int, Any]:
            return CREATED, await self._reader.contract(asked.principal, contract)

        return await self._desk.handle(asked, prepare, render)

    async def accept(self, asked: Asked, contract: str, shown_hash: str) -> Answer:
        """F2: the buyer signs exactly the terms that were shown."""

        async def prepare() -> Intent:
            row = await self._reader.row(contract)
            if row.contract.terms_hash != shown_hash:
                raise Refusal(
                    "WRONG_TERMS_HASH", "load the contract again and accept the terms hash it shows now"
                )
            key, signature = self._custody.sign_terms(BUYER_ROLE, contract, bytes.fromhex(shown_hash))
            return Intent(contract, Accept(self._event(), contract, shown_hash, key, signature))

        return await self._command(asked, contract, prepare)

    async def plain(self, asked: Asked, contract: str, command: str) -> Answer:
        """F3, F5, F19, F20: decline, withdraw, cancel, ask to cancel, refuse to cancel."""

        async def prepare() -> Intent:
            return Intent(contract, _PLAIN[command](self._event(), contract))

        return await self._command(asked, contract, prepare)

    async def confirm(self, asked: Asked, contract: str, tranches: tuple[str, ...]) -> Answer:
        """M5: the buyer releases early, with no need for a carrier."""

        async def prepare() -> Intent:
            return Intent(contract, AcceptGoods(self._event(), contract, tranches))

        return await self._command(asked, contract, prepare)

    async def _command(self, asked: Asked, contract: str, prepare: Any) -> Answer:
        async def render(_: str) -> tuple[int, Any]:
            return FINE, await self._reader.contract(asked.principal, contract)

        return await self._desk.handle(asked, prepare, render)

    async def _keep(self, work: Work, private: PrivateData) -> None:
        await work.add_private_data(private)
        token = private.buyer_token
        buyer = Principal(contract=private.contract)
        await work.add_secret(digest(token), "buyer", buyer, token[-4:], private.created_ms, None)

    def _private(self, contract: str, merchant: str, wish: Wish) -> PrivateData:
        salts = Salts(*(secrets.token_bytes(SALT_BYTES) for _ in range(3)))
        token = make_secret(BUYER, secrets.token_bytes(RANDOM_BYTES))
        return PrivateData(
            contract, merchant, token, wish.description, wish.ship_to, salts, self._clock.now_ms()
        )

    def _event(self) -> str:
        return new_id(identifiers.EVENT, self._clock)
