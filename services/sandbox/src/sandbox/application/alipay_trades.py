"""Alipay: trades and their refunds. The merchant's own numbers make every repeat harmless."""

from typing import Any, Final

from msgspec.structs import replace

from sandbox.application.bookkeeping import NotEnough, post
from sandbox.application.errors import SandboxRefused
from sandbox.application.ports import Unit
from sandbox.application.telling import Teller
from sandbox.application.world import World
from sandbox.core import alipay_words as words
from sandbox.core.alipay_words import Fields
from sandbox.core.amounts import fen
from sandbox.core.records import ALIPAY, Entry, Movement, Payment

CNY: Final = "CNY"
TRADE_TTL_MS: Final = 15 * 24 * 3_600_000
"""A trade without `time_expire` lives fifteen days."""
NO_TRADE: Final = ("ACQ.TRADE_NOT_EXIST", "交易不存在 (the trade does not exist)")


class AlipayTrades:
    """Trades of one merchant. All methods work inside the caller's unit."""

    def __init__(self, world: World, teller: Teller) -> None:
        self._world = world
        self._teller = teller

    async def open(self, unit: Unit, params: Fields, content: dict[str, Any]) -> Payment:
        """The trade behind a pay link, made when the buyer first comes."""
        our_id, minor = str(content.get("out_trade_no", "")), fen(str(content.get("total_amount", "")))
        if not 1 <= len(our_id) <= 64:  # noqa: PLR2004 the length of the field
            raise SandboxRefused("INVALID_PARAMETER", "out_trade_no has 1 to 64 characters")
        known = await unit.find(Payment, provider=ALIPAY, our_id=our_id)
        if known is not None:
            if known.minor != minor:
                raise SandboxRefused("ACQ.TRADE_TOTALFEE_NOT_MATCH", "the trade has another amount")
            return self._now(known)
        now_ms, number = self._world.now_ms(), self._world.trade_number()
        expires = str(content.get("time_expire", ""))
        return await unit.add(
            Payment(
                provider=ALIPAY,
                our_id=our_id,
                reference=number,
                session=number,
                minor=minor,
                currency=CNY,
                state="open",
                created_ms=now_ms,
                expires_ms=words.china_ms(expires) if expires else now_ms + TRADE_TTL_MS,
                notify_url=params.get("notify_url", ""),
                return_url=params.get("return_url", ""),
                subject=str(content.get("subject", ""))[:256],
            )
        )

    async def pay(
        self, unit: Unit, trade: Payment, minor: int | None = None, currency: str = "", *, again: bool = False
    ) -> Payment:
        """The buyer pays. A paid trade stays as it is, unless he pays `again`: that is a new trade."""
        trade = self._now(trade)
        if trade.state == "paid" and not again:
            return trade
        if trade.state == "closed":
            raise SandboxRefused("TRADE_CLOSED", "the trade is closed and takes no money")
        if trade.state == "paid":
            number = self._world.trade_number()
            trade = await unit.add(replace(trade, id=0, reference=number, state="open", refunded=0))
        paid = replace(
            trade,
            state="paid",
            received_minor=minor or trade.minor,
            received_currency=currency or CNY,
            paid_ms=self._world.now_ms(),
        )
        await unit.save(paid)
        await post(
            unit,
            Entry(
                ALIPAY, paid.received_currency, "paid_in", paid.received_minor, paid.reference, paid.paid_ms
            ),
        )
        await self._notify(unit, words.trade_notify(paid, *self._notice()), paid)
        return paid

    async def query(self, unit: Unit, content: Fields) -> Fields:
        trade = await self._trade(unit, content)
        return words.trade_answer(trade) if trade else words.business_failure(*NO_TRADE)

    async def close(self, unit: Unit, content: Fields) -> Fields:
        trade = await self._trade(unit, content)
        if trade is None:
            return words.business_failure(*NO_TRADE)
        if trade.state == "paid":
            return words.business_failure("ACQ.TRADE_STATUS_ERROR", "the trade is paid")
        await unit.save(replace(trade, state="closed"))
        return words.good(trade_no=trade.reference, out_trade_no=trade.our_id)

    async def refund(self, unit: Unit, content: Fields) -> Fields:
        """`out_request_no` is the number of the refund; without one the trade's number stands for it."""
        number = content.get("out_request_no") or content.get("out_trade_no", "")
        minor = fen(content.get("refund_amount", ""))
        known = await unit.find(Movement, provider=ALIPAY, kind="refund", our_id=number)
        if known is not None:
            return await self._refunded_before(unit, content, known, minor)
        trades = await self._trades(unit, content)
        if not trades:
            return words.business_failure(*NO_TRADE)
        trade = next((each for each in trades if _left(each) >= minor), trades[0])
        if trade.state != "paid":
            return words.business_failure("ACQ.TRADE_STATUS_ERROR", "the trade is not paid")
        if _left(trade) < minor:
            return words.business_failure("ACQ.REASON_TRADE_REFUND_FEE_ERR", "more than is left of the trade")
        return await self._refund(unit, trade, number, minor)

    async def refund_query(self, unit: Unit, content: Fields) -> Fields:
        number = content.get("out_request_no", "")
        refund = await unit.find(Movement, provider=ALIPAY, kind="refund", our_id=number)
        trade = await self._trade(unit, content)
        if trade is None:
            return words.business_failure(*NO_TRADE)
        if refund is not None and refund.payment != trade.reference:
            trade = await unit.find(Payment, provider=ALIPAY, reference=refund.payment) or trade
        return words.refund_found(trade, refund)

    async def _refund(self, unit: Unit, trade: Payment, number: str, minor: int) -> Fields:
        now_ms = self._world.now_ms()
        try:
            line = Entry(ALIPAY, trade.received_currency, "refunded", minor, number, now_ms)
            await post(unit, line)
        except NotEnough as error:
            return words.business_failure("ACQ.SELLER_BALANCE_NOT_ENOUGH", str(error))
        refund = await unit.add(
            Movement(
                provider=ALIPAY,
                kind="refund",
                our_id=number,
                reference=self._world.trade_number(),
                minor=minor,
                currency=trade.received_currency,
                state="paid",
                created_ms=now_ms,
                payment=trade.reference,
                settled_ms=now_ms,
            )
        )
        trade = await unit.save(replace(trade, refunded=trade.refunded + minor))
        await self._notify(unit, words.refund_notify(trade, refund, *self._notice()), trade)
        return words.refund_answer(trade, refund, moved=True)

    async def _refunded_before(self, unit: Unit, content: Fields, known: Movement, minor: int) -> Fields:
        known = await unit.save(replace(known, repeats=known.repeats + 1))
        trade = await unit.find(Payment, provider=ALIPAY, reference=known.payment)
        named = {trade.our_id, trade.reference} if trade else set()
        if (
            trade is None
            or known.minor != minor
            or not {content.get("out_trade_no"), content.get("trade_no")} & named
        ):
            return words.business_failure(
                "ACQ.DISCORDANT_REPEAT_REQUEST", "the number belongs to another refund"
            )
        return words.refund_answer(trade, known, moved=False)

    async def _trade(self, unit: Unit, content: Fields) -> Payment | None:
        trades = await self._trades(unit, content)
        return self._now(trades[0]) if trades else None

    async def _trades(self, unit: Unit, content: Fields) -> list[Payment]:
        """Newest first; by Alipay's number when it is given."""
        named: dict[str, Any] = {"reference": content["trade_no"]} if content.get("trade_no") else {}
        where = named or {"our_id": content.get("out_trade_no", "")}
        return await unit.find_all(Payment, newest_first=True, provider=ALIPAY, **where)

    def _now(self, trade: Payment) -> Payment:
        """A trade that nobody paid in time is closed."""
        late = trade.state == "open" and self._world.now_ms() >= trade.expires_ms
        return replace(trade, state="closed") if late else trade

    def _notice(self) -> tuple[Fields, str, int]:
        return self._world.alipay.identity, self._world.token("ntf"), self._world.now_ms()

    async def _notify(self, unit: Unit, fields: Fields, trade: Payment) -> None:
        signed = words.with_signature(fields, self._world.alipay.key)
        kind = "refund notify" if "out_biz_no" in fields else "trade notify"
        await self._teller.alipay(unit, trade.notify_url, signed, kind, trade.our_id)


def _left(trade: Payment) -> int:
    return trade.received_minor - trade.refunded if trade.state == "paid" else 0
