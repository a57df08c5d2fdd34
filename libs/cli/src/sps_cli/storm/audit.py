"""The audit: what was told, what the providers' own books say and what our registers say must be one story.

It is a model of its own: it knows prices and fees from the tales and looks at nothing that the services
computed, except for the rate of a conversion.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sps_cli.agreement import disagreements
from sps_cli.storm.patient import StormTale
from sps_cli.storm.registers import NodeLine, Registers

FEE_BP: Final = 100
"""The platform's fee that the story's offer names."""
BASIS: Final = 10_000
SETTLED: Final = frozenset({"sent"})
"""Where an order to a provider has to end when the provider refuses nothing."""
ENDED: Final = frozenset({"CLOSED"})
WAITING: Final = "waiting"


def findings(tales: Sequence[StormTale], books: Mapping[str, Any], ours: Registers) -> list[str]:
    """Everything that is wrong, in one sentence each; nothing when all is well."""
    return [
        *unfinished(tales),
        *_paid_in(tales, books["payments"]),
        *paid_out(tales, books["payouts"]),
        *given_back(tales, books["refunds"]),
        *disagreements(ours.trial, books),
        *_registers(tales, ours),
        *differing(ours.nodes),
    ]


def unfinished(tales: Sequence[StormTale]) -> list[str]:
    """Stories that did not come to their end."""
    return [f"{tale.name} is stuck at {tale.step}" for tale in tales if not tale.ended]


def lost(tales: Sequence[StormTale], books: Mapping[str, Any]) -> int:
    """Payments out that had to be made and are not in the providers' books."""
    made = Counter(str(each["our_id"]) for each in (*books["payouts"], *books["refunds"]))
    return sum(1 for tale in tales if tale.ended and not made[tale.payout or tale.refund])


def paid_twice(books: Mapping[str, Any]) -> int:
    """Payments out that the providers made once too often."""
    made = Counter(str(each["our_id"]) for each in (*books["payouts"], *books["refunds"]))
    return sum(count - 1 for count in made.values())


def due(tale: StormTale) -> int:
    """What the seller has after the fee, in minor units of the price; halves go to the even neighbour."""
    price = int(tale.price_minor)
    whole, rest = divmod(price * FEE_BP, BASIS)
    rounds_up = rest * 2 > BASIS or (rest * 2 == BASIS and whole % 2 == 1)
    return price - whole - rounds_up


def paid_out(tales: Sequence[StormTale], payouts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Exactly one payout for each tale that ends with one, exact to the unit, and none unasked."""
    ended = [tale for tale in tales if tale.ended and tale.ends == "paid_out"]
    found = [line for tale in ended for line in _wrong_amounts(tale)]
    wanted = {tale.payout: (tale.name, int(tale.to_cash_out), tale.target) for tale in ended}
    mine = {tale.payout for tale in tales if tale.payout}
    return found + _once_each("payout", wanted, mine, payouts)


def given_back(tales: Sequence[StormTale], refunds: Iterable[Mapping[str, Any]]) -> list[str]:
    """Exactly one refund of the whole price for each tale that ends with one, and no other."""
    ended = [tale for tale in tales if tale.ended and tale.ends == "refunded"]
    wanted = {tale.refund: (tale.name, int(tale.price_minor), tale.currency) for tale in ended}
    open_ones = any(not tale.ended and tale.ends == "refunded" for tale in tales)
    refunds = list(refunds)
    mine = {str(each["our_id"]) for each in refunds} if open_ones else set(wanted)
    return _once_each("refund", wanted, mine, refunds)


def differing(nodes: Sequence[NodeLine]) -> list[str]:
    """Validators that executed the same height to another state, or not the same height."""
    by_place = {(node.executed_height, node.app_hash) for node in nodes}
    if len(by_place) <= 1:
        return []
    return [f"the validators differ: {[(n.name, n.executed_height, n.app_hash[:12]) for n in nodes]}"]


def _wrong_amounts(tale: StormTale) -> list[str]:
    mine = due(tale)
    taken = int(tale.to_convert or tale.to_cash_out)
    found = []
    if taken != mine:
        found.append(f"{tale.name}: {mine} is due after the fee, not {taken} {tale.currency}")
    if tale.out and (tale.out["minor"], tale.out["currency"]) != (tale.to_cash_out, tale.target):
        found.append(f"{tale.name}: converted to {tale.out}, cashed out {tale.to_cash_out} {tale.target}")
    return found


def _once_each(
    what: str,
    wanted: Mapping[str, tuple[str, int, str]],
    mine: set[str],
    made: Iterable[Mapping[str, Any]],
) -> list[str]:
    by_id: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in made:
        by_id[str(each["our_id"])].append(each)
    found = [
        f"the provider made {what} {number} that nobody asked for" for number in sorted(by_id.keys() - mine)
    ]
    for number, (name, minor, currency) in wanted.items():
        times = by_id.get(number, [])
        if len(times) != 1:
            found.append(f"{name}: the provider made {what} {number} {len(times)} times")
        found += [
            f"{name}: {what} {number} is {line['minor']} {line['currency']} {line['state']}, "
            f"not {minor} {currency} paid"
            for line in times
            if (int(line["minor"]), line["currency"], line["state"]) != (minor, currency, "paid")
        ]
    return found


def _paid_in(tales: Sequence[StormTale], payments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Exactly one payment in for each tale that ended."""
    by_id: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in payments:
        if each["state"] != WAITING:
            by_id[str(each["our_id"])].append(each)
    found = []
    for tale in tales:
        amounts = [(int(each["minor"]), each["currency"]) for each in by_id.get(tale.payment, [])]
        if tale.ended and amounts != [(int(tale.price_minor), tale.currency)]:
            found.append(f"{tale.name}: paid in {amounts}, not {tale.price_minor} {tale.currency} once")
    known = {tale.payment for tale in tales}
    return found + [f"payment {number} belongs to no story" for number in sorted(by_id.keys() - known)]


def _registers(tales: Sequence[StormTale], ours: Registers) -> list[str]:
    told = {tale.contract for tale in tales if tale.contract}
    found = [f"contract {each} belongs to no story" for each in sorted(ours.contracts.keys() - told)]
    found += [f"contract {each} was opened and is not there" for each in sorted(told - ours.contracts.keys())]
    found += [
        f"contract {each} is left in {state}" for each, state in ours.contracts.items() if state not in ENDED
    ]
    found += [
        f"{order.kind} {order.id} is left as {order.state}"
        for order in ours.orders
        if order.state not in SETTLED
    ]
    found += [f"{name}: {count} facts are in no block" for name, count in ours.unsaid.items() if count]
    if ours.unpublished_orders:
        found.append(f"settlement: {ours.unpublished_orders} orders are not published")
    return found
