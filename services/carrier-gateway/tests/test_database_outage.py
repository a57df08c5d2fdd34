"""The database dies in the middle: carriers are told to come again, and a delivery is not lost."""

from gateway_kit import FakeCarrier, Town, message
from outages import once_back, own_postgres, told_to_come_back


async def test_a_message_is_never_acknowledged_before_it_is_stored(tmp_path):
    async with (
        own_postgres(tmp_path) as (server, url),
        Town(tmp_path, {"dhl": FakeCarrier()}, database_url=url) as town,
    ):
        deal = await town.funded()
        await town.booked(deal)
        await server.kill()

        async def push():
            return await town.http.post(
                "/webhooks/dhl", json=message(signed_by="Jo", to=True), headers={"x-secret": "right"}
            )

        told_to_come_back(await push())
        told_to_come_back(await town.book(deal, tracking_number="8888888880"))
        forged = await town.http.post("/webhooks/dhl", content=b"{}", headers={"x-secret": "wrong"})
        assert forged.status_code == 401, "no database is needed to know a forgery"
        await server.start()
        assert (await once_back(push)).status_code == 200
        await town.next_block()
        assert town.parcel(deal).state == "delivered"
        assert (await once_back(lambda: town.book(deal))).status_code == 200
