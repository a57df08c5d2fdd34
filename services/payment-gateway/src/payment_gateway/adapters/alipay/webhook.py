"""Proof that a notify comes from Alipay and is meant for us.

Alipay signs the decoded fields, not the bytes. First without `sign_type`; some products and the message
service sign with it, so a second attempt is made. `app_id` and `seller_id` are compared with our own;
`out_trade_no` and `total_amount` are handed on to be compared with our record.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from payment_gateway.adapters.alipay.mapping import BadAnswer, read_yuan
from payment_gateway.adapters.alipay.signing import notify_string, verify
from payment_gateway.application.ports import CallbackRefused, Hint, RawCallback
from sps.identifiers import REFUND
from sps.money import Money

FIELDS_MAX: Final = 100
TRANSFER_CHANGED: Final = "alipay.fund.trans.order.changed"

_json: Final = msgspec.json.Decoder(dict[str, Any])


class NotifyVerifier:
    """Checks notifies for one application and one seller account."""

    def __init__(self, public_key: RSAPublicKey, app_id: str, seller_id: str) -> None:
        self._public_key = public_key
        self._app_id = app_id
        self._seller_id = seller_id

    def prove(self, callback: RawCallback) -> Hint:
        """Return what the notify is about; raises `CallbackRefused`."""
        params = _fields(callback.body)
        self._check_signature(params)
        if params.get("app_id") != self._app_id:
            raise CallbackRefused("NOT_OURS", "app_id is not our application")
        if "msg_method" in params:
            return _message_hint(params)
        if params.get("seller_id") != self._seller_id:
            raise CallbackRefused("NOT_OURS", "seller_id is not our account")
        return _trade_hint(params)

    def _check_signature(self, params: Mapping[str, str]) -> None:
        signature = params.get("sign", "")
        if not signature:
            raise CallbackRefused("NO_SIGNATURE", "the notify is not signed")
        if params.get("sign_type", "RSA2") != "RSA2":
            raise CallbackRefused("BAD_SIGNATURE", "only RSA2 is accepted")
        attempts = (False, True) if "sign_type" in params else (False,)
        if not any(
            verify(self._public_key, notify_string(params, with_sign_type=kept), signature)
            for kept in attempts
        ):
            raise CallbackRefused("BAD_SIGNATURE", "the signature is not Alipay's")


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise CallbackRefused("MALFORMED", "the body is not a form in UTF-8") from error
    params = dict(pairs)
    if len(params) != len(pairs):
        raise CallbackRefused("MALFORMED", "a field stands twice")
    return params


def _trade_hint(params: Mapping[str, str]) -> Hint:
    event_key = params.get("notify_id", "")
    if params.get("out_biz_no", "").startswith(f"{REFUND}_"):
        return Hint("order", params["out_biz_no"], event_key)
    payment = params.get("out_trade_no", "")
    if not payment:
        return Hint("none", "", event_key)
    return Hint("payment", payment, event_key, params.get("trade_no", ""), _claimed(params))


def _claimed(params: Mapping[str, str]) -> Money | None:
    try:
        return read_yuan(params.get("total_amount", ""))
    except BadAnswer:
        return None


def _message_hint(params: Mapping[str, str]) -> Hint:
    event_key = params.get("notify_id", "")
    if params["msg_method"] != TRANSFER_CHANGED:
        return Hint("none", "", event_key)
    try:
        content = _json.decode(params.get("biz_content", ""))
    except msgspec.MsgspecError as error:
        raise CallbackRefused("MALFORMED", "biz_content is not a JSON object") from error
    order = content.get("out_biz_no")
    return Hint("order", order, event_key) if isinstance(order, str) else Hint("none", "", event_key)
