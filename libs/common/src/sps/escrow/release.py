"""What a release gives to whom (M15, P20, P21), and the automatic payout that follows in the same block (S1).

Fees are cumulative over the contract (`docs/ledger.md` P21): the part of a tranche is the rounded share of
all that is released so far, less what was taken before, so that the parts sum exactly to the whole fee.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from sps import identifiers
from sps.escrow import clocks
from sps.escrow.change import Draft
from sps.escrow.state import Contract, Payout, PayoutLink, TrancheMoney
from sps.ledger import postings
from sps.ledger.postings import Owners, Release
from sps.money import share_half_even
from sps.transactions.terms import Fees

Chosen = Sequence[tuple[TrancheMoney, str]]
"""Tranches to release, each with the rule that releases it."""

NO_CARRIER: Final = "unknown"


def prorated(whole: int, part: int, base: int) -> int:
    """`whole` * `part` / `base`, rounded half to even; exact at `part` = `base`."""
    if part == base:
        return whole
    quotient, remainder = divmod(whole * part, base)
    twice = 2 * remainder
    return quotient + (twice > base or (twice == base and quotient & 1))


def base_of(contract: Contract) -> int:
    """What was held in all, in minor units: the price less an accepted shortfall."""
    return contract.opening.price - contract.shortfall


def divide(contract: Contract, tranches: Sequence[TrancheMoney]) -> tuple[Release, ...]:
    """Divide the held amount of each tranche, in this order, when they are released together."""
    fees = contract.terms.fees
    if not (fees.fee_bp or fees.reserve_bp or fees.freight != "0"):
        return tuple(Release(tranche.held) for tranche in tranches)
    base = base_of(contract)
    if len(tranches) == 1 and tranches[0].held == base:
        return (_divide_whole(fees, base),)
    done = [tranche for tranche in contract.tranches if tranche.state == "released"]
    taken = sum(tranche.released for tranche in done)
    fee_taken = sum(tranche.fee for tranche in done)
    tax_taken = sum(tranche.tax for tranche in done)
    fee_whole = share_half_even(base, fees.fee_bp)
    tax_whole = share_half_even(fee_whole, fees.tax_bp)
    freight_left = int(fees.freight) - sum(tranche.freight for tranche in done)
    parts: list[Release] = []
    for tranche in tranches:
        rest = tranche.held
        taken += rest
        fee = min(max(prorated(fee_whole, taken, base) - fee_taken, 0), rest)
        tax = min(max(prorated(tax_whole, taken, base) - tax_taken, 0), rest - fee)
        freight = min(freight_left, rest - fee - tax)
        reserve = min(share_half_even(rest, fees.reserve_bp), rest - fee - tax - freight)
        fee_taken, tax_taken, freight_left = fee_taken + fee, tax_taken + tax, freight_left - freight
        parts.append(Release(rest - fee - tax - freight - reserve, fee, tax, freight, reserve))
    return tuple(parts)


def _divide_whole(fees: Fees, amount: int) -> Release:
    """The same for all of the money at once, the usual case: nothing was taken before or comes after."""
    fee = share_half_even(amount, fees.fee_bp)
    tax = share_half_even(fee, fees.tax_bp)
    rest = amount - fee - tax
    freight = min(int(fees.freight), rest) if fees.freight != "0" else 0
    reserve = min(share_half_even(amount, fees.reserve_bp), rest - freight) if fees.reserve_bp else 0
    return Release(rest - freight - reserve, fee, tax, freight, reserve)


def release(draft: Draft, chosen: Chosen) -> None:
    """Release the held money of the chosen tranches to the seller, in one journal."""
    contract = draft.contract
    parts = divide(contract, [tranche for tranche, _ in chosen])
    held = [(tranche.id, tranche.held) for tranche, _ in chosen]
    whole = sum([amount for _, amount in held]) == base_of(contract)
    posting, kind = (postings.p20, "P20") if whole else (postings.p21, "P21")
    draft.journals.append(posting(owners(contract, chosen[0][0]), held, total_of(parts)))
    at = f"{draft.view.position}/{kind}"
    ended: dict[str, TrancheMoney] = {}
    for (tranche, rule), part in zip(chosen, parts, strict=True):
        ended[tranche.id] = _released(tranche, part, at, rule)
        draft.rule(rule)
    draft.put(
        tranches=tuple([ended.get(tranche.id, tranche) for tranche in contract.tranches]),
        payouts=_pay_out(draft, ended.values()),
    )
    _keep_reserves(draft, ended)


def _released(tranche: TrancheMoney, part: Release, at: str, rule: str) -> TrancheMoney:
    return TrancheMoney(
        tranche.id,
        tranche.amount,
        "released",
        0,
        tranche.held,
        tranche.refunded,
        part.fee,
        part.tax,
        part.freight,
        part.reserve,
        tranche.periods,
        at,
        rule,
    )


def net_of(tranche: TrancheMoney) -> int:
    """What of a released tranche is the seller's to take, in minor units."""
    return tranche.released - tranche.fee - tranche.tax - tranche.freight - tranche.reserve


