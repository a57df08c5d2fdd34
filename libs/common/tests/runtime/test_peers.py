import asyncio

import httpx
import pytest

from sps.runtime import peers as module
from sps.runtime.peers import Peers, join_records, split_records


def test_records_are_split_as_they_were_joined_and_a_cut_end_is_left_out() -> None:
    records = [b"one", b"", b"three" * 100]
    raw = join_records(records)
    assert split_records(raw) == records
    assert split_records(raw[:-1]) == records[:2]
    assert split_records(b"\xff\xff\xff\xff") == []


async def answers(handler) -> Peers:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return Peers(["http://a/", "http://b"], client)


async def test_the_next_validator_is_asked_and_the_one_that_answered_comes_first_then() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if request.url.host == "a":
            raise httpx.ConnectError("down")
        return httpx.Response(200, content=join_records([b"block"]))

    peers = await answers(handler)
    assert await peers.blocks(7, 2) == [b"block"]
    assert await peers.blocks(8, 2) == [b"block"]
    await peers.stop()
    assert asked == [
        f"http://{at}/v1/blocks?from={height}&limit=2" for at, height in [("a", 7), ("b", 7), ("b", 8)]
    ]


async def test_nobody_has_it(monkeypatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 10)
    sizes = iter([404, 200])
    peers = await answers(lambda request: httpx.Response(next(sizes), content=b"x" * 11))
    assert await peers.batch(b"\1" * 32) is None, "not there, and too long"
    await peers.stop()


async def test_a_batch_is_asked_for_by_its_digest() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, content=b"batch")

    peers = await answers(handler)
    assert await peers.batch(b"\xab" * 32) == b"batch"
    await peers.stop()
    assert asked == ["/v1/batches/" + "ab" * 32]


@pytest.mark.parametrize("urls", [[], ["http://127.0.0.1:1"]])
async def test_unreachable_validators_are_no_error(urls: list[str]) -> None:
    peers = Peers(urls)
    assert await peers.blocks(1, 1) == []
    await peers.stop()


async def test_whoever_answers_with_what_proves_nothing_is_not_asked_first_again() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, content=join_records([b"a lie" if request.url.host == "a" else b"block"]))

    peers = await answers(handler)
    assert await peers.blocks(7, 2) == [b"a lie"]
    assert await peers.blocks(7, 2) == [b"block"]
    assert await peers.blocks(8, 2) == [b"block"]
    assert await peers.batch(b"\1" * 32)
    await peers.stop()
    assert asked == ["a", "b", "b", "b"]


async def test_an_answer_that_trickles_in_for_ever_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.05)

    async def trickle():
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    peers = await answers(lambda _: httpx.Response(200, content=trickle()))
    assert await peers.batch(b"\1" * 32) is None
    await peers.stop()
