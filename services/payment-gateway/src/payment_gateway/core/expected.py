"""What the chain expects of this gateway: money still due for a contract, and orders to pay out.

An order is executed only when our own fold of the chain says the same as the signed record
(`docs/life-of-a-contract.md`, payout).
"""

from typing import Final

from payment_gateway.core.refusal import Refused
from sps.escrow.state import Contract, Payout, Refund
from sps.money import Money
from sps.transactions.orders import Order

PAYABLE: Final = frozenset({"unfunded", "part_funded"})
"""States of the funding in which the buyer may still pay."""


def amount_due(contract: Contract | None) -> Money:
    """What the buyer still has to pay; refused when the contract takes no money now."""
    if contract is None:
        raise Refused("UNKNOWN_CONTRACT", "the chain knows no such contract")
    if contract.agreement != "agreed" or contract.closed_ms:
        raise Refused("NOT_PAYABLE", "a contract is paid after both have agreed and before it is closed")
    if contract.funding not in PAYABLE or contract.due <= 0:
        raise Refused("NOTHING_DUE", "the contract is paid")
    return Money(contract.due, contract.terms.currency)


def check_payout(order: Order, payout: Payout | None) -> None:
    """Compare a payout order with the chain."""
    if payout is None:
        raise Refused("NOT_ON_CHAIN", "the chain knows no such payout")
    if (payout.provider, payout.beneficiary) != (order.provider, order.beneficiary):
        raise Refused("OTHER_BENEFICIARY", "the chain orders another provider or beneficiary")
    if Money(payout.amount, payout.currency) != order.amount.money:
        raise Refused("OTHER_AMOUNT", "the chain orders another amount")
    if payout.state != "ordered":
        raise Refused("NOT_ORDERED", f"on the chain the payout is {payout.state}")


def check_refund(order: Order, refund: Refund | None) -> None:
    """Compare a refund order with the chain."""
    if refund is None:
        raise Refused("NOT_ON_CHAIN", "the chain knows no such refund of this payment")
    if (refund.provider, refund.payment) != (order.provider, order.payment):
        raise Refused("OTHER_PAYMENT", "the chain orders another provider or payment")
    if Money(refund.amount, refund.currency) != order.amount.money:
        raise Refused("OTHER_AMOUNT", "the chain orders another amount")
    if refund.state != "ordered":
        raise Refused("NOT_ORDERED", f"on the chain the refund is {refund.state}")
