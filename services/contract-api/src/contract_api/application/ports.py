"""What the use cases need of the world: store, chain, gateways. All times are Unix milliseconds."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from msgspec import Struct

from contract_api.core.drafting import Salts, ShipTo
from sps.chain.receipt import Receipt
from sps.escrow.state import Contract, Payout, Quote
from sps.transactions.vocabulary import Transaction

SecretKind = Literal["api_key", "buyer", "session"]


class Principal(Struct, frozen=True):
    """Who asks: a merchant (by API key or session) or the buyer of one contract."""

    merchant: str = ""
    contract: str = ""

    @property
    def account(self) -> str:
        """The scope of idempotency keys."""
        return self.merchant or f"buyer:{self.contract}"


class PrivateData(Struct, frozen=True):
    """What belongs to a contract and stays off the chain; personal parts are None once erased."""

    contract: str
    merchant: str
    buyer_token: str
    description: str | None
    ship_to: ShipTo | None
    salts: Salts | None
    created_ms: int


class StoredRequest(Struct, frozen=True):
    """A request under its idempotency key; `status` and `body` once it was answered."""

    fingerprint: str
    resource: str
    transaction: bytes | None
    status: int | None
    body: bytes | None
    created_ms: int


class ContractRow(Struct, frozen=True):
    """A contract as folded from blocks."""

    contract: Contract
    state: str
    outcome: str
    height: int


class EventRow(Struct, frozen=True):
    """One receipt with its block's time and the transaction's bytes (None for a deadline)."""

    time_ms: int
    receipt: Receipt
    body: bytes | None


class BeneficiaryRow(Struct, frozen=True):
    """A destination that the merchant registered; the account itself is with the payment gateway."""

    commitment: str
    provider: str
    hint: str


class Work(Protocol):
    """One database transaction (or one consistent view)."""

    async def add_merchant(self, merchant: str, name: str, now_ms: int) -> None: ...
    async def merchant_name(self, merchant: str) -> str | None: ...
    async def add_secret(
        self,
        digest: str,
        kind: SecretKind,
        principal: Principal,
        last4: str,
        now_ms: int,
        expires_ms: int | None,
    ) -> None: ...
    async def principal_of(self, digest: str, kind: SecretKind, now_ms: int) -> Principal | None: ...
    async def revoke_secret(self, digest: str, now_ms: int) -> None: ...
    async def add_private_data(self, data: PrivateData) -> None: ...
    async def private_data(self, contract: str) -> PrivateData | None: ...
    async def contracts_of(
        self, merchant: str, before: tuple[int, str] | None, limit: int
    ) -> list[PrivateData]: ...
    async def claim_request(self, account: str, key: str, row: StoredRequest) -> bool:
        """Write the row, or give a reserved one of the same request its resource; False: it was taken."""

    async def release_request(self, account: str, key: str, fingerprint: str, *, forget: bool) -> None:
        """Forget a row that is still only reserved; or say that nobody is at it now (`created_ms` 0)."""

    async def request(self, account: str, key: str) -> StoredRequest | None: ...
    async def answer_request(self, account: str, key: str, status: int, body: bytes) -> bool:
        """Keep the answer, unless there is one; tell whether it was kept."""

    async def submit(self, *transactions: Transaction) -> None: ...
    async def contract(self, contract: str) -> ContractRow | None: ...
    async def events(self, subject: str, after: tuple[int, int], limit: int) -> list[EventRow]: ...
    async def events_of_block(self, height: int) -> list[EventRow]: ...
    async def block(self, height: int) -> bytes | None: ...
    async def receipt_of(self, transaction: bytes) -> Receipt | None: ...
    async def balances(self, owner: str) -> list[tuple[str, str, int]]: ...
    async def payout(self, payout: str) -> Payout | None: ...
    async def payouts_of(self, seller: str, limit: int) -> list[Payout]: ...
    async def quote(self, quote: str) -> Quote | None: ...
    async def add_beneficiary(self, merchant: str, row: BeneficiaryRow, now_ms: int) -> None: ...
    async def beneficiaries_of(self, merchant: str) -> list[BeneficiaryRow]: ...
    async def proof_material(self, contract: str) -> "ProofMaterial | None": ...


class ProofMaterial(Struct, frozen=True):
    """Everything a proof is built from: encoded blocks, batches and receipts by height."""

    blocks: dict[int, bytes]
    receipts: dict[int, Sequence[bytes]]
    carriers: dict[int, bytes]
    """By executed height: the block whose header carries its results."""
    batches: dict[bytes, bytes]


class Store(Protocol):
    """Where `Work` is done."""

    def writing(self) -> AbstractAsyncContextManager[Work]: ...
    def reading(self) -> AbstractAsyncContextManager[Work]: ...


class Chain(Protocol):
    """The follower, as far as commands need it."""

    async def receipt(self, transaction: str, timeout_s: float) -> Receipt | None:
        """The receipt of a transaction (by hex hash) once its block is folded; None when it takes longer."""


class Gateways(Protocol):
    """The other services' internal calls; they carry what may not stand in the log."""

    async def open_payment(
        self, contract: str, height: int, provider: str, return_url: str
    ) -> dict[str, Any]:
        """`height`: of the block where we saw the contract; the gateway may be behind us."""

    async def book_parcel(self, booking: "Booking") -> dict[str, Any]: ...
    async def register_beneficiary(self, provider: str, account: str, name: str) -> str: ...


class Booking(Struct, frozen=True):
    """What the carrier gateway needs to watch a parcel and to compare its destination."""

    contract: str
    parcel: str
    carrier: str
    tracking_number: str
    country: str
    postcode: str
    ship_to_salt: bytes
