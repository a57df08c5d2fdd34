"""A small world for tests of the contract: a genesis, facts of the normal road, and blocks made of them.

Everything derives from names and counters: no clock, no randomness.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from sps import identifiers
from sps.chain import merkle
from sps.chain.batch import Batch, BatchHeader, encode_payload
from sps.chain.execution import execute, new_state
from sps.chain.genesis import Genesis, Member, OpeningFloat, Producer, Role
from sps.chain.header import Header, ref_of
from sps.chain.receipt import Receipt
from sps.chain.state import ChainState, opening_journals
from sps.escrow import header as header_state
from sps.escrow.correction import approval_body
from sps.ledger.book import Book
from sps.signing import Domain, Signer
from sps.transactions import codec
from sps.transactions import terms as agreed_terms
from sps.transactions import vocabulary as facts
from sps.transactions.terms import Fees, PayoutWish, Terms, Tranche, terms_hash
from sps.transactions.values import WireMoney

DAY_MS = agreed_terms.DAY_MS
START_MS = 1_790_000_000_000
ROLES: tuple[Role, ...] = ("api", "carrier", "payment", "settlement", "operator")
PRODUCER_OF: dict[str, int] = {role: number for number, role in enumerate(ROLES, start=1)}
ZERO = bytes(32)
F = TypeVar("F", bound=facts.Fact)


def h32(name: str) -> str:
    """A fixed 32-byte value as hex."""
    return hashlib.sha256(name.encode()).hexdigest()


def ident(prefix: str, name: str) -> str:
    """A fixed identifier."""
    return identifiers.derived(prefix, hashlib.sha256(f"{prefix}:{name}".encode()).digest())


def key(name: str) -> str:
    """The public key of somebody, as hex."""
    return Signer(hashlib.sha256(name.encode()).digest()).public_key.hex()


def signer(name: str) -> Signer:
    """The private key of somebody."""
    return Signer(hashlib.sha256(name.encode()).digest())


def genesis(floats: Sequence[tuple[str, str, int]] = ()) -> Genesis:
    """One validator, all producers."""
    return Genesis(
        network="test",
        created_ms=START_MS,
        validators=(Member("v1", key("v1"), 1, "http://127.0.0.1:1"),),
        producers=tuple(Producer(PRODUCER_OF[role], role, role, key(role)) for role in ROLES),
        floats=tuple(OpeningFloat(provider, code, str(minor)) for provider, code, minor in floats),
        approvers=(key("ann"), key("ben")),
    )


def terms(price: int = 100_000, **fields: object) -> Terms:
    """One tranche of one parcel by DHL unless told otherwise."""
    base: dict[str, object] = {
        "currency": "CNY",
        "price": str(price),
        "tranches": (Tranche("t1", str(price), ("p1",)),),
        "carriers": ("dhl",),
        "goods": h32("goods"),
        "ship_to": h32("ship-to"),
        "address": h32("address"),
        "release": "on_delivery",
    }
    return Terms(**(base | fields))


class World:
    """A chain with one producer per role; every call of `block` executes one block."""

    def __init__(self, floats: Sequence[tuple[str, str, int]] = ()) -> None:
        self.genesis = genesis(floats)
        self.state: ChainState = new_state(self.genesis)
        self.now_ms = START_MS
        self.seq: dict[int, int] = {}
        self.digest: dict[int, bytes] = {}
        self.blocks: list[tuple[Header, tuple[Batch, ...]]] = []
        self.receipts: list[Receipt] = []
        self.book = Book(opening_journals(self.genesis))
        """The stupid twin of the balances; it checks every guard after every journal."""

    def block(self, *transactions: facts.Transaction, at_ms: int | None = None) -> tuple[Receipt, ...]:
        """Execute a block with these facts, in order; neighbours of one role share a batch."""
        groups: list[tuple[str, list[bytes]]] = []
        for fact in transactions:
            role = facts.ROLE_OF[type(fact)]
            if not groups or groups[-1][0] != role:
                groups.append((role, []))
            groups[-1][1].append(codec.encode(fact))
        return self.raw_block([(PRODUCER_OF[role], raws) for role, raws in groups], at_ms)

    def raw_block(
        self, groups: Iterable[tuple[int, list[bytes]]], at_ms: int | None = None
    ) -> tuple[Receipt, ...]:
        """Execute a block of batches given as (producer, transactions)."""
        self.now_ms = max(self.now_ms + 1, at_ms or 0)
        batches = tuple(self.batch(producer, raws) for producer, raws in groups)
        header = header_of(self.state, self.now_ms, batches)
        self.blocks.append((header, batches))
        receipts = execute(self.state, header, [ref_of(b.header) for b in batches], batches)
        self.receipts += receipts
        for receipt in receipts:
            for journal in receipt.journals:
                self.book.apply(journal)
        return receipts

    def batch(self, producer: int, raws: list[bytes]) -> Batch:
        """The producer's next batch; not signed, since execution leaves signatures to consensus."""
        payload = encode_payload(raws)
        seq = self.seq.get(producer, 0) + 1
        header = BatchHeader(
            producer,
            seq,
            self.digest.get(producer, ZERO),
            hashlib.sha256(payload).digest(),
            merkle.root(raws),
            len(raws),
            len(payload),
            self.now_ms,
        )
        self.seq[producer] = seq
        self.digest[producer] = ref_of(header).digest
        return Batch(header, bytes(64), payload)

    def do(self, *transactions: facts.Transaction) -> tuple[Receipt, ...]:
        """Execute each fact in a block of its own; all have to be accepted."""
        done: list[Receipt] = []
        for fact in transactions:
            receipt = self.block(fact)[-1]
            if receipt.code != "OK":
                raise AssertionError(f"{receipt.kind}: {receipt.code} {receipt.message}")
            done.append(receipt)
        return tuple(done)

    def code(self, fact: facts.Transaction) -> str:
        """Execute one fact in a block and tell its code."""
        return self.block(fact)[-1].code

    def rules(self, fact: facts.Transaction) -> tuple[str, ...]:
        """Execute one fact and tell the rows that fired."""
        return self.do(fact)[0].rules

    def wait(self, duration_ms: int) -> tuple[Receipt, ...]:
        """One empty block after this time."""
        return self.block(at_ms=self.now_ms + duration_ms)


