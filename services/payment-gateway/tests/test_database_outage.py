"""The database dies in the middle: callbacks are told to come again, and no order is sent twice."""

import asyncio

from outages import once_back, own_postgres, told_to_come_back
from payment_gateway_fakes import FakeProvider
from payment_gateway_town import PATIENCE_S, PaymentTown


async def test_a_callback_is_never_acknowledged_before_it_is_stored(tmp_path):
    alipay = FakeProvider()
    async with (
        own_postgres(tmp_path) as (server, url),
        PaymentTown(tmp_path, {"alipay": alipay}, database_url=url) as town,
    ):
        deal = await town.agreed()
        payment = (await town.open_payment(deal)).json()["payment"]
        await town.next_block()
        alipay.paid[payment] = alipay.opened[payment].amount
        await server.kill()
        told_to_come_back(await town.call_back("evt", "payment", payment))
        told_to_come_back(await town.http.post("/webhooks/alipay", content=b"forged"))
        told_to_come_back(await town.open_payment(deal))
        told_to_come_back(
            await town.http.post(
                "/internal/beneficiaries", json={"provider": "alipay", "account": "2088", "name": "A"}
            )
        )
        await server.start()
        answer = await once_back(lambda: town.call_back("evt", "payment", payment))
        assert (answer.status_code, answer.text) == (200, "success")
        await town.next_block()
        assert town.chain.state.contracts[deal.id].funding == "funded"


async def test_an_order_whose_answer_could_not_be_written_is_looked_up_and_not_sent_again(tmp_path):
    alipay = FakeProvider()
    async with (
        own_postgres(tmp_path) as (server, url),
        PaymentTown(tmp_path, {"alipay": alipay}, database_url=url) as town,
    ):
        order = await town.payout_ordered()
        gone = asyncio.Event()

        async def die():
            await server.kill()
            alipay.before_answer = None
            gone.set()

        alipay.before_answer = die  # the money is on its way, and then the database is gone
        await town.send_order(order)
        async with asyncio.timeout(PATIENCE_S):
            await gone.wait()
        await server.start()
        await once_back(lambda: town.http.get(f"/internal/payments/{'pay_' + '0' * 26}"))
        town.clock.advance(alipay.rules.lease_ms)
        await town.until(lambda: town.order_is(order, "sent"))
        assert alipay.sendings == [order.id]
        await town.next_block()
        assert town.payout_state(order) == "paid"
