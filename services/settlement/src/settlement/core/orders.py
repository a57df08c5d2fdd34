"""Which orders to the payment gateway follow from a block: one for each payout and refund it ordered.

An order says what the chain decided, nothing more; the gateway checks it against its own fold.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from sps.chain.receipt import OK, Receipt
from sps.chain.state import ChainState
from sps.escrow.state import Payout, Refund
from sps.transactions.orders import Order
from sps.transactions.values import WireMoney

PAYOUT_ORDERED: Final = "P60"
REFUND_ORDERED: Final = "P40"
_PAYOUT_ACCOUNT: Final = "2300/"
_REFUND_ACCOUNT: Final = "2310/"


def orders_of(receipts: Sequence[Receipt], state: ChainState) -> list[Order]:
    """The orders of one executed block, in the order of its receipts."""
    return [order for receipt in receipts if receipt.code == OK for order in _orders_of(receipt, state)]


def open_orders(state: ChainState) -> list[str]:
    """Orders that have had no result yet, by identifier. One pass over the whole state."""
    refunds = (each for contract in state.contracts.values() for each in contract.refunds)
    orders: Iterator[Payout | Refund] = chain(state.payouts.values(), refunds)
    return [each.id for each in orders if each.state == "ordered"]


def _orders_of(receipt: Receipt, state: ChainState) -> Iterator[Order]:
    for journal in receipt.journals:
        for posting in journal.postings:
            identifier = posting.account.split("/")[1]
            if journal.kind == PAYOUT_ORDERED and posting.account.startswith(_PAYOUT_ACCOUNT):
                yield _payout(identifier, receipt, state)
            elif journal.kind == REFUND_ORDERED and posting.account.startswith(_REFUND_ACCOUNT):
                yield _refund(identifier, receipt, state)


def _payout(identifier: str, receipt: Receipt, state: ChainState) -> Order:
    payout = state.payouts[identifier]
    return Order(
        id=identifier,
        kind="payout",
        height=receipt.height,
        index=receipt.index,
        provider=payout.provider,
        amount=WireMoney(payout.currency, str(payout.amount)),
        beneficiary=payout.beneficiary,
    )


def _refund(identifier: str, receipt: Receipt, state: ChainState) -> Order:
    refund = next(each for each in state.contracts[receipt.subject].refunds if each.id == identifier)
    return Order(
        id=identifier,
        kind="refund",
        height=receipt.height,
        index=receipt.index,
        provider=refund.provider,
        amount=WireMoney(refund.currency, str(refund.amount)),
        payment=refund.payment,
    )
