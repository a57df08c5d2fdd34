"""Alipay's words and amounts in ours. An unknown word is doubt, never a crash and never a no.

Amounts: decimal text in yuan with two places (`"88.88"`), currency always CNY.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from payment_gateway.core.outcome import Absent, Accepted, Outcome, Rejected, Returned, Sent, Unknown
from payment_gateway.core.payment import Found
from payment_gateway.core.units import ProviderUnit, Units, from_provider, to_provider, unit_table
from payment_gateway.core.words import is_reference, reason_name
from sps.money import Money, parse_major

CNY: Final = "CNY"
OK: Final = "10000"
BUSINESS: Final = "40004"

PAY_UNITS: Final = unit_table([ProviderUnit(CNY, 2, 1, 10_000_000_000)])
"""0.01 to 100,000,000 yuan."""
UNITS: Final = Units(
    pay_in=PAY_UNITS,
    refund=PAY_UNITS,
    payout=unit_table([ProviderUnit(CNY, 2, 10, 10_000_000_000)]),
)
"""Transfers begin at 0.10 yuan."""

REFUND_NEVER: Final = frozenset(
    {
        "ACQ.TRADE_NOT_EXIST",
        "ACQ.TRADE_HAS_FINISHED",
        "ACQ.TRADE_HAS_CLOSE",
        "ACQ.TRADE_STATUS_ERROR",
        "ACQ.TRADE_NOT_ALLOW_REFUND",
        "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
        "ACQ.REASON_TRADE_REFUND_FEE_ERR",
        "ACQ.BUYER_NOT_EXIST",
        "ACQ.BUYER_ERROR",
    }
)
"""Business failures after which this refund was not and will not be made. All others are doubt."""

TRANSFER_NEVER: Final = frozenset(
    {
        "PAYEE_NOT_EXIST",
        "PAYEE_USER_INFO_ERROR",
        "PAYEE_ACC_OCUPIED",
        "PAYEE_ACCOUNT_NOT_EXSIT",
        "PAYEE_ACCOUNT_STATUS_ERROR",
        "PAYEE_CERTIFY_LEVEL_LIMIT",
        "PAYEE_USERINFO_STATUS_ERROR",
        "PAYEE_NOT_RELNAME_CERTIFY",
        "PAYEE_TRUSTEESHIP_ACC_OVER_LIMIT",
        "IDENTITY_FUND_RELATION_NOT_FOUND",
        "BLOCK_USER_FORBBIDEN_RECIEVE",
        "PERMIT_CHECK_PERM_LIMITED",
        "EXCEED_LIMIT_SM_MIN_AMOUNT",
        "EXCEED_LIMIT_UNRN_DM_AMOUNT",
    }
)
"""The same for transfers. Our own empty balance is not among them: it is sent again later."""

_YUAN: Final = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,2}))?", re.ASCII)


class BadAnswer(ValueError):
    """Authentic, but not what the documents promise."""


class Answer(Struct, frozen=True):
    """A proved synchronous answer: the member's fields, and its exact bytes."""

    fields: Mapping[str, Any]
    raw: bytes

    def text(self, name: str) -> str:
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    @property
    def code(self) -> str:
        return self.text("code")

    @property
    def word(self) -> str:
        """The most exact word of a failure."""
        return self.text("sub_code") or self.code or "no_code"


def yuan(money: Money, *, payout: bool = False) -> str:
    """Write an amount for the wire; refused when Alipay cannot move exactly this."""
    fen = to_provider(money, UNITS.payout if payout else UNITS.pay_in)
    return f"{fen // 100}.{fen % 100:02d}"


