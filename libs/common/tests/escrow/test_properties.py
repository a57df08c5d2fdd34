"""Invariants of the contract for every order of events: `docs/life-of-a-contract.md`, invariants 1-15.

Random stories of one contract: any fact at any time, repeated, out of order, with time in between.
"""

from chain_world import (
    START_MS,
    WISH,
    Deal,
    World,
    funded,
    h32,
    many_tranches,
    reverse,
    settle,
    shown,
    terms,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from sps.chain.execution import execute, new_state
from sps.chain.header import ref_of
from sps.escrow.header import header_of
from sps.escrow.state import Contract
from sps.ledger.accounts import GUARDS, Guard
from sps.transactions.terms import DAY_MS, Clocks, Fees

STATUSES = (
    "label_created",
    "picked_up",
    "in_transit",
    "attempted",
    "lost",
    "delivered",
    "damaged",
    "returning",
)
PARCELS = ("p1", "p2", "p3")
LONGEST_MS = 400 * DAY_MS
"""No contract of these terms can live longer, whatever happens."""

CONTRACT_TERMS = st.builds(
    lambda release, payout, fee, split, tolerance: terms(
        tranches=many_tranches([split, 100_000 - split], [["p1", "p2"], ["p2", "p3"]]),
        release=release,
        payout=payout,
        fees=fee,
        tolerance=tolerance,
        clocks=Clocks(ship_by=10 * DAY_MS),
    ),
    st.sampled_from(["on_delivery", "on_delivery_plus_inspection"]),
    st.sampled_from([None, WISH]),
    st.sampled_from(
        [
            Fees(),
            Fees(150, 1900, "DE", cancel="777", freight="900"),
            Fees(333, reserve_bp=500, reserve_ms=9 * DAY_MS, cancel="60000"),
        ]
    ),
    st.integers(100, 99_900),
    st.sampled_from(["0", "50"]),
)

STEP = st.tuples(
    st.sampled_from(
        [
            "accept",
            "decline",
            "withdraw",
            "cancel",
            "request_cancel",
            "refuse_cancel",
            "accept_goods",
            "pending",
            "failed",
            "pay",
            "pay",
            "pay_all",
            "pay_all",
            "book",
            "book",
            "scan",
            "scan",
            "delivered",
            "delivered",
            "refunds",
            "payouts",
            "wait",
            "repeat",
            "reverse",
        ]
    ),
    st.integers(0, 7),
    st.integers(0, 3),
)


BEGINNINGS = [
    [],
    ["accept"],
    ["accept", "pay"],
    ["accept", "pay_all"],
    ["accept", "pay_all", "book"],
]
STORY = st.builds(
    lambda beginning, steps: [(name, 0, 1) for name in beginning] + steps,
    st.sampled_from(BEGINNINGS),
    st.lists(STEP, max_size=25),
)
"""Most interesting things happen to a contract that is paid."""


def fact_of(  # noqa: C901, PLR0911 a table of all that can be said
    world: World, deal: Deal, name: str, a: int, b: int
) -> list:
    """The facts that a step of a story stands for."""
    parcel = PARCELS[a % 3]
    match name:
        case "accept" | "decline" | "withdraw" | "cancel" | "request_cancel" | "refuse_cancel":
            return [getattr(deal, name)()]
        case "accept_goods":
            return [deal.accept_goods(*[[], ["t1"], ["t2"], ["t1", "t2"]][b])]
        case "pending":
            return [deal.pending(a)]
        case "failed":
            return [deal.pay_failed(a)]
        case "pay":
            currency = "EUR" if b == 3 else "CNY"
            return [deal.pay((b + 1) * 33_000, number=a, currency=currency)]
        case "pay_all":
            contract = world.state.contracts[deal.id]
            return [deal.pay((contract.due or 50_000) + 13 * (b - 1), number=a)]
        case "book":
            return [deal.book(parcel)]
        case "scan":
            return [deal.scan(STATUSES[a], START_MS + b, PARCELS[b % 3], origin=["pulled", "pushed"][b % 2])]
        case "delivered":
            fields = [{}, {"origin": "pushed"}, {"handover": "locker"}, {"ship_to": h32("x")}][b]
            return [deal.delivered(START_MS + a, parcel, **fields)]
        case "reverse":
            return [reverse(world, deal, tranche=["t1", "t2"][b % 2])]
        case _:
            return []


def run_step(world: World, deal: Deal, step: tuple[str, int, int], story: list) -> None:
    name, a, b = step
    match name:
        case "wait":
            world.wait([1, DAY_MS, 3 * DAY_MS, 11 * DAY_MS][b])
        case "refunds" | "payouts":
            settle(world, deal)
        case "repeat":
            if story:
                world.block(story[a % len(story)])
        case _:
            for fact in fact_of(world, deal, name, a, b):
                story.append(fact)
                world.block(fact)


def check_contract(contract: Contract) -> None:
    """Conservation (I-10), and no bucket below zero."""
    kept = contract.surplus + contract.surplus_returned
    moved = sum(t.held + t.released + t.refunded for t in contract.tranches)
    assert contract.received == kept + moved
    for tranche in contract.tranches:
        parts = (tranche.held, tranche.released, tranche.refunded, tranche.fee, tranche.tax)
        assert min(*parts, tranche.freight, tranche.reserve) >= 0
        assert tranche.fee + tranche.tax + tranche.freight + tranche.reserve <= tranche.released
        assert (tranche.state in {"released", "refunded"}) == (tranche.rule not in {"", "P24"})
    for payin in contract.payins:
        assert payin.refunded + payin.parked <= payin.amount
    back = sum(refund.amount for refund in contract.refunds)
    assert back == sum(payin.refunded for payin in contract.payins)


def check_world(world: World, deal: Deal) -> None:
    contract = world.state.contracts[deal.id]
    check_contract(contract)
    balances = world.state.balances
    assert balances == world.book.balances()
    held = {t.id: t.held for t in contract.tranches if t.held}
    prefix = f"2000/{deal.id}/"
    assert {a[len(prefix) :].split("/")[0]: -v for a, v in balances.items() if a.startswith(prefix)} == held
    assert -balances.get(f"2020/{deal.id}/CNY", 0) == contract.surplus
    assert balances.get(f"9000/{deal.id}/CNY", 0) == contract.due
    sums: dict[tuple[bool, str], int] = {}
    for account, balance in balances.items():
        circle = (account[0] == "9", account.rpartition("/")[2])
        sums[circle] = sums.get(circle, 0) + balance
        assert balance <= 0 or GUARDS[account[:4]] is not Guard.NEVER_POSITIVE
    assert not any(sums.values())
    if contract.closed_ms:
        assert not held
        assert contract.due == 0


@settings(max_examples=120, deadline=None)
@given(CONTRACT_TERMS, STORY)
def test_every_story_conserves_money_and_time_alone_brings_every_contract_to_its_end(agreed, steps):
    world, deal = World(), Deal(agreed=agreed)
    story: list = [deal.offer()]
    world.do(*story)
    ended: dict[str, str] = {}
    for step in steps:
        run_step(world, deal, step, story)
        check_world(world, deal)
        contract = world.state.contracts[deal.id]
        for tranche in contract.tranches:
            if tranche.rule == "P24":
                ended.pop(tranche.id, None)
            elif tranche.rule:
                assert ended.setdefault(tranche.id, tranche.rule) == tranche.rule
    for _ in range(200):
        due = world.state.next_deadline_ms()
        if due is None:
            break
        world.block(at_ms=due)
        settle(world, deal)
        check_world(world, deal)
    settle(world, deal)
    assert world.state.next_deadline_ms() is None
    assert world.state.heap == []
    contract = world.state.contracts[deal.id]
    assert header_of(contract).state == "CLOSED"
    assert world.now_ms - START_MS < LONGEST_MS
    assert contract.surplus == 0
    assert contract.parked == ()
    left = {account[:4] for account in world.state.balances}
    assert left <= {"1000", "2100", "2120", "2400", "3000", "2500"}


@settings(max_examples=40, deadline=None)
@given(CONTRACT_TERMS, STORY)
def test_two_states_that_execute_the_same_blocks_are_equal(agreed, steps):
    world, deal = World(), Deal(agreed=agreed)
    story: list = [deal.offer()]
    world.do(*story)
    for step in steps:
        run_step(world, deal, step, story)
    again = new_state(world.genesis)
    receipts = []
    for header, batches in world.blocks:
        receipts += execute(again, header, [ref_of(batch.header) for batch in batches], batches)
    assert receipts == world.receipts
    assert again.app_hashes == world.state.app_hashes
    assert again.contracts == world.state.contracts
    assert again.balances == world.state.balances


EVIDENCE = st.lists(
    st.tuples(st.sampled_from(STATUSES), st.integers(0, 2), st.sampled_from(["pulled", "pushed"])),
    min_size=1,
    max_size=6,
    unique_by=lambda item: item[:2],
)


def result_of(deal_terms, evidence) -> tuple:
    """Where the money of a contract with inspection goes for evidence taken in this order."""
    world, deal = funded(deal_terms)
    world.do(deal.book())
    for status, at, origin in evidence:
        fields = {"origin": origin, "ship_to": deal.terms.ship_to, "document": h32("pod")}
        world.block(deal.scan(status, START_MS + at, **fields))
    contract = world.state.contracts[deal.id]
    parcel = contract.parcels[0]
    facts = (parcel.state, parcel.rank, parcel.level, parcel.cap, parcel.best, parcel.said_ms)
    world.block(at_ms=START_MS + 100 * DAY_MS)
    settle(world, deal)
    ended = world.state.contracts[deal.id].tranches[0]
    return facts, shown(world, deal), ended.released, ended.refunded


@settings(max_examples=60, deadline=None)
@given(st.data(), EVIDENCE)
def test_any_permutation_and_repetition_of_the_same_evidence_gives_the_same_result(data, evidence):
    agreed = terms(release="on_delivery_plus_inspection")
    shuffled = data.draw(st.permutations(evidence))
    repeated = [*shuffled, *data.draw(st.lists(st.sampled_from(evidence), max_size=3))]
    assert result_of(agreed, evidence) == result_of(agreed, repeated)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 50_000), min_size=1, max_size=8),
    st.integers(0, 500),
    st.integers(0, 2_500),
    st.randoms(use_true_random=False),
)
def test_the_parts_of_fee_and_tax_sum_exactly_in_every_order_of_release(amounts, fee, tax, random):
    price = sum(amounts)
    parcels = [[f"p{i}"] for i in range(len(amounts))]
    fees = Fees(fee_bp=fee, tax_bp=tax, tax_country="DE")
    agreed = terms(price, tranches=many_tranches(amounts, parcels), fees=fees)
    world, deal = funded(agreed)
    order = [f"t{i + 1}" for i in range(len(amounts))]
    random.shuffle(order)
    for name in order:
        world.do(deal.accept_goods(name))
    one_world, one = funded(terms(price, fees=fees))
    one_world.do(one.accept_goods())
    whole = one_world.state.contracts[one.id].tranches[0]
    parts = world.state.contracts[deal.id].tranches
    assert sum(part.fee for part in parts) == whole.fee
    assert sum(part.tax for part in parts) == whole.tax
