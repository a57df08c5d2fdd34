"""Alipay as a payment provider: page pay, refunds, transfers. Our identifiers are its numbers.

`out_trade_no` = payment, `out_request_no` = refund, `out_biz_no` = payout: repeating a call with the
same number never moves money twice, for as long as Alipay keeps the order.
"""

import re
from collections.abc import Awaitable
from typing import Any, Final

from payment_gateway.adapters.alipay import mapping
from payment_gateway.adapters.alipay.client import AlipayClient, china_time
from payment_gateway.adapters.alipay.webhook import NotifyVerifier
from payment_gateway.adapters.http_exchange import HttpExchange
from payment_gateway.application.ports import (
    Answers,
    Checkout,
    CheckoutWish,
    Hint,
    Instruction,
    ProviderTrouble,
    RawCallback,
)
from payment_gateway.core.outcome import Outcome, Unknown
from payment_gateway.core.payment import Found
from payment_gateway.core.payout import DAY_MS, HOUR_MS, Rules
from payment_gateway.core.units import UnitRefused
from sps.money import MoneyRefused

NAME: Final = "alipay"
RULES: Final = Rules(settle_ms=HOUR_MS // 4, key_window_ms=20 * DAY_MS)
"""The numbers stay known to Alipay far longer than a day; past twenty days a person decides."""

TRANSFER: Final = {"product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
ACCOUNT_MAX: Final = 100

_USER_ID: Final = re.compile(r"2088[0-9]{12}", re.ASCII)
_LOGON_ID: Final = re.compile(r"[^\s@]{1,64}@[^\s@]{1,64}|\+?[0-9-]{6,20}", re.ASCII)


class AlipayProvider:
    """The port `PaymentProvider` for one application."""

    name = NAME
    units = mapping.UNITS
    answers = Answers("success", "failure")

    def __init__(
        self,
        client: AlipayClient,
        verifier: NotifyVerifier,
        exchange: HttpExchange,
        notify_url: str,
        rules: Rules = RULES,
    ) -> None:
        self._client = client
        self._verifier = verifier
        self._exchange = exchange
        self._notify_url = notify_url
        self.rules = rules

    async def checkout(self, wish: CheckoutWish) -> Checkout:
        content = {
            "out_trade_no": wish.payment,
            "product_code": "FAST_INSTANT_TRADE_PAY",
            "total_amount": mapping.yuan(wish.amount),
            "subject": f"Escrow {wish.contract}",
            "time_expire": china_time(wish.expires_ms),
        }
        url = self._client.page_url(
            "alipay.trade.page.pay", content, notify=self._notify_url, back=wish.return_url
        )
        return Checkout(url, "")

    async def find_payment(self, payment: str, reference: str, trade: str = "") -> Found:  # noqa: ARG002 our number suffices
        content = {"trade_no": trade} if trade else {"out_trade_no": payment}
        answer = await self._client.call("alipay.trade.query", content)
        try:
            found = mapping.found_payment(answer, payment)
        except (mapping.BadAnswer, MoneyRefused, UnitRefused) as error:
            raise ProviderTrouble(str(error)) from error
        if found is None:
            raise ProviderTrouble(f"the query answers {answer.word}")
        return found

    async def close_checkout(self, payment: str, reference: str) -> None:  # noqa: ARG002 our number suffices
        await self._client.call("alipay.trade.close", {"out_trade_no": payment})

    def check_account(self, account: str, name: str) -> str:
        if _USER_ID.fullmatch(account):
            return account
        if len(account) > ACCOUNT_MAX or not _LOGON_ID.fullmatch(account):
            raise UnitRefused("BAD_ACCOUNT", "an Alipay account is a 2088 number, an e-mail or a telephone")
        if not name.strip():
            raise UnitRefused("NAME_NEEDED", "Alipay wants the holder's name with an e-mail or telephone")
        return account

    async def send_payout(self, instruction: Instruction) -> Outcome:
        content = TRANSFER | {
            "out_biz_no": instruction.id,
            "trans_amount": mapping.yuan(instruction.amount, payout=True),
            "order_title": "Escrow payout",
            "remark": instruction.id,
        }
        return await _outcome(self._transfer(instruction, content | {"payee_info": _payee(instruction)}))

    async def find_payout(self, instruction: Instruction) -> Outcome:
        return await _outcome(self._transfer_query(instruction))

    async def send_refund(self, instruction: Instruction) -> Outcome:
        return await _outcome(self._refund(instruction))

    async def find_refund(self, instruction: Instruction) -> Outcome:
        return await _outcome(self._refund_query(instruction))

    def prove(self, callback: RawCallback) -> Hint:
        return self._verifier.prove(callback)

    async def stop(self) -> None:
        await self._exchange.stop()

    async def _transfer(self, instruction: Instruction, content: dict[str, Any]) -> Outcome:
        answer = await self._client.call("alipay.fund.trans.uni.transfer", content)
        return mapping.transfer_answer(answer, instruction.id)

    async def _transfer_query(self, instruction: Instruction) -> Outcome:
        content = TRANSFER | {"out_biz_no": instruction.id}
        answer = await self._client.call("alipay.fund.trans.common.query", content)
        return mapping.transfer_found(answer, instruction.id, instruction.amount)

    async def _refund(self, instruction: Instruction) -> Outcome:
        content = {
            "trade_no": instruction.payment_reference,
            "refund_amount": mapping.yuan(instruction.amount),
            "out_request_no": instruction.id,
            "refund_reason": "Escrow refund",
        }
        return mapping.refund_answer(await self._client.call("alipay.trade.refund", content))

    async def _refund_query(self, instruction: Instruction) -> Outcome:
        content = {"trade_no": instruction.payment_reference, "out_request_no": instruction.id}
        answer = await self._client.call("alipay.trade.fastpay.refund.query", content)
        return mapping.refund_found(answer, instruction.id, instruction.amount)


def _payee(instruction: Instruction) -> dict[str, str]:
    if _USER_ID.fullmatch(instruction.account):
        return {"identity": instruction.account, "identity_type": "ALIPAY_USER_ID"}
    return {
        "identity": instruction.account,
        "identity_type": "ALIPAY_LOGON_ID",
        "name": instruction.name,
    }


async def _outcome(call: Awaitable[Outcome]) -> Outcome:
    """Trouble and answers that make no sense are doubt."""
    try:
        return await call
    except ProviderTrouble:
        return Unknown("no_proved_answer")
    except (mapping.BadAnswer, MoneyRefused, UnitRefused):
        return Unknown("bad_answer")