def header_of(state: ChainState, time_ms: int, batches: Sequence[Batch]) -> Header:
    """A header that execution accepts; consensus fields are not looked at there."""
    return Header(
        chain_id=state.chain_id,
        epoch=1,
        view=state.height + 1,
        height=state.height + 1,
        flags=0,
        parent_view=state.height,
        parent_id=state.block_id,
        time_ms=time_ms,
        proposer=0,
        batches_root=ZERO,
        batch_count=len(batches),
        tx_count=sum(batch.header.tx_count for batch in batches),
        exec_height=0,
        app_hash=ZERO,
        results_root=ZERO,
        cursors_root=ZERO,
        committee_hash=ZERO,
    )


class Deal:
    """The facts about one contract, by name; natural keys follow from the deal's name."""

    def __init__(self, name: str = "deal", agreed: Terms | None = None, seller: str = "alice") -> None:
        self.name = name
        self.terms = agreed or terms()
        self.id = ident("ctr", name)
        self.seller = ident("mer", seller)
        self.count = 0

    def event(self) -> str:
        """The next event identifier."""
        self.count += 1
        return ident("evt", f"{self.name}{self.count}")

    def offer(self, **fields: object) -> facts.Offer:
        offer = facts.Offer(self.event(), self.id, self.seller, h32("alice"), "0" * 128, self.terms)
        return _with(offer, fields)

    def accept(self, **fields: object) -> facts.Accept:
        hashed = terms_hash(self.terms).hex()
        return _with(facts.Accept(self.event(), self.id, hashed, h32("bob"), "0" * 128), fields)

    def decline(self) -> facts.Decline:
        return facts.Decline(self.event(), self.id)

    def withdraw(self) -> facts.Withdraw:
        return facts.Withdraw(self.event(), self.id)

    def cancel(self) -> facts.Cancel:
        return facts.Cancel(self.event(), self.id)

    def request_cancel(self) -> facts.RequestCancel:
        return facts.RequestCancel(self.event(), self.id)

    def refuse_cancel(self) -> facts.RefuseCancel:
        return facts.RefuseCancel(self.event(), self.id)

    def accept_goods(self, *tranches: str) -> facts.AcceptGoods:
        return facts.AcceptGoods(self.event(), self.id, tranches)

    def payment(self, number: int = 1) -> str:
        return ident("pay", f"{self.name}{number}")

    def pending(self, number: int = 1, provider: str = "alipay") -> facts.PaymentPending:
        return facts.PaymentPending(self.event(), self.id, self.payment(number), provider)

    def pay_failed(self, number: int = 1, provider: str = "alipay") -> facts.PaymentFailed:
        return facts.PaymentFailed(self.event(), self.id, self.payment(number), provider, "closed")

    def pay(
        self, minor: int | None = None, number: int = 1, currency: str = "", provider: str = "alipay"
    ) -> facts.PaymentCleared:
        amount = WireMoney(currency or self.terms.currency, str(minor or int(self.terms.price)))
        reference = f"ref-{self.name}-{number}"
        return facts.PaymentCleared(
            self.event(), self.id, self.payment(number), provider, reference, amount, h32("raw")
        )

    def book(self, parcel: str = "p1", tag: str = "", carrier: str = "dhl") -> facts.BookParcel:
        return facts.BookParcel(self.event(), self.id, parcel, carrier, tag or self.tag(parcel))

    def tag(self, parcel: str = "p1") -> str:
        return h32(f"tag-{self.name}-{parcel}")

    def scan(self, status: str, at_ms: int, parcel: str = "p1", **fields: object) -> facts.ParcelEvidence:
        """An authenticated message without address or document: L2."""
        evidence = facts.ParcelEvidence(
            self.event(),
            self.id,
            parcel,
            "dhl",
            self.tag(parcel),
            status,
            "pulled",
            at_ms,
            h32(f"raw-{status}-{at_ms}"),
        )
        return _with(evidence, fields)

    def delivered(self, at_ms: int, parcel: str = "p1", **fields: object) -> facts.ParcelEvidence:
        """A delivery with address and document: L3."""
        proved = {"ship_to": self.terms.ship_to, "document": h32("pod"), "handover": "recipient"}
        return self.scan("delivered", at_ms, parcel, **(proved | fields))

    def refund_paid(self, refund: str) -> facts.RefundPaid:
        return facts.RefundPaid(self.event(), self.id, refund, f"back-{refund}")

    def refund_failed(self, refund: str) -> facts.RefundFailed:
        return facts.RefundFailed(self.event(), self.id, refund, "closed_wallet")

    def payout_paid(self, payout: str) -> facts.PayoutPaid:
        return facts.PayoutPaid(self.event(), payout, f"out-{payout}", h32("raw"))


