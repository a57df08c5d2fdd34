"""Names, addresses, goods and secrets stay in one table: no record of the log, no block, no log line has them."""

import io
import logging

import pytest
from api_folds import folded
from api_town import OFFER, ApiTown

from sps.eventlog.topics import TOPICS
from sps.runtime.logs import configure_logs

CANARIES = (
    "Bobolink Canary",
    "Canary Lane 77",
    "Canaryville",
    "Canary-coloured teapot",
    "alice.canary@example.cn",
)
PRIVATE = OFFER | {
    "description": CANARIES[3],
    "ship_to": {
        "name": CANARIES[0],
        "street": CANARIES[1],
        "city": CANARIES[2],
        "postcode": "10777",
        "country": "DE",
    },
}


@pytest.fixture
def log_lines():
    """Everything that is logged, as it is written."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(level="debug", form="json")
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def found_in(raw: bytes, secrets: list[str]) -> list[str]:
    return [
        text for text in (*CANARIES, *secrets) if text.encode() in raw or text.encode().hex().encode() in raw
    ]


async def test_the_address_reaches_no_record_no_block_and_no_log_line(tmp_path, log_lines):
    async with ApiTown(tmp_path) as town:
        alice = await town.merchant("Canary Trading")
        deal = await town.released(alice, **{k: PRIVATE[k] for k in ("description", "ship_to")})
        to = {"provider": "alipay", "account": CANARIES[4], "name": CANARIES[0]}
        await town.post("/v1/beneficiaries", to, alice, "to")
        bad = PRIVATE | {"amount": {"minor": "x", "currency": CANARIES[2]}}
        refused = await town.post("/v1/contracts", bad, alice, "bad")
        assert refused.status_code == 422
        page = await town.http.get(
            f"/c/{deal['contract']}?t={deal['buyer_token']}", headers={"accept": "text/html"}
        )
        assert CANARIES[0] in page.text
        secrets = [alice, deal["buyer_token"], "Canary Trading"]
        records = []
        for topic, kind in TOPICS.items():
            for partition in range(kind.partitions):
                records += await town.log.read(topic, partition, 0)
        assert len(records) > 8
        assert [hit for each in records for hit in found_in(each.value + (each.key or b""), secrets)] == []
        rows = await folded(town)
        assert found_in(repr(rows).encode(), secrets) == []
        for height in range(1, town.chain.state.height + 1):
            assert found_in((await town.http.get(f"/v1/blocks/{height}")).content, secrets) == []
    assert "contract-api" in log_lines.getvalue(), "nothing was logged: the test would prove nothing"
    assert found_in(log_lines.getvalue().encode(), secrets) == []


async def test_the_gateways_are_told_only_what_they_need(tmp_path):
    async with ApiTown(tmp_path) as town:
        alice = await town.merchant()
        await town.released(alice, **{k: PRIVATE[k] for k in ("description", "ship_to")})
        kind, body = next(each for each in town.seen if each[0] == "parcels")
        assert kind == "parcels"
        assert (body["country"], body["postcode"]) == ("DE", "10777")
        assert found_in(repr(body).encode(), []) == []


async def test_a_problem_does_not_repeat_what_was_sent(tmp_path):
    async with ApiTown(tmp_path) as town:
        alice = await town.merchant()
        bad = PRIVATE | {"ship_to": PRIVATE["ship_to"] | {"postcode": "Canaryville 77777777777"}}
        answer = await town.post("/v1/contracts", bad, alice, "bad")
        assert answer.status_code == 422
        assert found_in(answer.content, [alice]) == []
