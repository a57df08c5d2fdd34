"""The catch-up endpoint and the client that peers use, against each other."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from chain_kit import API, ChainKit
from prometheus_client import CollectorRegistry

from consensus_node.adapters import peers as peers_module
from consensus_node.adapters.batch_store import BatchStore
from consensus_node.adapters.block_store import BlockStore
from consensus_node.adapters.disk import DiskThread
from consensus_node.adapters.peers import HttpPeers
from consensus_node.entrypoints.http import NodeStatus, create_catch_up
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import digest
from sps.runtime.errors import Trouble

LENGTH = 4


@pytest.fixture
async def kit() -> ChainKit:
    made = ChainKit()
    for number in range(LENGTH):
        made.block([made.batch(API, [b"%d" % number])])
    return made


@pytest.fixture
async def transport(kit: ChainKit, tmp_path: Path) -> AsyncIterator[httpx.ASGITransport]:
    disk = DiskThread("test")
    blocks, batches = (
        BlockStore(tmp_path / "blocks", kit.chain_id),
        BatchStore(tmp_path / "batches", kit.chain_id),
    )
    blocks.open(disk)
    batches.open(disk)
    for height in range(1, LENGTH + 1):
        blocks.append(kit.blocks[height])
        for batch in kit.batches[height]:
            batches.append(digest(batch.header), batch)
    status = NodeStatus("v0", kit.chain_id.hex(), 1, 9, blocks.height, 3, "00" * 32, True, True, "0.1.0", 1)
    yield httpx.ASGITransport(
        create_catch_up(blocks, batches, lambda: status, NodeMetrics(CollectorRegistry()))
    )
    blocks.close()
    batches.close()
    await disk.stop()


@pytest.fixture
async def client(transport: httpx.ASGITransport) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as made:
        yield made


async def test_the_status_says_where_the_node_stands(client: httpx.AsyncClient, kit: ChainKit) -> None:
    answer = await client.get("/v1/status")
    assert answer.status_code == 200
    assert answer.json()["final_height"] == LENGTH
    assert answer.json()["chain"] == kit.chain_id.hex()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/blocks", 422, "VALIDATION_FAILED"),
        ("/v1/blocks?from=0", 422, "VALIDATION_FAILED"),
        ("/v1/blocks?from=-1", 422, "VALIDATION_FAILED"),
        ("/v1/blocks?from=1&limit=257", 422, "VALIDATION_FAILED"),
        ("/v1/blocks?from=99999999999999999999", 422, "VALIDATION_FAILED"),
        ("/v1/batches/zz", 422, "VALIDATION_FAILED"),
        ("/v1/batches/" + "00" * 32, 404, "BATCH_UNKNOWN"),
        ("/v1/nothing", 404, "NOT_FOUND"),
    ],
)
async def test_wrong_questions_are_answered_with_a_problem(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_blocks_beyond_the_end_are_an_empty_answer(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/blocks?from={LENGTH + 1}")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_peers_read_what_the_endpoint_serves(transport: httpx.ASGITransport, kit: ChainKit) -> None:
    peers = HttpPeers(["http://a", "http://b/"], transport)
    assert await peers.heights() == LENGTH
    assert list(await peers.blocks(2, 2)) == [kit.blocks[2], kit.blocks[3]]
    assert list(await peers.blocks(LENGTH + 1, 5)) == []
    batch = kit.batches[1][0]
    assert await peers.batch(digest(batch.header)) == batch
    assert await peers.batch(bytes(32)) is None
    await peers.stop()


def answering(**answers: httpx.Response | Exception) -> httpx.MockTransport:
    """One transport for several hosts."""

    def handle(request: httpx.Request) -> httpx.Response:
        answer = answers[request.url.host]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle)


async def test_a_peer_that_lies_or_fails_is_passed_over(
    kit: ChainKit, transport: httpx.ASGITransport
) -> None:
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as good:
        body = (await good.get("/v1/blocks?from=1&limit=1")).content
    bad: list[httpx.Response | Exception] = [
        httpx.Response(200, content=b"\x00\x00\x00\x05short"),
        httpx.Response(200, content=bytes(9 * 1024 * 1024)),
        httpx.Response(500),
        httpx.Response(302, headers={"location": "http://elsewhere"}),
        httpx.ConnectError("nobody there"),
    ]
    for answer in bad:
        peers = HttpPeers(
            ["http://bad", "http://good"], answering(bad=answer, good=httpx.Response(200, content=body))
        )
        for _ in range(2):
            assert list(await peers.blocks(1, 1)) == [kit.blocks[1]]
        await peers.stop()


async def test_without_any_answering_peer_there_is_trouble() -> None:
    for urls in ([], ["http://bad"]):
        peers = HttpPeers(urls, answering(bad=httpx.ConnectError("nobody there")))
        with pytest.raises(Trouble):
            await peers.blocks(1, 1)
        assert await peers.heights() == 0
        await peers.stop()


async def test_everybody_is_asked_in_turn_and_who_is_silent_comes_last_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    silent = {"b"}

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if request.url.host in silent:
            raise httpx.ReadTimeout("paused")
        return httpx.Response(404)

    peers = HttpPeers(["http://a", "http://b", "http://c"], httpx.MockTransport(handle))
    for _ in range(6):
        assert await peers.batch(bytes(32)) is None
    assert asked.index("b") < 2, "it has its turn"
    assert all(asked[place : place + 3][-1] == "b" for place in range(3, 18, 3)), "then it comes last"
    silent.clear()
    monkeypatch.setattr(peers_module, "SILENT_S", 0.0)
    peers._silent.clear()
    asked.clear()
    for _ in range(3):
        await peers.batch(bytes(32))
    assert {asked[place] for place in (0, 3, 6)} == {"a", "b", "c"}
    await peers.stop()
