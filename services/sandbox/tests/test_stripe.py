import hmac

import pytest
from sandbox_kit import Stage, running


@pytest.fixture
async def stage(tmp_path, database_url):
    async with running(tmp_path, database_url=database_url) as running_stage:
        yield running_stage


def form(payment: str = "pay_1", units: str = "5000", currency: str = "eur") -> dict[str, str]:
    return {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": currency,
        "line_items[0][price_data][unit_amount]": units,
        "line_items[0][price_data][product_data][name]": "Escrow",
        "client_reference_id": payment,
        "metadata[payment]": payment,
        "payment_intent_data[metadata][payment]": payment,
        "payment_intent_data[transfer_group]": "ctr_1",
        "expires_at": "4102444800",
        "success_url": "http://shop.example/back?s={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://shop.example/no",
    }


async def session(stage: Stage, payment: str = "pay_1", **more: str) -> dict:
    return (await stage.merchant.stripe("checkout/sessions", form(payment) | more, key=payment)).json()


async def paid(stage: Stage, payment: str = "pay_1") -> str:
    url = (await session(stage, payment))["url"]
    return (await stage.merchant.control("pay", {"provider": "stripe", "url": url}))["reference"]


TRANSFER = {
    "amount": "700",
    "currency": "eur",
    "destination": "acct_alice",
    "metadata[order]": "pyo_1",
    "transfer_group": "pyo_1",
}
PAYOUT = {"amount": "700", "currency": "eur", "destination": "ba_alice", "metadata[order]": "pyo_2"}


async def test_the_buyer_pays_on_the_page_and_the_events_are_signed(stage):
    made = await session(stage)
    assert (made["payment_intent"], made["status"], made["client_reference_id"]) == (None, "open", "pay_1")
    page = await stage.merchant.client.get(made["url"])
    assert "Pay € 50.00" in page.text
    back = await stage.merchant.client.post(made["url"], data={"decision": "pay"})
    assert back.headers["location"] == f"http://shop.example/back?s={made['id']}"
    heard = await stage.platform.until(2, "stripe")
    assert [each.json["type"] for each in heard] == ["payment_intent.succeeded", "checkout.session.completed"]
    for each in heard:
        stamp, _, given = each.headers["stripe-signature"].removeprefix("t=").partition(",v1=")
        wanted = hmac.digest(b"whsec_test_secret", stamp.encode() + b"." + each.body, "sha256").hex()
        assert given == wanted
    assert heard[1].json["data"]["object"]["payment_status"] == "paid"


async def test_a_payment_is_found_with_its_fee(stage):
    reference = await paid(stage)
    query = {"expand[]": "latest_charge.balance_transaction"}
    found = await stage.merchant.stripe_get(f"payment_intents/{reference}", **query)
    assert (found["status"], found["amount_received"], found["metadata"]) == (
        "succeeded",
        5_000,
        {"payment": "pay_1"},
    )
    assert found["latest_charge"]["balance_transaction"]["fee"] == 145
    plain = await stage.merchant.stripe_get(f"payment_intents/{reference}")
    assert plain["latest_charge"].startswith("ch_")
    searched = await stage.merchant.stripe_get("payment_intents/search", query="metadata['payment']:'pay_1'")
    assert [each["id"] for each in searched["data"]] == [reference]
    assert (await stage.merchant.books())["stripe"]["EUR"]["fees"] == 145


async def test_the_buyer_may_turn_back_or_come_too_late(stage):
    made = await session(stage)
    back = await stage.merchant.client.post(made["url"], data={"decision": "leave"})
    assert back.headers["location"] == "http://shop.example/no"
    expired = await stage.merchant.stripe(f"checkout/sessions/{made['id']}/expire", {}, key="pay_1.expire")
    assert expired.json()["status"] == "expired"
    await stage.merchant.control("pay", {"provider": "stripe", "url": made["url"]}, status=409)
    assert "takes no money" in (await stage.merchant.client.get(made["url"])).text
    (heard,) = await stage.platform.until(1, "stripe")
    assert heard.json["type"] == "checkout.session.expired"


async def test_the_same_key_gives_the_same_session_and_another_wish_is_refused(stage):
    first = await session(stage)
    assert (await session(stage))["id"] == first["id"]
    other = await stage.merchant.stripe("checkout/sessions", form(units="5001"), key="pay_1")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert (await stage.merchant.books())["payments"][0]["repeats"] == 1


async def test_the_buyer_may_pay_another_amount_or_twice(stage):
    made = await session(stage)
    wish = {"provider": "stripe", "url": made["url"], "amount": {"minor": 1, "currency": "USD"}}
    first = await stage.merchant.control("pay", wish)
    second = await stage.merchant.control("pay", {"provider": "stripe", "url": made["url"], "again": True})
    assert (first["minor"], first["currency"], second["minor"]) == (1, "USD", 5_000)
    now = await stage.merchant.stripe_get(f"checkout/sessions/{made['id']}")
    assert now["payment_intent"] == second["reference"] != first["reference"]


async def test_a_refund_is_made_once_under_one_key(stage):
    reference = await paid(stage)
    wish = {"payment_intent": reference, "amount": "200", "metadata[order]": "rfd_1"}
    first, again = [(await stage.merchant.stripe("refunds", wish, key="rfd_1")).json() for _ in range(2)]
    assert first == again
    assert first["status"] == "succeeded"
    assert (await stage.merchant.stripe_get(f"refunds/{first['id']}")) == first
    listed = await stage.merchant.stripe_get("refunds", payment_intent=reference, limit="100")
    assert [each["metadata"]["order"] for each in listed["data"]] == ["rfd_1"]
    books = await stage.merchant.books()
    assert (books["stripe"]["EUR"]["refunded"], books["refunds"][0]["repeats"]) == (200, 1)
    heard = await stage.platform.until(4, "stripe")
    assert [each.json["type"] for each in heard].count("refund.updated") == 1


