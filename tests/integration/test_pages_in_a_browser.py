"""The pages as people use them: a phone, a real browser, the whole road by clicking."""

from pathlib import Path

import pytest
from browser_kit import Person, browser, person
from platform_kit import process_with_story

from contract_api.entrypoints.texts_zh import ZH_SENTENCES
from contract_api.entrypoints.texts_zh_story import ZH_STORY
from sps.chain.proof import verify_proof
from sps_cli.story import Story

pytestmark = pytest.mark.slow

LONG = 12
"""English sentences at least so long would be noticed on a Chinese page."""


async def test_alice_and_bob_go_the_whole_road_by_clicking(tmp_path):
    async with process_with_story(tmp_path) as (process, story), browser() as made:
        api = story.places.api
        async with person(made, api) as alice, person(made, api, scheme="dark") as bob:
            key = await register(alice)
            link = await open_a_contract(alice)
            await accept_and_pay(bob, link)
            await ship(alice, story)
            await travel_and_deliver(alice, bob, story)
            await convert(alice)
            await cash_out(alice)
            await check_the_proof(bob, link, process.folder.genesis_path)
        async with person(made, api, locale="zh-CN") as zoe:
            await read_in_chinese(zoe, key, link)


async def test_what_goes_wrong_is_said_on_a_page_that_leads_on(tmp_path):
    async with process_with_story(tmp_path) as (_, story), browser() as made:
        async with person(made, story.places.api) as alice:
            await register(alice)
            await alice.go("/seller/contracts/new")
            await fill_in(alice, price="12.345")
            await alice.page.locator("main form button").click()
            await alice.sees("CNY has 2 decimals")
            assert await alice.page.input_value("#city") == "Berlin"
            await alice.fill(price="12.34", postcode="!!")
            await alice.page.locator("main form button").click()
            await alice.sees("Postcode: Please look at the form again")
            await alice.fill(postcode="10115")
            await alice.click("Sign and open the contract")
            await alice.page.wait_for_url("**/seller/contracts/ctr_*")
            await alice.click("Withdraw the offer")
            await alice.click("Yes: Withdraw the offer")
            await alice.sees("Cancelled before it was paid.")
            await alice.go("/seller")
            await alice.click("Leave")
        async with person(made, story.places.api) as bob:
            for path, code in (
                ("/seller", "NO_SESSION"),
                ("/c/ctr_x?t=y", "LINK_BAD"),
                ("/nothing", "NOT_FOUND"),
            ):
                await bob.page.goto(story.places.api + path)
                await bob.sees(code)
                await bob.click(code)
                assert bob.page.url.endswith(f"/docs/problems#{code.lower()}")
                await bob.look()


async def register(alice: Person) -> str:
    await alice.go("/")
    await alice.fill(name="Alice's teahouse")
    await alice.click("Begin selling")
    await alice.sees("Your API key, shown only now:")
    key = await alice.page.inner_text("#key")
    await alice.page.reload()
    assert key not in await alice.look()
    return key


async def fill_in(alice: Person, price: str = "1280.00") -> None:
    await alice.fill(
        description="Ceramic tea set, 12 pieces",
        price=price,
        ship_name="Bob Example",
        street="Invalidenstrasse 1",
        postcode="10115",
        city="Berlin",
        country="DE",
    )


async def open_a_contract(alice: Person) -> str:
    await alice.click("New contract")
    await alice.look()
    await fill_in(alice)
    await alice.click("Sign and open the contract")
    await alice.page.wait_for_url("**/seller/contracts/ctr_*")
    await alice.sees("Send this link to the buyer")
    assert await alice.page.locator(".qr svg").count() == 1
    return await alice.page.inner_text("#link")


async def accept_and_pay(bob: Person, link: str) -> None:
    text = await bob.go(link)
    for words in ("Alice's teahouse", "1,280.00 CNY", "Invalidenstrasse 1", "Offered"):
        assert words in text
    await bob.click("Accept the terms")
    await bob.sees("Agreed, not paid")
    await bob.click("Alipay")
    await bob.page.locator("button[name=decision][value=pay]").click()
    await bob.page.wait_for_url("**/c/ctr_*")
    assert "sign=" not in bob.page.url
    await bob.sees("Your money is held")
    await bob.sees("Paid and held")


async def ship(alice: Person, story: Story) -> None:
    await alice.sees("The money is held. Ship the parcel now.")
    await alice.page.fill("[name=tracking_number]", "7000000001")
    await alice.click("Book the parcel")
    await alice.sees("tracking number known")
    number = story.tale.tracking_number = story.tale.number()
    destination = {"country": "DE", "postcode": "10115"}
    await story._sandbox(
        "/control/parcels", {"carrier": "dhl", "tracking_number": number, "destination": destination}
    )
    await alice.click("Wrong tracking number? Correct it until the first scan.")
    await alice.page.fill("[name=tracking_number]", number)
    await alice.click("Correct the number")
    await alice.sees("The carrier has not scanned it yet.")


async def travel_and_deliver(alice: Person, bob: Person, story: Story) -> None:
    await story._move("in_transit")
    await alice.sees("carries the parcel")
    await bob.sees("carries the parcel")
    await story._move("delivered", signed_by="Bob Example")
    await bob.sees("Delivered and paid. Thank you.")
    await alice.sees("Released to you.")
    for each in (alice, bob):
        await each.sees("Closed · released")
        await each.page.locator(".timeline summary").last.click()
        assert "the seller's, free to pay out" in await each.look()


async def convert(alice: Person) -> None:
    await alice.click("Convert or cash out")
    await alice.look()
    await alice.click("Show me the rate")
    await alice.sees("This rate is yours for a short time")
    await alice.click("Convert now")
    await alice.sees("Converted")


async def cash_out(alice: Person) -> None:
    await alice.page.select_option("#p-provider", "stripe")
    await alice.page.fill("#p-account", "acct_alice")
    await alice.page.fill("#p-name", "Alice Example")
    await alice.page.locator("form[action$='/payouts'] button").click()
    await alice.page.locator("[data-part=payouts] .state.good").wait_for()
    assert "Stripe … lice" in await alice.look()
    await alice.go("/seller")


async def check_the_proof(bob: Person, link: str, genesis: Path) -> None:
    await bob.go(link)
    async with bob.page.expect_download() as download:
        await bob.click("Download the proof")
    proof = Path(await (await download.value).path())
    assert verify_proof(*(file.read_bytes() for file in (proof, genesis))).accepted


async def read_in_chinese(zoe: Person, key: str, link: str) -> None:
    english = {text for text in {**ZH_SENTENCES, **ZH_STORY} if len(text) >= LONG}
    texts = [await zoe.go("/")]
    await zoe.page.fill("#api_key", key)
    await zoe.page.locator("form[action='/enter'] button").click()
    await zoe.page.wait_for_url("**/seller")
    texts += [await zoe.look()]
    contract = link.partition("/c/")[2].partition("?")[0]
    paths = (
        "/seller/contracts/new",
        f"/seller/contracts/{contract}",
        "/seller/money",
        link,
        "/docs/problems",
    )
    for path in paths:
        texts.append(await zoe.go(path))
    assert {text for text in english if any(text in page for page in texts)} == set()
    assert "已放款" in texts[3]
    await zoe.click("English")
    assert await zoe.page.get_attribute("html", "lang") == "en"
