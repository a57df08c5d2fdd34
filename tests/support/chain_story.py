"""One contract from offer to release on a small hand-made chain, and its proof file. Nothing is executed."""

import hashlib
from typing import Final

from chain_kit import API, CARRIER, PAYMENT, SETTLEMENT, START_MS, ChainKit, signer

from sps.chain.block import Committed
from sps.chain.proof import ProofSource, build_proof
from sps.chain.receipt import OK, Receipt
from sps.identifiers import make
from sps.ledger.journal import Journal, journal
from sps.transactions.codec import encode, transaction_hash
from sps.transactions.terms import Terms, Tranche, terms_hash
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import (
    Accept,
    BookParcel,
    Decline,
    Offer,
    ParcelEvidence,
    PaymentCleared,
    PublishRates,
    Rate,
    Transaction,
)

CONTRACT: Final = make("ctr", START_MS, bytes(10))
OTHER_CONTRACT: Final = make("ctr", START_MS, b"\x01" * 10)
MERCHANT: Final = make("mer", START_MS, bytes(10))
PAYMENT_ID: Final = make("pay", START_MS, bytes(10))
SELLER: Final = "seller"
BUYER: Final = "buyer"
PRICE: Final = 12_345
FEE: Final = 185


def event_id(number: int) -> str:
    return make("evt", START_MS + number, bytes(10))


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sample_terms(price: int = PRICE) -> Terms:
    """One tranche, one parcel."""
    return Terms(
        currency="CNY",
        price=str(price),
        tranches=(Tranche("t1", str(price), ("p1",)),),
        carriers=("dhl",),
        goods=digest_of("goods"),
        ship_to=digest_of("DE|10115"),
        address=digest_of("address"),
    )


def offer(kit: ChainKit, terms: Terms | None = None, contract: str = CONTRACT) -> Offer:
    agreed = terms or sample_terms()
    return Offer(
        id=event_id(1),
        contract=contract,
        seller=MERCHANT,
        seller_key=signer(SELLER).public_key.hex(),
        signature=kit.party_signature(SELLER, terms_hash(agreed)),
        terms=agreed,
    )


def accept(kit: ChainKit, terms: Terms | None = None) -> Accept:
    hashed = terms_hash(terms or sample_terms())
    return Accept(
        id=event_id(2),
        contract=CONTRACT,
        terms_hash=hashed.hex(),
        buyer_key=signer(BUYER).public_key.hex(),
        signature=kit.party_signature(BUYER, hashed),
    )


def paid(number: int = 3) -> PaymentCleared:
    """The same payment under another event id is a harmless repeat."""
    return PaymentCleared(
        id=event_id(number),
        contract=CONTRACT,
        payment=PAYMENT_ID,
        provider="alipay",
        reference="2026010122001",
        amount=WireMoney("CNY", str(PRICE)),
        raw=digest_of("notify"),
    )


def booked() -> BookParcel:
    return BookParcel(id=event_id(4), contract=CONTRACT, parcel="p1", carrier="dhl", tag=digest_of("tag"))


def delivered() -> ParcelEvidence:
    return ParcelEvidence(
        id=event_id(5),
        contract=CONTRACT,
        parcel="p1",
        carrier="dhl",
        tag=digest_of("tag"),
        status="delivered",
        origin="pulled",
        occurred_ms=START_MS + 4_000,
        raw=digest_of("delivered"),
    )


def rates(number: int) -> PublishRates:
    """A transaction that is about no contract."""
    return PublishRates(
        id=event_id(number),
        source="ecb",
        base="EUR",
        as_of_ms=START_MS,
        document=digest_of(f"rates {number}"),
        rates=(Rate("CNY", "78", "10"),),
    )


def held_account() -> str:
    return f"2000/{CONTRACT}/t1/CNY"


def received_journal() -> Journal:
    return journal("P03", [("1000/alipay/CNY", PRICE), (held_account(), -PRICE)])


def release_journal() -> Journal:
    lines = [(held_account(), PRICE), ("3000/standard/CNY", -FEE), (f"2100/{MERCHANT}/CNY", FEE - PRICE)]
    return journal("P20", lines)


def receipt(
    height: int,
    index: int,
    transaction: Transaction | None,
    version: int,
    *,
    rules: tuple[str, ...] = (),
    journals: tuple[Journal, ...] = (),
    subject: str = CONTRACT,
    code: str = OK,
) -> Receipt:
    """What execution would have recorded; without a transaction it is the inspection's deadline."""
    kind = str(type(transaction).__struct_config__.tag) if transaction else "deadline.inspection"
    return Receipt(
        height=height,
        index=index,
        kind=kind,
        code=code,
        subject=subject,
        transaction=transaction_hash(encode(transaction)).hex() if transaction else "",
        version=version,
        state=digest_of(f"state {version}"),
        rules=rules,
        journals=journals,
    )


class Story:
    """Heights 1 to 4 and 7 touch the contract; 11 blocks carry all results."""

    def __init__(self, n: int = 4) -> None:
        self.kit = ChainKit(n)
        self._agreement()
        self._payment()
        self._delivery()
        self._release()
        for _ in range(self.kit.lag):
            self.kit.block()

    @property
    def sources(self) -> list[ProofSource]:
        kit = self.kit
        return [ProofSource(kit.blocks[h], kit.batches[h], kit.receipts[h]) for h in sorted(kit.blocks)]

    @property
    def carriers(self) -> list[Committed]:
        return list(self.kit.blocks.values())

    def proof(self) -> bytes:
        return build_proof(self.kit.genesis, CONTRACT, self.sources, self.carriers)

    def _agreement(self) -> None:
        kit = self.kit
        first, noise, second = offer(kit), rates(90), accept(kit)
        stranger = Decline(id=event_id(91), contract=OTHER_CONTRACT)
        kit.block(
            [kit.batch(SETTLEMENT, [noise]), kit.batch(API, [stranger, first])],
            [
                receipt(1, 0, noise, 0, subject=noise.document),
                receipt(1, 1, stranger, 0, subject=OTHER_CONTRACT, code="UNKNOWN_CONTRACT"),
                receipt(1, 2, first, 1, rules=("F1",)),
            ],
        )
        kit.block([kit.batch(API, [second])], [receipt(2, 0, second, 2, rules=("F2",))])

    def _payment(self) -> None:
        kit, fact, repeat = self.kit, paid(), paid(33)
        done = receipt(3, 0, fact, 3, rules=("F9",), journals=(received_journal(),))
        again = receipt(3, 1, repeat, 3)
        kit.block([kit.batch(PAYMENT, [fact, repeat])], [done, again])

    def _delivery(self) -> None:
        kit, parcel, evidence = self.kit, booked(), delivered()
        receipts = [receipt(4, 0, parcel, 4, rules=("D1",)), receipt(4, 1, evidence, 5, rules=("D11",))]
        kit.block([kit.batch(CARRIER, [parcel, evidence])], receipts)

    def _release(self) -> None:
        self.kit.block()
        self.kit.block()
        self.kit.block([], [receipt(7, 0, None, 6, rules=("M6",), journals=(release_journal(),))])