def total_of(parts: Sequence[Release]) -> Release:
    """The sum of several divisions."""
    if len(parts) == 1:
        return parts[0]
    return Release(
        sum(part.net for part in parts),
        sum(part.fee for part in parts),
        sum(part.tax for part in parts),
        sum(part.freight for part in parts),
        sum(part.reserve for part in parts),
    )


def owners(contract: Contract, tranche: TrancheMoney) -> Owners:
    """Whose accounts a release of this tranche touches; freight goes to the carrier of its first parcel."""
    terms = contract.terms
    carrier = terms.carriers[0]
    if terms.fees.freight != "0":
        first = next(agreed.parcels[0] for agreed in terms.tranches if agreed.id == tranche.id)
        carrier = next((p.carrier for p in contract.parcels if p.id == first and p.carrier), carrier)
    return Owners(
        contract.id, contract.seller, terms.currency, terms.fees.plan, terms.fees.tax_country, carrier
    )


def _keep_reserves(draft: Draft, ended: dict[str, TrancheMoney]) -> None:
    for tranche in ended.values():
        if tranche.reserve:
            draft.arm(clocks.RESERVE, draft.now_ms + draft.contract.terms.fees.reserve_ms, tranche.id)


def _pay_out(draft: Draft, ended: Iterable[TrancheMoney]) -> tuple[PayoutLink, ...]:
    """S1: one order per tranche, in the block of the release, when the terms wish it; all links so far."""
    contract = draft.contract
    terms = contract.terms
    wish = terms.payout
    if wish is None:
        return contract.payouts
    links = list(contract.payouts)
    ordered: list[tuple[str, int]] = []
    for tranche in ended:
        net = net_of(tranche)
        if not net:
            continue
        payout = payout_id(contract.id, tranche.id, len(links))
        links.append(PayoutLink(payout, tranche.id))
        ordered.append((payout, net))
        draft.payouts.append(
            Payout(
                payout,
                contract.seller,
                wish.provider,
                wish.beneficiary,
                terms.currency,
                net,
                "ordered",
                contract.id,
                tranche.id,
            )
        )
    if ordered:
        draft.journals.append(postings.p60(contract.seller, terms.currency, ordered))
        draft.rule("S1")
    return tuple(links)


def payout_id(contract: str, tranche: str, number: int) -> str:
    """The identifier of the automatic payout that is the contract's `number`th (from 0)."""
    digest = hashlib.sha256(f"payout|{contract}|{tranche}|{number}".encode()).digest()
    return identifiers.derived(identifiers.PAYOUT, digest)


def free_reserve(draft: Draft, tranche_id: str) -> None:
    """P23: the reserve of a release becomes free on its date."""
    contract = draft.contract
    for i, tranche in enumerate(contract.tranches):
        if tranche.id == tranche_id and tranche.reserve:
            draft.journals.append(postings.p23(contract.seller, contract.terms.currency, tranche.reserve))
            freed = replace(tranche, reserve=0)
            draft.put(tranches=(*contract.tranches[:i], freed, *contract.tranches[i + 1 :]))
            draft.rule("P23")