async def test_no_more_is_refunded_than_was_paid(stage):
    reference = await paid(stage)
    too_much = await stage.merchant.stripe(
        "refunds", {"payment_intent": reference, "amount": "5001"}, key="a"
    )
    assert too_much.status_code == 400
    assert (await stage.merchant.stripe("refunds", {"payment_intent": reference}, key="b")).json()[
        "amount"
    ] == 5_000
    once_more = await stage.merchant.stripe("refunds", {"payment_intent": reference}, key="c")
    assert once_more.json()["error"]["code"] == "charge_already_refunded"


async def test_a_transfer_is_made_once_under_one_key_and_twice_without(stage):
    first, again = [
        (await stage.merchant.stripe("transfers", TRANSFER, key="pyo_1")).json() for _ in range(2)
    ]
    assert first["id"] == again["id"]
    await stage.merchant.stripe("transfers", TRANSFER)
    books = await stage.merchant.books()
    assert [each["our_id"] for each in books["payouts"]] == ["pyo_1", "pyo_1"]
    assert books["stripe"]["EUR"]["paid_out"] == 1_400
    listed = await stage.merchant.stripe_get("transfers", transfer_group="pyo_1", limit="1")
    assert listed["has_more"]
    rest = await stage.merchant.stripe_get(
        "transfers", transfer_group="pyo_1", limit="1", starting_after=listed["data"][0]["id"]
    )
    assert (rest["data"][0]["id"], rest["has_more"]) == (first["id"], False)


async def test_a_payout_is_pending_and_then_paid(stage):
    made = (await stage.merchant.stripe("payouts", PAYOUT, key="pyo_2")).json()
    assert made["status"] == "pending"
    heard = await stage.platform.until(2, "stripe")
    assert heard[-1].json["type"] == "payout.paid"
    assert (await stage.merchant.stripe_get(f"payouts/{made['id']}"))["status"] == "paid"
    since = str(made["created"])
    listed = await stage.merchant.stripe_get("payouts", **{"destination": "ba_alice", "created[gte]": since})
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    later = await stage.merchant.stripe_get("payouts", **{"created[gte]": str(made["created"] + 5)})
    assert later["data"] == []


async def test_a_payout_may_fail_before_and_after_it_was_paid(stage):
    await stage.merchant.control("misbehave", {"provider": "stripe", "fail_payouts": 1, "return_payouts": 1})
    for key in ("a", "b"):
        await stage.merchant.stripe("payouts", PAYOUT, key=key)
    heard = await stage.platform.until(5, "stripe")
    assert sorted(each.json["type"] for each in heard) == [
        "payout.created",
        "payout.created",
        "payout.failed",
        "payout.failed",
        "payout.paid",
    ]
    lines = (await stage.merchant.books())["stripe"]["EUR"]
    assert (lines["returned"], lines["balance"]) == (1_400, 5_000_000)


async def test_a_transfer_may_be_refused_for_ever_or_reversed(stage):
    await stage.merchant.control("misbehave", {"provider": "stripe", "fail_payouts": 1, "return_payouts": 1})
    refused = [await stage.merchant.stripe("transfers", TRANSFER, key="pyo_1") for _ in range(2)]
    assert [each.json()["error"]["code"] for each in refused] == ["transfers_not_allowed"] * 2
    assert (await stage.merchant.stripe_get("transfers", transfer_group="pyo_1"))["data"] == []
    made = (await stage.merchant.stripe("transfers", TRANSFER, key="other")).json()
    heard = await stage.platform.until(2, "stripe")
    assert heard[-1].json["type"] == "transfer.reversed"
    assert (await stage.merchant.stripe_get(f"transfers/{made['id']}"))["reversed"] is True
    assert (await stage.merchant.books())["stripe"]["EUR"]["balance"] == 5_000_000


async def test_a_lost_answer_is_found_again_under_its_key(stage):
    await stage.merchant.control("misbehave", {"provider": "stripe", "drop_answer_after_executing": 1})
    lost = await stage.merchant.stripe("transfers", TRANSFER, key="pyo_1")
    again = await stage.merchant.stripe("transfers", TRANSFER, key="pyo_1")
    assert (lost.status_code, again.status_code) == (504, 200)
    assert (await stage.merchant.books())["stripe"]["EUR"]["paid_out"] == 700


NONSENSE = [
    ("transfers", TRANSFER | {"amount": "999999999"}, 400),
    ("transfers", TRANSFER | {"amount": "-1"}, 400),
    ("transfers", TRANSFER | {"currency": "EUR"}, 400),
    ("transfers", TRANSFER | {"currency": "xxz"}, 400),
    ("refunds", {"payment_intent": "pi_unknown"}, 404),
    ("nothing", {}, 404),
    ("checkout/sessions", {"mode": "payment"}, 400),
    ("checkout/sessions", form(units="0"), 400),
    ("checkout/sessions/cs_unknown/expire", {}, 404),
]


async def test_a_wish_that_makes_no_sense_moves_nothing(stage):
    for number, (path, wish, status) in enumerate(NONSENSE):
        answer = await stage.merchant.stripe(path, wish, key=f"key {number}")
        assert (answer.status_code, "error" in answer.json()) == (status, True), path
    assert (await stage.merchant.books())["payouts"] == []


async def test_a_stranger_is_told_nothing(stage):
    url = f"{stage.merchant.url}/stripe/v1/payouts"
    for headers in ({}, {"Authorization": "Bearer other"}):
        assert (await stage.merchant.client.get(url, headers=headers)).status_code == 401
        assert (await stage.merchant.client.post(url, headers=headers)).status_code == 401
