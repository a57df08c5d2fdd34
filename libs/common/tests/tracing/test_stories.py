"""To whose story a payout belongs, from the receipts alone."""

from sps.chain import execution
from sps.chain.receipt import OK, Receipt
from sps.ledger.journal import Journal, Posting
from sps.tracing import stories
from sps.tracing.causes import SUBJECTS, releases_behind, story_of_transaction
from sps.tracing.stories import Release, Stories
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import ROLE_OF, PublishRates, Rate, RequestPayout

A, B, SELLER = "ctr_a", "ctr_b", "mer_1"


def receipt(height: int, subject: str, *lines: tuple[str, int], code: str = OK, kind: str = "P20") -> Receipt:
    postings = tuple(Posting(account, amount) for account, amount in lines)
    return Receipt(height, 0, "x", code, subject, journals=(Journal(kind, postings),) if postings else ())


def released(height: int, contract: str, minor: int, currency: str = "CNY", seller: str = SELLER) -> Receipt:
    return receipt(
        height, contract, (f"2000/{contract}/{currency}", minor), (f"2100/{seller}/{currency}", -minor)
    )


def converted(height: int, minor: int) -> Receipt:
    return receipt(height, "quo_1", (f"2100/{SELLER}/CNY", minor), (f"2100/{SELLER}/EUR", -minor), kind="P31")


def paid_out(height: int, payout: str, minor: int, currency: str = "EUR") -> Receipt:
    lines = (f"2100/{SELLER}/{currency}", minor), (f"2300/{payout}/{currency}", -minor)
    return receipt(height, payout, *lines, kind="P60")


def told(*receipts: Receipt) -> Stories:
    known = Stories()
    known.told(receipts)
    return known


def test_a_payout_of_one_contracts_money_belongs_to_it_also_after_a_conversion():
    known = told(released(1, A, 100), converted(2, 100), paid_out(3, "pyo_1", 100))
    assert known.of("pyo_1") == A
    assert known.behind("pyo_1") == (Release(A, 1, 0),)


def test_a_payout_in_which_two_contracts_met_is_a_story_of_its_own_linked_to_both():
    known = told(released(1, A, 60), released(2, B, 40), converted(3, 100), paid_out(4, "pyo_1", 100))
    assert known.of("pyo_1") == "pyo_1"
    assert [each.contract for each in known.behind("pyo_1")] == [A, B]


def test_who_took_all_begins_anew_and_who_left_something_does_not():
    emptied = told(
        released(1, A, 60),
        paid_out(2, "pyo_1", 60, "CNY"),
        released(3, B, 40),
        paid_out(4, "pyo_2", 40, "CNY"),
    )
    assert (emptied.of("pyo_1"), emptied.of("pyo_2")) == (A, B)
    left = told(
        released(1, A, 60),
        paid_out(2, "pyo_1", 50, "CNY"),
        released(3, B, 40),
        paid_out(4, "pyo_2", 50, "CNY"),
    )
    assert (left.of("pyo_1"), left.of("pyo_2")) == (A, "pyo_2")


def test_the_money_of_another_seller_is_another_story():
    known = told(released(1, A, 60), released(2, B, 60, seller="mer_2"), paid_out(3, "pyo_1", 60, "CNY"))
    assert known.of("pyo_1") == A


def test_a_refund_belongs_to_its_contract():
    known = told(receipt(1, A, (f"2020/{A}/CNY", 5), ("2310/rfd_1/CNY", -5), kind="P40"))
    assert (known.of("rfd_1"), known.behind("rfd_1")) == (A, ())


def test_what_was_refused_changes_nothing():
    assert told(receipt(1, A, code="NO")).of_seller(SELLER) == ()


def test_the_wish_for_a_payout_belongs_to_what_it_will_take():
    wish = RequestPayout(
        id="evt_1",
        payout="pyo_1",
        seller=SELLER,
        amount=WireMoney("CNY", "60"),
        provider="stripe",
        beneficiary="00" * 32,
    )
    known = told(released(1, A, 60))
    assert story_of_transaction(wish, known) == A
    assert releases_behind(wish, known) == (Release(A, 1, 0),)
    known.told([released(2, B, 1)])
    assert story_of_transaction(wish, known) == "pyo_1"
    assert [each.contract for each in releases_behind(wish, known)] == [A, B]
    known.told([paid_out(3, "pyo_1", 61, "CNY"), released(4, A, 9)])
    assert [each.contract for each in releases_behind(wish, known)] == [A, B]


def test_a_document_of_rates_is_a_story_of_its_own():
    rates = PublishRates(
        id="evt_1", source="ecb", base="EUR", as_of_ms=1, document="00" * 32, rates=(Rate("CNY", "1", "2"),)
    )
    assert story_of_transaction(rates, Stories()) == rates.document
    assert Stories().of("") == ""


def test_what_is_remembered_has_bounds(monkeypatch):
    monkeypatch.setattr(stories, "SELLERS_MAX", 10)
    monkeypatch.setattr(stories, "ORDERS_MAX", 10)
    monkeypatch.setattr(stories, "MET_MAX", 3)
    known = told(*(released(n, f"ctr_{n}", 1, seller=f"mer_{n}") for n in range(50)))
    assert len(known._balances) == 10
    known = told(
        *(released(n, f"ctr_{n}", 1) for n in range(50)),
        *(paid_out(n, f"pyo_{n}", 1, "CNY") for n in range(50)),
    )
    assert len(known._orders) == 10
    assert [
        each.contract for each in told(*(released(n, f"ctr_{n}", 1) for n in range(5))).of_seller(SELLER)
    ] == ["ctr_2", "ctr_3", "ctr_4"]


def test_a_transaction_is_about_what_its_receipt_will_be_about():
    first = {kind: next(name for name in SUBJECTS if name in kind.__struct_fields__) for kind in ROLE_OF}
    assert first == execution._SUBJECT_OF