def _with(fact: F, fields: dict[str, object]) -> F:
    return replace(fact, **fields) if fields else fact


def shown(world: World, deal: Deal) -> str:
    """The header of a deal as one word, or two when it ends."""
    header = header_state.header_of(world.state.contracts[deal.id])
    return f"{header.state} {header.outcome}".strip()


def funded(agreed: Terms | None = None, name: str = "deal") -> tuple[World, Deal]:
    """A world with one funded deal."""
    world, deal = World(), Deal(name, agreed)
    world.do(deal.offer(), deal.accept(), deal.pay())
    return world, deal


def booked(agreed: Terms | None = None) -> tuple[World, Deal]:
    """A world with one funded deal whose first parcel is booked."""
    world, deal = funded(agreed)
    world.do(deal.book())
    return world, deal


def settle(world: World, deal: Deal) -> None:
    """Let the providers answer every order of a deal."""
    contract = world.state.contracts[deal.id]
    for refund in contract.refunds:
        if refund.state == "ordered":
            world.do(deal.refund_paid(refund.id))
    for link in contract.payouts:
        if link.state == "ordered":
            world.do(deal.payout_paid(link.id))


def reverse(
    world: World,
    deal: Deal,
    who: Sequence[str] = ("ann", "ben"),
    reason: str = "error",
    signed: str = "",
    tranche: str = "t1",
) -> facts.ReverseRelease:
    """A correction approved by these persons; `signed` is another reason that they signed instead."""
    found = next(t for t in world.state.contracts[deal.id].tranches if t.id == tranche)
    body = approval_body(deal.id, tranche, found.released_at, signed or reason)
    signers = [signer(name) for name in who]
    keys = tuple(one.public_key.hex() for one in signers)
    signatures = tuple(one.sign(Domain.TX, world.state.chain_id, body).hex() for one in signers)
    return facts.ReverseRelease(deal.event(), deal.id, tranche, keys, signatures, reason)


def many_tranches(amounts: Sequence[int], parcels: Sequence[Sequence[str]]) -> tuple[Tranche, ...]:
    """Tranches t1, t2, … with these amounts and parcels."""
    pairs = zip(amounts, parcels, strict=True)
    return tuple(Tranche(f"t{i}", str(a), tuple(p)) for i, (a, p) in enumerate(pairs, start=1))


WISH = PayoutWish("alipay", h32("alice's account"))
FEES = Fees(fee_bp=150, tax_bp=1900, tax_country="DE")
