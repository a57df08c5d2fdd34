"""Payment providers with books of their own: Alipay and Stripe over ASGI in their wire formats, and the port."""

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from payment_gateway.adapters.alipay import mapping as alipay
from payment_gateway.adapters.alipay import signing
from payment_gateway.adapters.stripe import mapping as stripe
from payment_gateway.application.ports import (
    Answers,
    CallbackRefused,
    Checkout,
    Hint,
    ProviderTrouble,
)
from payment_gateway.core.outcome import Absent, Sent, Unknown
from payment_gateway.core.payment import Found
from payment_gateway.core.payout import Rules

MERCHANT_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ALIPAY_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def read_body(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer(send, status, body):
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Misbehaviour:
    """What the provider does wrong with its next answers, after it has executed the call."""

    def __init__(self):
        self.next = []

    async def apply(self, status, body):
        how = self.next.pop(0) if self.next else ""
        if how == "silence":
            await asyncio.sleep(60)
        changed = {
            "error_500": (500, b"<html>oops</html>"),
            "error_429": (429, b"{}"),
            "garbage": (200, b"{not json"),
            "huge": (200, b" " * 2_000_000),
            "tampered": (200, body.replace(b"10000", b"10001")),
            "unsigned_error": (200, b'{"error_response":{"code":"20000","msg":"Service Unavailable"}}'),
        }
        return changed.get(how, (status, body))


class AsgiAlipay:
    """Alipay's gateway. Verifies our signature, signs its answers, keeps trades, refunds and transfers."""

    def __init__(self):
        self.wrong = Misbehaviour()
        self.calls = []
        self.trades = {}
        self.refunds = {}
        self.transfers = {}
        self.by_number = {}
        self.transfer_status = "SUCCESS"
        self.business_error = ""

    async def __call__(self, scope, receive, send):
        params = dict(parse_qsl((await read_body(receive)).decode(), keep_blank_values=True))
        assert b"charset=utf-8" in scope["query_string"]
        text = signing.request_string(params)
        assert signing.verify(MERCHANT_KEY.public_key(), text, params["sign"])
        self.calls.append(params)
        content = json.loads(params["biz_content"])
        member = self._execute(params["method"], content)
        value = json.dumps(member, ensure_ascii=False)
        name = params["method"].replace(".", "_") + "_response"
        body = f'{{"{name}":{value},"sign":"{signing.sign(ALIPAY_KEY, value)}"}}'.encode()
        await answer(send, *await self.wrong.apply(200, body))

    def _execute(self, method, content):
        if self.business_error:
            return {"code": "40004", "msg": "Business Failed", "sub_code": self.business_error}
        return {
            "alipay.trade.query": self._query,
            "alipay.trade.close": lambda _: {"code": "10000"},
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._refund_query,
            "alipay.fund.trans.uni.transfer": self._transfer,
            "alipay.fund.trans.common.query": self._transfer_query,
        }[method](content)

    def _query(self, content):
        number = content.get("out_trade_no") or self.by_number.get(content["trade_no"])
        trade = self.trades.get(number)
        if trade is None:
            return {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}
        return {"code": "10000", "out_trade_no": number, "trade_no": "20260001"} | trade

    def _refund(self, content):
        first = content["out_request_no"] not in self.refunds
        self.refunds.setdefault(content["out_request_no"], content)
        return {"code": "10000", "fund_change": "Y" if first else "N", "trade_no": "20260001"}

    def _refund_query(self, content):
        known = self.refunds.get(content["out_request_no"])
        if known is None:
            return {"code": "10000", "msg": "Success"}
        return {
            "code": "10000",
            "refund_status": "REFUND_SUCCESS",
            "out_request_no": known["out_request_no"],
            "refund_amount": known["refund_amount"],
            "trade_no": "20260001",
        }

    def _transfer(self, content):
        self.transfers.setdefault(content["out_biz_no"], content)
        return self._transfer_state(content["out_biz_no"])

    def _transfer_query(self, content):
        if content["out_biz_no"] not in self.transfers:
            return {"code": "40004", "sub_code": "ORDER_NOT_EXIST"}
        amount = self.transfers[content["out_biz_no"]]["trans_amount"]
        return self._transfer_state(content["out_biz_no"]) | {"trans_amount": amount}

    def _transfer_state(self, number):
        return {"code": "10000", "out_biz_no": number, "order_id": "2026T1", "status": self.transfer_status}


class AsgiStripe:
    """Stripe's API as far as we use it, with idempotency keys and books."""

    def __init__(self):
        self.wrong = Misbehaviour()
        self.calls = []
        self.objects = {}
        self.keys = {}
        self.error = None
        self.status = {"refunds": "succeeded", "payouts": "paid", "transfers": None}
        self.page_size = 100
        self.repeat_pages = False

    async def __call__(self, scope, receive, send):
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        assert headers["authorization"] == "Bearer sk_test_1"
        form = dict(parse_qsl((await read_body(receive)).decode()))
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        path = scope["path"].removeprefix("/stripe/v1/")
        self.calls.append((scope["method"], path, form, query, headers.get("idempotency-key", "")))
        if scope["method"] == "POST":
            status, body = self._post(path, form, headers["idempotency-key"])
        else:
            status, body = self._get(path, query)
        await answer(send, *await self.wrong.apply(status, json.dumps(body).encode()))

    def _post(self, path, form, key):
        if self.error:
            return self.error
        if key not in self.keys:
            self.keys[key] = self._make(path, form, f"{path[:2]}_{len(self.objects) + 1}")
        return 200, self.keys[key]

    def _make(self, path, form, number):
        if path == "checkout/sessions":
            made = {
                "id": f"cs_{number}",
                "client_reference_id": form["client_reference_id"],
                "url": f"http://pay/{number}",
                "status": "open",
                "payment_intent": None,
            }
        else:
            made = {
                "id": number,
                "amount": int(form["amount"]),
                "currency": form.get("currency", "usd"),
                "status": self.status.get(path),
                "metadata": {"order": form["metadata[order]"]},
                "transfer_group": form.get("transfer_group"),
            }
        self.objects[f"{path}/{made['id']}"] = made
        return made

    def _get(self, path, query):
        if path in {"refunds", "payouts", "transfers"}:
            return 200, self._page(path, query)
        if path == "payment_intents/search":
            wanted = query["query"].split("'")[3]
            every = [v for k, v in self.objects.items() if k.startswith("payment_intents/")]
            return 200, {"data": [one for one in every if one["metadata"].get("payment") == wanted]}
        found = self.objects.get(path)
        if found is None:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}
        return 200, found

    def _page(self, path, query):
        every = [v for k, v in self.objects.items() if k.startswith(f"{path}/")]
        ids = [one["id"] for one in every]
        after = query.get("starting_after")
        start = ids.index(after) + 1 if after and not self.repeat_pages else 0
        return {
            "data": every[start : start + self.page_size],
            "has_more": start + self.page_size < len(every),
        }

    def pay(self, session, payment, amount, currency, fee=None, status="succeeded"):
        """The buyer pays; `fee` None: not booked yet."""
        booked = None if fee is None else {"id": "txn_1", "fee": fee, "currency": currency}
        self.objects[f"checkout/sessions/{session}"]["payment_intent"] = "pi_1"
        self.objects["payment_intents/pi_1"] = {
            "id": "pi_1",
            "status": status,
            "currency": currency,
            "amount_received": amount,
            "metadata": {"payment": payment},
            "latest_charge": {"id": "ch_1", "balance_transaction": booked},
        }


