"""The read models are a fold of the chain: whoever folds it, however often it was interrupted, has the same rows."""

import asyncio

import httpx
import pytest
from api_folds import folded, folded_anew
from api_town import OFFER, ApiTown

POINTS = (
    "follower.verified",
    "follower.executed",
    "follower.projected",
    "follower.cursor",
    "follower.committed",
)


class Dead(BaseException):
    """The process is gone at this point."""


class Reaper:
    """Lets the service die once at a point, the n-th time it comes by."""

    def __init__(self, point, after):
        self.point, self.after = point, after
        self.armed = False
        self.died = asyncio.Event()

    def __call__(self, step):
        if self.died.is_set():
            raise Dead(step)
        if self.armed and step == self.point:
            self.after -= 1
            if self.after < 0:
                self.armed = False
                self.died.set()
                raise Dead(step)


async def test_another_service_that_folds_the_same_log_has_the_same_rows(tmp_path, database_url):
    async with ApiTown(tmp_path, database_url=database_url) as town:
        alice = await town.merchant()
        deal = await town.released(alice, "one")
        await town.offered(alice, "two")
        await town.post(f"/v1/contracts/{deal['contract']}/cancellation", {}, alice, "too-late")
        to = {"provider": "alipay", "account": "alice@example.cn", "name": "Alice"}
        beneficiary = (await town.post("/v1/beneficiaries", to, alice, "to")).json()["beneficiary"]
        order = {
            "amount": {"minor": "500", "currency": "CNY"},
            "provider": "alipay",
            "beneficiary": beneficiary,
        }
        payout = (await town.post("/v1/payouts", order, alice, "out")).json()["payout"]
        await town.paid_out(payout)
        await town.empty_blocks(3)
        rows = await folded(town)
        assert all(rows[name] for name in ("contract", "event", "payout", "balance", "block", "batch"))
        assert await folded_anew(town) == rows


async def test_a_restart_changes_no_row(tmp_path, database_url):
    async with ApiTown(tmp_path, database_url=database_url) as town:
        await town.released(await town.merchant())
        rows = await folded(town)
        await town.down()
        await town.up()
        await town.api.follower.reached(town.chain.state.height)
        assert await folded(town) == rows


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_step_of_a_block_leaves_every_effect_exactly_once(tmp_path, database_url, point):
    reaper = Reaper(point, after=1)
    async with ApiTown(tmp_path, probe=reaper, wait_s=0.5, database_url=database_url) as town:

        async def insist(path, body, secret, key):
            """Send it until it is final; raise the service again when it has died."""
            for _ in range(40):
                asked = asyncio.ensure_future(town.post(path, body, secret, key))
                death = asyncio.ensure_future(reaper.died.wait())
                await asyncio.wait({asked, death}, return_when=asyncio.FIRST_COMPLETED)
                death.cancel()
                if reaper.died.is_set():
                    asked.cancel()
                    await asyncio.gather(asked, return_exceptions=True)
                    await town.down()
                    reaper.died.clear()
                    await town.up()
                elif not isinstance(asked.exception(), httpx.HTTPError) and asked.result().status_code in {
                    200,
                    201,
                }:
                    return asked.result().json()
            raise AssertionError(f"never done: {path}")

        alice = await town.merchant()
        reaper.armed = True
        deal = await insist("/v1/contracts", OFFER, alice, "offer")
        body = {"terms_hash": deal["terms_hash"]}
        await insist(f"/v1/contracts/{deal['contract']}/acceptance", body, deal["buyer_token"], "accept")
        await insist(f"/v1/contracts/{deal['contract']}/withdrawal", {}, alice, "withdraw")
        assert not reaper.armed, "the service never came to this point"
        await town.api.follower.reached(town.chain.state.height)
        assert await folded(town) == await folded_anew(town)
        assert len(town.chain.state.contracts) == 1
        events = (await town.get(f"/v1/contracts/{deal['contract']}/events", alice)).json()["data"]
        assert [each["version"] for each in events] == [1, 2, 3]
