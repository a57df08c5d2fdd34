"""Alipay: transfers to accounts, once per `out_biz_no`."""

from typing import Any, Final

from msgspec.structs import replace

from sandbox.application.bookkeeping import NotEnough, post
from sandbox.application.ports import Unit
from sandbox.application.settling import STEP_MS, Settler
from sandbox.application.world import World
from sandbox.core import alipay_words as words
from sandbox.core.alipay_words import Fields
from sandbox.core.amounts import fen
from sandbox.core.records import ALIPAY, Entry, Movement

MINIMUM_FEN: Final = 10
PRODUCT: Final = "TRANS_ACCOUNT_NO_PWD"
SCENE: Final = "DIRECT_TRANSFER"
WITH_NAME: Final = "ALIPAY_LOGON_ID"


class AlipayTransfers:
    """Transfers of one merchant, inside the caller's unit."""

    def __init__(self, world: World, settler: Settler) -> None:
        self._world = world
        self._settler = settler

    async def transfer(self, unit: Unit, content: dict[str, Any]) -> Fields:
        """`alipay.fund.trans.uni.transfer`."""
        if wrong := _wrong(content):
            return wrong
        number, minor = str(content.get("out_biz_no", "")), fen(str(content["trans_amount"]))
        identity = str(content["payee_info"]["identity"])
        known = await self._known(unit, number)
        if known is None:
            return await self._send(unit, number, minor, identity)
        known = await unit.save(replace(known, repeats=known.repeats + 1))
        if (known.minor, known.destination) != (minor, identity):
            return words.business_failure("PARAM_ILLEGAL", "out_biz_no belongs to another transfer")
        return words.transfer_answer(known)

    async def query(self, unit: Unit, content: dict[str, Any]) -> Fields:
        """`alipay.fund.trans.common.query`."""
        order = str(content.get("order_id", ""))
        if order:
            known = await unit.find(Movement, provider=ALIPAY, kind="transfer", reference=order)
        else:
            known = await self._known(unit, str(content.get("out_biz_no", "")))
        if known is None:
            return words.business_failure("ORDER_NOT_EXIST", "转账订单不存在 (there is no such transfer)")
        return words.transfer_answer(known)

    async def _known(self, unit: Unit, number: str) -> Movement | None:
        return await unit.find(Movement, provider=ALIPAY, kind="transfer", our_id=number)

    async def _send(self, unit: Unit, number: str, minor: int, identity: str) -> Fields:
        now_ms, reference = self._world.now_ms(), self._world.trade_number()
        try:
            await post(unit, Entry(ALIPAY, "CNY", "paid_out", minor, reference, now_ms))
        except NotEnough as error:
            return words.business_failure("PAYER_BALANCE_NOT_ENOUGH", str(error))
        path = await self._settler.path(unit, ALIPAY, "")
        waits = path == "failed"
        record = await unit.add(
            Movement(
                provider=ALIPAY,
                kind="transfer",
                our_id=number,
                reference=reference,
                minor=minor,
                currency="CNY",
                state="pending" if waits else "paid",
                created_ms=now_ms,
                path=path,
                due_ms=now_ms + STEP_MS if path else 0,
                destination=identity,
                settled_ms=0 if waits else now_ms,
            )
        )
        unit.after_commit(self._world.wake.set)
        if not waits:
            await self._settler.tell(unit, record)
        return words.transfer_answer(record)


def _wrong(content: dict[str, Any]) -> Fields | None:
    payee = content.get("payee_info")
    if content.get("product_code") != PRODUCT or content.get("biz_scene") != SCENE:
        return words.bad_request("isv.invalid-parameter", "product_code or biz_scene")
    if not isinstance(payee, dict) or not payee.get("identity") or not content.get("out_biz_no"):
        return words.bad_request("isv.missing-parameter", "payee_info or out_biz_no")
    if payee.get("identity_type") == WITH_NAME and not payee.get("name"):
        return words.business_failure("PAYEE_USER_INFO_ERROR", "a logon id needs the holder's name")
    if fen(str(content.get("trans_amount", ""))) < MINIMUM_FEN:
        return words.business_failure("EXCEED_LIMIT_SM_MIN_AMOUNT", "at least 0.10 yuan")
    return None