@dataclass
class Deed:
    """One movement in the fake provider's books."""

    kind: str
    id: str
    amount: object
    account: str = ""
    payment: str = ""


@dataclass
class FakeProvider:
    """The port `PaymentProvider` in memory: executes, remembers for ever, and loses answers when told to."""

    name: str = "alipay"
    deeds: list = field(default_factory=list)
    sendings: list = field(default_factory=list)
    known: dict = field(default_factory=dict)
    paid: dict = field(default_factory=dict)
    fees: dict = field(default_factory=dict)
    opened: dict = field(default_factory=dict)
    closed: list = field(default_factory=list)
    more: dict = field(default_factory=dict)
    lose_answers: int = 0
    refuse: object = None
    down: bool = False
    before_answer: object = None

    units = alipay.UNITS
    rules = Rules(first_pause_ms=1)
    answers = Answers("success", "failure")

    async def checkout(self, wish):
        self._up()
        self.opened.setdefault(wish.payment, wish)
        return Checkout(f"http://pay.example/{wish.payment}", f"cs_{wish.payment}")

    async def find_payment(self, payment, reference, trade=""):
        self._up()
        raw = f"found {payment}".encode()
        if trade and trade in self.more:
            return Found("succeeded", raw, trade, self.more[trade])
        if payment in self.paid:
            fee = self.fees.get(payment)
            return Found(
                "succeeded", raw, f"trade_{payment}", self.paid[payment], fee, fee is None and bool(self.fees)
            )
        return Found("pending" if payment in self.opened else "absent", raw)

    async def close_checkout(self, payment, reference):
        self.closed.append(payment)

    def check_account(self, account, name):
        return account

    async def send_payout(self, instruction):
        return await self._do("payout", instruction)

    async def send_refund(self, instruction):
        return await self._do("refund", instruction)

    async def find_payout(self, instruction):
        return self._look(instruction)

    async def find_refund(self, instruction):
        return self._look(instruction)

    def prove(self, callback):
        if not callback.body.startswith(b"good "):
            raise CallbackRefused("BAD_SIGNATURE", "not from here")
        _, event, kind, subject, *reference = callback.body.decode().split(" ")
        return Hint(kind, subject, event, *reference)

    async def stop(self):
        pass

    async def _do(self, kind, instruction):
        self.sendings.append(instruction.id)
        if self.refuse is not None:
            return self.refuse
        if instruction.id not in self.known:
            deed = Deed(kind, instruction.id, instruction.amount, instruction.account, instruction.payment)
            self.deeds.append(deed)
            self.known[instruction.id] = Sent(f"ref_{instruction.id}", b"paid")
        if self.before_answer is not None:
            await self.before_answer()
        if self.lose_answers:
            self.lose_answers -= 1
            return Unknown("time_out")
        return self.known[instruction.id]

    def _look(self, instruction):
        if self.down:
            return Unknown("down")
        return self.known.get(instruction.id, Absent())

    def _up(self):
        if self.down:
            raise ProviderTrouble("down")


def as_stripe(provider):
    """The same fake in Stripe's currencies."""
    provider.name = "stripe"
    provider.units = stripe.UNITS
    return provider


def query_of(url):
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
