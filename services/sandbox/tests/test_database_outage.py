"""The database dies in the middle: the providers are away, and their books are right when they are back."""

from outages import once_back, own_postgres, told_to_come_back
from sandbox_kit import running


async def test_the_providers_are_away_and_come_back_with_their_books(tmp_path):
    async with own_postgres(tmp_path) as (server, url), running(tmp_path, database_url=url) as stage:
        await stage.merchant.control("pay", {"provider": "alipay", "url": stage.merchant.pay_link("pay_1")})
        await stage.platform.until(1, "alipay")
        form = {"currency": "eur", "destination": "acct_a", "amount": "100"}

        async def transfer():
            return await stage.merchant.stripe("transfers", form, key="k")

        await server.kill()
        told_to_come_back(await transfer())
        told_to_come_back(await stage.merchant.client.get(f"{stage.merchant.url}/control/books"))
        await server.start()
        assert (await once_back(transfer)).status_code == 200
        assert (await transfer()).status_code == 200
        books = await stage.merchant.books()
        assert books["stripe"]["EUR"]["paid_out"] == 100
        assert books["alipay"]["CNY"]["paid_in"] == 128_000
        await stage.merchant.control("pay", {"provider": "alipay", "url": stage.merchant.pay_link("pay_2")})
        names, count = {"pay_1"}, 1
        while "pay_2" not in names:  # the first may be told once more: its mark was perhaps lost
            count += 1
            names |= {each.form["out_trade_no"] for each in await stage.platform.until(count, "alipay")}
