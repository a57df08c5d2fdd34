"""What the chain is told about an outgoing order: the vocabulary's word for each report of the machine."""

import hashlib

from payment_gateway.core.outcome import Accepted, Outcome, Rejected, Returned, Sent
from payment_gateway.core.payment import event_id
from payment_gateway.core.payout import Report, Step
from sps.money import Money
from sps.transactions.values import wire
from sps.transactions.vocabulary import (
    PayoutFailed,
    PayoutManual,
    PayoutPaid,
    PayoutReturned,
    RefundFailed,
    RefundPaid,
)

Result = PayoutPaid | PayoutFailed | PayoutReturned | PayoutManual | RefundPaid | RefundFailed


def payout_result(payout: str, amount: Money, step: Step, outcome: Outcome) -> Result | None:
    """S4 to S6: P61, P63, P64 or a person's case. `amount` is the order's own."""
    reason = step.machine.reason or "unknown"
    match step.report:
        case None:
            return None
        case "paid":
            raw = hashlib.sha256(_raw(outcome)).hexdigest()
            return PayoutPaid(_id(payout, "paid"), payout, step.machine.reference, raw)
        case "failed":
            return PayoutFailed(_id(payout, "failed"), payout, reason)
        case "returned":
            came_back = outcome.amount if isinstance(outcome, Returned) and outcome.amount else amount
            return PayoutReturned(_id(payout, "returned"), payout, wire(came_back), reason)
        case "manual":
            return PayoutManual(_id(payout, "manual"), payout, reason)


def refund_result(contract: str, refund: str, step: Step) -> Result | None:
    """P41 or P42. A refund without an outcome just stays ordered on the chain."""
    match step.report:
        case None | "manual":
            return None
        case "paid":
            return RefundPaid(_id(refund, "paid"), contract, refund, step.machine.reference)
        case "failed" | "returned":
            return RefundFailed(_id(refund, step.report), contract, refund, step.machine.reason or "unknown")


def _id(order: str, report: Report) -> str:
    return event_id("order", order, report)


def _raw(outcome: Outcome) -> bytes:
    return outcome.raw if isinstance(outcome, Sent | Accepted | Rejected | Returned) else b""
