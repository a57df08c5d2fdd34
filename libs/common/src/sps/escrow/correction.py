"""Taking back a release that is not paid out yet (P24): two persons, a mirror journal, never an edit."""

from msgspec.structs import replace

from sps import canonical, signing
from sps.escrow import clocks
from sps.escrow.change import Change, Draft
from sps.escrow.payout import free_balance
from sps.escrow.refusals import DUPLICATE, Refused
from sps.escrow.release import net_of, owners
from sps.escrow.state import Contract, TrancheMoney
from sps.escrow.view import ChainView
from sps.ledger import postings
from sps.ledger.postings import Release
from sps.signing import Domain
from sps.transactions.vocabulary import ReverseRelease


def approval_body(contract: str, tranche: str, released_at: str, reason: str) -> bytes:
    """What both approvers sign under `Domain.TX`; naming the release makes an approval good for one only."""
    return canonical.encode(
        {"contract": contract, "reason": reason, "released_at": released_at, "tranche": tranche}
    )


def reverse_release(view: ChainView, fact: ReverseRelease, now_ms: int) -> Change:
    """P24: the tranche is held again, under inspection, while the seller's free balance covers it."""
    contract = view.contracts.get(fact.contract)
    if contract is None:
        raise Refused("UNKNOWN_CONTRACT")
    tranche = next((known for known in contract.tranches if known.id == fact.tranche), None)
    if tranche is None:
        raise Refused("UNKNOWN_TRANCHE")
    if tranche.state != "released":
        raise Refused(DUPLICATE if tranche.rule == "P24" else "NOT_RELEASED")
    _check_approvals(view, contract, tranche, fact)
    part = _taken(tranche)
    if part.net > free_balance(view, contract.seller, contract.terms.currency):
        raise Refused("ALREADY_PAID_OUT")
    draft = Draft(view, contract, now_ms)
    draft.rule("P24")
    draft.journals.append(
        postings.p24(owners(contract, tranche), ((tranche.id, tranche.released),), part, tranche.released_at)
    )
    _hold_again(draft, tranche)
    return draft.finish()


def _taken(tranche: TrancheMoney) -> Release:
    return Release(net_of(tranche), tranche.fee, tranche.tax, tranche.freight, tranche.reserve)


def _check_approvals(
    view: ChainView, contract: Contract, tranche: TrancheMoney, fact: ReverseRelease
) -> None:
    first, second = fact.approvers
    if first == second or {first, second} & {contract.seller_key, contract.buyer_key}:
        raise Refused("APPROVERS_NOT_DISTINCT")
    if not {first, second} <= view.approvers:
        raise Refused("NOT_AN_APPROVER")
    body = approval_body(contract.id, tranche.id, tranche.released_at, fact.reason)
    for key, signature in zip(fact.approvers, fact.signatures, strict=True):
        good = signing.verify(bytes.fromhex(key), Domain.TX, view.chain_id, body, bytes.fromhex(signature))
        if not good:
            raise Refused("BAD_SIGNATURE")


def _hold_again(draft: Draft, tranche: TrancheMoney) -> None:
    contract = draft.contract
    limits = contract.terms.clocks
    again = replace(
        tranche,
        state="inspection",
        held=tranche.released,
        released=0,
        fee=0,
        tax=0,
        freight=0,
        reserve=0,
        periods=1,
        rule="P24",
    )
    draft.put(
        tranches=tuple(again if old.id == tranche.id else old for old in contract.tranches), closed_ms=0
    )
    draft.disarm_one(clocks.RESERVE, tranche.id)
    draft.arm(clocks.INSPECTION, draft.now_ms + limits.inspection, tranche.id)
    latest = draft.now_ms + 2 * limits.inspection + limits.late_return
    draft.arm(clocks.MAX_HOLD, max(contract.funded_ms + limits.max_hold, latest))