def read_yuan(text: str) -> Money:
    """Read an amount from the wire, exactly."""
    match = _YUAN.fullmatch(text)
    if match is None:
        raise BadAnswer("an amount in yuan has at most two decimals")
    return from_provider(int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")), CNY, PAY_UNITS)


def found_payment(answer: Answer, payment: str) -> Found | None:
    """`alipay.trade.query`; None: nothing is known."""
    if answer.code == BUSINESS and answer.word == "ACQ.TRADE_NOT_EXIST":
        return Found("absent", answer.raw)
    if answer.code != OK or answer.text("out_trade_no") != payment:
        return None
    status, reference = answer.text("trade_status"), answer.text("trade_no")
    if status == "WAIT_BUYER_PAY":
        return Found("pending", answer.raw, reference)
    if status == "TRADE_CLOSED" and not answer.text("send_pay_date"):
        return Found("failed", answer.raw, reference, reason="trade_closed")
    if status not in {"TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"} or not is_reference(reference):
        return None
    return Found("succeeded", answer.raw, reference, amount=_arrived(answer))


def _arrived(answer: Answer) -> Money:
    """What we really received; Alipay states it apart from the total where a discount was ours to bear."""
    currency = answer.text("trans_currency") or CNY
    text = answer.text("receipt_amount") or answer.text("total_amount")
    amount = read_yuan(text) if currency == CNY else parse_major(text, currency)
    if amount.minor <= 0:
        raise BadAnswer("a paid trade without money")
    return amount


def refund_answer(answer: Answer) -> Outcome:
    """`alipay.trade.refund`. Without `fund_change=Y` nothing moved in this call: the query decides."""
    if answer.code == OK and answer.text("fund_change") == "Y" and is_reference(answer.text("trade_no")):
        return Sent(answer.text("trade_no"), answer.raw)
    if answer.code == BUSINESS and answer.word in REFUND_NEVER:
        return Rejected(reason_name(answer.word), answer.raw)
    return Unknown(reason_name(answer.word))


def refund_found(answer: Answer, refund: str, amount: Money) -> Outcome:
    """`alipay.trade.fastpay.refund.query`: without `refund_status` it was not refunded."""
    if answer.code != OK:
        return Unknown(reason_name(answer.word))
    if not answer.text("refund_status"):
        return Absent()
    if answer.text("out_request_no") != refund or read_yuan(answer.text("refund_amount")) != amount:
        return Unknown("other_refund")
    if answer.text("refund_status") == "REFUND_SUCCESS" and is_reference(answer.text("trade_no")):
        return Sent(answer.text("trade_no"), answer.raw)
    return Unknown(reason_name(answer.text("refund_status")))


def transfer_answer(answer: Answer, payout: str) -> Outcome:
    """`alipay.fund.trans.uni.transfer`."""
    if answer.code == OK:
        return _transfer_state(answer, payout)
    if answer.code == BUSINESS and answer.word in TRANSFER_NEVER:
        return Rejected(reason_name(answer.word), answer.raw)
    return Unknown(reason_name(answer.word))


def transfer_found(answer: Answer, payout: str, amount: Money) -> Outcome:
    """`alipay.fund.trans.common.query`."""
    if answer.code == BUSINESS and answer.word == "ORDER_NOT_EXIST":
        return Absent()
    if answer.code != OK:
        return Unknown(reason_name(answer.word))
    stated = answer.text("trans_amount")
    if stated and read_yuan(stated) != amount:
        return Unknown("other_amount")
    return _transfer_state(answer, payout)


def _transfer_state(answer: Answer, payout: str) -> Outcome:
    reference = answer.text("order_id") or answer.text("pay_fund_order_id")
    if answer.text("out_biz_no") != payout or not is_reference(reference):
        return Unknown("other_transfer")
    match answer.text("status"):
        case "SUCCESS":
            return Sent(reference, answer.raw)
        case "DEALING" | "WAIT_PAY":
            return Accepted(reference, answer.raw)
        case "FAIL" | "CLOSED":
            return Rejected(_why(answer), answer.raw)
        case "REFUND":
            return Returned(_why(answer), None, answer.raw)
        case other:
            return Unknown(reason_name(other))


def _why(answer: Answer) -> str:
    return reason_name(answer.text("error_code") or answer.text("sub_code") or answer.text("status"))
