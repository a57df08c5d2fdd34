"""Alipay's answers, notifies and messages as it words them (open platform, mainland China).

All values are text. Amounts are yuan with two places; times are China's.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from sandbox.core.amounts import yuan
from sandbox.core.records import Movement, Payment
from sandbox.core.rsa2 import notify_text, request_text, signed

CHINA: Final = timezone(timedelta(hours=8))
BUYER: Final = {"buyer_id": "2088102146225135", "buyer_logon_id": "bob***@example.com"}
TRANSFER_CHANGED: Final = "alipay.fund.trans.order.changed"
TRADE_STATES: Final = {"open": "WAIT_BUYER_PAY", "paid": "TRADE_SUCCESS", "closed": "TRADE_CLOSED"}
TRANSFER_STATES: Final = {"pending": "DEALING", "paid": "SUCCESS", "failed": "FAIL", "returned": "REFUND"}

Fields = dict[str, str]


def china(unix_ms: int) -> str:
    """`yyyy-MM-dd HH:mm:ss` in China."""
    return datetime.fromtimestamp(unix_ms // 1000, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def china_ms(text: str) -> int:
    """The way back; `ValueError` when it is no such time."""
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def reply(method: str, fields: Fields, key: RSAPrivateKey) -> bytes:
    """A synchronous answer: one member, and a signature over exactly its text."""
    text = msgspec.json.encode(fields).decode()
    member = method.replace(".", "_") + "_response"
    return f'{{"{member}":{text},"sign":"{signed(key, text)}"}}'.encode()


def good(**fields: str) -> Fields:
    return {"code": "10000", "msg": "Success", **fields}


def business_failure(sub_code: str, sub_msg: str) -> Fields:
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": sub_msg}


def bad_request(sub_code: str, sub_msg: str) -> Fields:
    return {"code": "40002", "msg": "Invalid Arguments", "sub_code": sub_code, "sub_msg": sub_msg}


def _money(payment: Payment) -> Fields:
    if payment.state != "paid":
        return {"total_amount": yuan(payment.minor)}
    received = yuan(payment.received_minor)
    other = payment.received_currency != "CNY"
    return {
        "total_amount": received,
        "receipt_amount": received,
        "buyer_pay_amount": received,
        **({"trans_currency": payment.received_currency} if other else {}),
    }


def trade_state(payment: Payment) -> str:
    """A paid trade that was refunded completely is closed."""
    if payment.state == "paid" and payment.refunded >= payment.received_minor:
        return "TRADE_CLOSED"
    return TRADE_STATES[payment.state]


def trade_answer(payment: Payment) -> Fields:
    """`alipay.trade.query`."""
    paid = {"send_pay_date": china(payment.paid_ms)} if payment.paid_ms else {}
    return good(
        trade_no=payment.reference,
        out_trade_no=payment.our_id,
        trade_status=trade_state(payment),
        **BUYER,
        **_money(payment),
        **paid,
    )


def trade_notify(payment: Payment, identity: Fields, notify_id: str, now_ms: int) -> Fields:
    """`trade_status_sync` after a payment, not signed yet. `identity`: app_id, auth_app_id, seller_id."""
    return {
        "notify_type": "trade_status_sync",
        "notify_id": notify_id,
        "notify_time": china(now_ms),
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "trade_no": payment.reference,
        "out_trade_no": payment.our_id,
        "trade_status": trade_state(payment),
        "subject": payment.subject,
        "gmt_create": china(payment.created_ms),
        "gmt_payment": china(payment.paid_ms),
        "fund_bill_list": msgspec.json.encode(
            [{"amount": yuan(payment.received_minor), "fundChannel": "ALIPAYACCOUNT"}]
        ).decode(),
        **BUYER,
        **_money(payment),
        **identity,
    }


def refund_notify(
    payment: Payment, refund: Movement, identity: Fields, notify_id: str, now_ms: int
) -> Fields:
    """Refunds are told as a change of the trade, with the refund's number."""
    return {
        **trade_notify(payment, identity, notify_id, now_ms),
        "out_biz_no": refund.our_id,
        "refund_fee": yuan(payment.refunded),
        "gmt_refund": china(refund.settled_ms),
    }


def with_signature(fields: Fields, key: RSAPrivateKey) -> Fields:
    """Sign a notify or the parameters of the way back."""
    return {**fields, "sign": signed(key, notify_text(fields))}


def transfer_answer(transfer: Movement) -> Fields:
    """`alipay.fund.trans.uni.transfer` and `.common.query`."""
    facts = {"pay_date": china(transfer.settled_ms)} if transfer.settled_ms else {}
    if transfer.state in {"failed", "returned"}:
        facts["error_code"] = str(transfer.facts.get("failure", "PAYEE_ACCOUNT_STATUS_ERROR"))
    return good(
        out_biz_no=transfer.our_id,
        order_id=transfer.reference,
        pay_fund_order_id=transfer.reference,
        status=TRANSFER_STATES[transfer.state],
        trans_amount=yuan(transfer.minor),
        **facts,
    )


def transfer_message(
    transfer: Movement, app_id: str, notify_id: str, now_ms: int, key: RSAPrivateKey
) -> Fields:
    """`alipay.fund.trans.order.changed`; the message service signs `sign_type` too."""
    told: dict[str, Any] = {
        name: value for name, value in transfer_answer(transfer).items() if name not in {"code", "msg"}
    }
    told |= {"product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
    fields = {
        "msg_method": TRANSFER_CHANGED,
        "notify_id": notify_id,
        "app_id": app_id,
        "utc_timestamp": str(now_ms),
        "charset": "utf-8",
        "version": "1.1",
        "sign_type": "RSA2",
        "biz_content": msgspec.json.encode(told).decode(),
    }
    return {**fields, "sign": signed(key, request_text(fields))}


def refund_answer(payment: Payment, refund: Movement, *, moved: bool) -> Fields:
    """`alipay.trade.refund`: `fund_change` says whether money moved in this very call."""
    return good(
        trade_no=payment.reference,
        out_trade_no=payment.our_id,
        fund_change="Y" if moved else "N",
        refund_fee=yuan(payment.refunded),
        gmt_refund_pay=china(refund.settled_ms),
        **BUYER,
    )


def refund_found(payment: Payment, refund: Movement | None) -> Fields:
    """`alipay.trade.fastpay.refund.query`: without `refund_status` there was no refund."""
    if refund is None:
        return good()
    return good(
        trade_no=payment.reference,
        out_trade_no=payment.our_id,
        out_request_no=refund.our_id,
        total_amount=yuan(payment.received_minor),
        refund_amount=yuan(refund.minor),
        refund_status="REFUND_SUCCESS",
        gmt_refund_pay=china(refund.settled_ms),
    )
