"""`gateway.do`: proves who asks, does what the method says, and signs the answer."""

from typing import Any, Final

import msgspec

from sandbox.application.alipay_trades import AlipayTrades
from sandbox.application.alipay_transfers import AlipayTransfers
from sandbox.application.errors import AnswerLost, SandboxRefused
from sandbox.application.mischief import take
from sandbox.application.ports import Store, Unit
from sandbox.application.world import World
from sandbox.core import alipay_words as words
from sandbox.core.alipay_words import Fields
from sandbox.core.records import ALIPAY, Payment
from sandbox.core.rsa2 import is_signed, request_text

PAGE_PAY: Final = "alipay.trade.page.pay"
WAP_PAY: Final = "alipay.trade.wap.pay"
MOVES_MONEY: Final = frozenset({"alipay.trade.refund", "alipay.fund.trans.uni.transfer"})


class BadContent(ValueError):
    """`biz_content` is not what it has to be."""


class AlipayGateway:
    """One application's door."""

    def __init__(self, world: World, store: Store, trades: AlipayTrades, transfers: AlipayTransfers) -> None:
        self._world = world
        self._store = store
        self._trades = trades
        self._transfers = transfers

    async def call(self, params: Fields) -> bytes:
        """A synchronous call; raises `AnswerLost` when the answer is to be lost."""
        method = params.get("method", "")
        fields = self._stranger(params)
        if fields is None:
            fields = await self._do(method, params)
        return words.reply(method or "error", fields, self._world.alipay.key)

    async def page(self, params: Fields) -> Payment:
        """The buyer has come with a pay link."""
        stranger = self._stranger(params)
        if stranger is not None:
            raise SandboxRefused(stranger["sub_code"], stranger["sub_msg"])
        try:
            async with self._store.transaction() as unit:
                return await self._trades.open(unit, params, _content(params))
        except ValueError as error:
            raise SandboxRefused("INVALID_PARAMETER", str(error)) from error

    def _stranger(self, params: Fields) -> Fields | None:
        """Why the request is not believed; None when it is."""
        alipay = self._world.alipay
        if params.get("app_id") != alipay.app_id:
            return words.bad_request("isv.invalid-app-id", "无效的AppID参数 (app_id is unknown)")
        if params.get("sign_type") != "RSA2" or params.get("charset", "").lower() != "utf-8":
            return words.bad_request(
                "isv.invalid-signature-type", "sign_type RSA2 and charset utf-8 are needed"
            )
        if not is_signed(alipay.merchant_key, request_text(params), params.get("sign", "")):
            return words.bad_request("isv.invalid-signature", "验签出错 (the signature is not good)")
        return self._uncertified(params)

    def _uncertified(self, params: Fields) -> Fields | None:
        """Transfers need the certificate mode; serial numbers that are given must be right anywhere."""
        alipay = self._world.alipay
        pairs = (("app_cert_sn", alipay.app_cert_sn), ("alipay_root_cert_sn", alipay.root_cert_sn))
        for name, wanted in pairs:
            given = params.get(name, "")
            needed = params.get("method") == "alipay.fund.trans.uni.transfer"
            if wanted and given != wanted and (given or needed):
                return words.bad_request(
                    f"isv.invalid-{name.replace('_', '-')}", f"{name} is not this application's"
                )
        return None

    async def _do(self, method: str, params: Fields) -> Fields:
        try:
            content = _content(params)
            async with self._store.transaction() as unit:
                fields = await self._dispatch(unit, method, content)
                lost = method in MOVES_MONEY and await take(unit, ALIPAY, "drop_answers")
        except (ValueError, SandboxRefused) as error:
            return words.bad_request("isv.invalid-parameter", str(error))
        if lost:
            raise AnswerLost
        return fields

    async def _dispatch(self, unit: Unit, method: str, content: dict[str, Any]) -> Fields:
        calls = {
            "alipay.trade.query": self._trades.query,
            "alipay.trade.close": self._trades.close,
            "alipay.trade.refund": self._trades.refund,
            "alipay.trade.fastpay.refund.query": self._trades.refund_query,
            "alipay.fund.trans.uni.transfer": self._transfers.transfer,
            "alipay.fund.trans.common.query": self._transfers.query,
        }
        if method not in calls:
            return words.bad_request("isv.invalid-method", "不存在的方法名 (there is no such method)")
        return await calls[method](unit, content)


def _content(params: Fields) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(params.get("biz_content", ""))
    except msgspec.MsgspecError as error:
        raise BadContent("biz_content is not JSON") from error
    if not isinstance(content, dict):
        raise BadContent("biz_content is not an object")
    return {name: value if isinstance(value, dict | list) else str(value) for name, value in content.items()}
