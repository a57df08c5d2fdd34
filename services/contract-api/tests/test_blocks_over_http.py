import httpx
import pytest
from api_town import ApiTown

from sps.chain.header import block_id


@pytest.fixture
async def town(tmp_path):
    async with ApiTown(tmp_path) as town:
        yield town


async def test_anybody_can_read_a_block_with_its_header_references_and_receipts(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    block = (await town.http.get(f"/v1/blocks/{deal['height']}")).json()
    header = town.chain.kit.tip
    assert block["height"] == header.height == deal["height"]
    assert block["block_id"] == block_id(header).hex()
    assert block["parent_id"] == header.parent_id.hex()
    assert [each["tx_count"] for each in block["batches"]] == [1]
    assert block["finalization"]["signers"] == [0]
    assert [(each["kind"], each["code"]) for each in block["receipts"]] == [("contract.offer.v1", "OK")]


async def test_blocks_hang_together_and_a_later_one_states_the_results_of_an_earlier_one(town):
    await town.offered(await town.merchant())
    await town.empty_blocks(6)
    blocks = [(await town.http.get(f"/v1/blocks/{height}")).json() for height in range(1, 8)]
    assert [b["parent_id"] for b in blocks[1:]] == [b["block_id"] for b in blocks[:-1]]
    assert any(each["exec_height"] == 1 and each["results_root"] != "00" * 32 for each in blocks)


async def test_a_block_says_nothing_of_the_persons_behind_it(town):
    deal = await town.offered(await town.merchant())
    text = (await town.http.get(f"/v1/blocks/{deal['height']}")).text
    assert "Canary" not in text
    assert "Ceramic" not in text
    assert "10115" not in text


@pytest.mark.parametrize(
    ("height", "status"), [("999", 404), ("0", 422), ("-1", 422), ("x", 422), ("9" * 30, 422)]
)
async def test_a_block_that_is_not_there_is_a_problem_document(town, height, status):
    answer: httpx.Response = await town.http.get(f"/v1/blocks/{height}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
