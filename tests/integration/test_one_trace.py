"""One trace tells a contract from the webhook to the payout; it holds no secret; headers are all that the log sees."""

import asyncio
import socket
import subprocess
import sys
import time

import pytest
from otlp_collector import Collector, Seen, Trace, collector
from platform_kit import check_the_end, platform_with_story

from sps.eventlog.topics import BLOCKS, CONSENSUS, PAYOUTS, TOPICS, TRANSACTIONS
from sps.runtime.logs import is_secret
from sps.tracing import names
from sps.tracing.context import context_in, trace_of
from sps.tracing.otlp import EVERY_S, EXPORT_S
from sps_cli.platform import STOP_S as TOGETHER_S

pytestmark = pytest.mark.slow

LAST = "payout.paid.v1"
"""The kind of the story's last receipt."""
FOLLOWERS = {"contract-api", "carrier_gateway", "payment_gateway", "settlement"}
WAIT_S = 15.0


async def told(there: Collector, contract: str) -> Trace:
    """The contract's trace, once all four services have projected its last receipt."""

    def ended(spans: list[Seen]) -> bool:
        said = {s.service for s in spans if s.name == "project" and s.attributes[names.KIND] == LAST}
        return said == FOLLOWERS

    await there.until(ended, WAIT_S)
    trace = await there.whole(trace_of(contract).hex(), f"transaction {LAST}", WAIT_S)
    batch = trace.by_id[trace.one("block", rules="D11 M1").parent].links[0][0]
    await there.until(
        lambda _: len([s for s in there.of_trace(batch) if s.name.startswith("store ")]) == 4, WAIT_S
    )
    return trace


async def test_one_trace_tells_the_contract_from_the_webhook_to_the_payout(tmp_path):
    with collector() as there:
        async with platform_with_story(tmp_path, trace_endpoint=there.url) as (platform, folder, story):
            await story.tell()
            trace = await told(there, story.tale.contract)
            await check_the_end(folder, story)
            released = trace.one("block", rules="D11 M1")
            check_the_delivery(trace, released)
            check_the_payout(trace, released, story.tale.payout)
            check_the_payment(trace)
            check_what_meets(there, trace, released)
            check_no_secret(there, story.tale, folder)
            await check_headers(platform)


def check_the_delivery(trace: Trace, released: Seen) -> None:
    line = ["webhook dhl", "ask dhl", "transaction parcel.evidence.v1", "block"]
    assert trace.line(released) == line
    above = [trace.by_id[released.parent]]
    while above[-1].parent:
        above.append(trace.by_id[above[-1].parent])
    assert {span.service for span in above} == {"carrier_gateway"}
    assert released.service.startswith("consensus-node-")
    assert released.attributes["sps.journals"] == "P20"
    folds = [s for s in trace.spans if s.parent == released.id]
    assert {s.service for s in folds} == FOLLOWERS
    assert {s.name for s in folds} == {"project"}
    assert all(span.began_ns <= span.ended_ns for span in trace.spans)


def check_the_payout(trace: Trace, released: Seen, payout: str) -> None:
    wish = trace.one("transaction payout.request.v1")
    assert wish.parent == ""
    assert (released.trace, released.id) in wish.links
    order = trace.one("order payout", order=payout)
    line = ["transaction payout.request.v1", "block", "project", "order payout"]
    assert trace.line(order) == line
    assert trace.by_id[order.parent].service == order.service == "settlement"
    taken = trace.one("take order", order=payout)
    assert trace.line(taken) == [*line, "take order"]
    assert taken.links == ((order.trace, order.id),)
    paid = trace.one("payout stripe", order=payout, step="paid")
    assert trace.line(paid) == [*line, "take order", "payout stripe"]
    result = trace.one("block", kind=LAST)
    assert trace.line(result) == [*line, "take order", f"transaction {LAST}", "block"]


def check_the_payment(trace: Trace) -> None:
    cleared = trace.one("block", kind="payment.cleared.v1")
    assert trace.line(cleared) == ["payment alipay", "transaction payment.cleared.v1", "block"]
    hooks = [s for s in trace.spans if s.name == "webhook alipay"]
    assert hooks
    assert {tuple(trace.line(s)) for s in hooks} == {("payment alipay", "webhook alipay")}


def check_what_meets(there: Collector, trace: Trace, released: Seen) -> None:
    """The batch and the block have traces of their own; links lead there and back."""
    evidence = trace.by_id[released.parent]
    batch = the_span(there, evidence.links[0], "send sps.transactions.v1")
    assert (evidence.trace, evidence.id) in batch.links
    stored = [s for s in there.of_trace(batch.trace) if s.name == "store sps.transactions.v1"]
    assert len({s.service for s in stored}) == 4
    assert {s.parent for s in stored} == {batch.id}
    block = the_span(there, released.links[0], "block")
    assert (released.trace, released.id) in block.links
    assert (batch.trace, batch.id) in block.links
    folds = [s for s in trace.spans if s.parent == released.id]
    assert all(s.links == ((block.trace, block.id),) for s in folds)


def the_span(there: Collector, place: tuple[str, str], name: str) -> Seen:
    (found,) = [s for s in there.of_trace(place[0]) if s.id == place[1]]
    assert found.name == name
    return found


def check_no_secret(there: Collector, tale, folder) -> None:
    keys = {key for span in there.spans for key in span.attributes}
    assert keys <= names.ATTRIBUTES
    assert not [key for key in keys if key.startswith("sps.") and is_secret(key)]
    all_said = " ".join(f"{s.name} {s.attributes}" for s in there.spans)
    private = [
        "Alice",
        "Bob",
        "acct_alice",
        "Invaliden",
        "10115",
        "tea set",
        tale.tracking_number,
        tale.api_key,
    ]
    private += [
        tale.buyer_token,
        folder.secrets.dhl_hook_path,
        folder.secrets.internal_token,
        tale.beneficiary,
    ]
    assert all(private)
    assert [word for word in private if word in all_said] == []


async def check_headers(platform) -> None:
    """Every batch, block and order has one header that reads; votes have none."""
    log = platform._log
    for topic, headed in ((TRANSACTIONS, True), (BLOCKS, True), (PAYOUTS, True), (CONSENSUS, False)):
        records = [
            record
            for partition in range(TOPICS[topic].partitions)
            for record in await log.read(topic, partition, 0)
        ]
        assert records
        assert {context_in(record.headers) is not None for record in records} == {headed}


async def test_a_mute_collector_delays_neither_a_request_nor_the_end(tmp_path):
    with socket.create_server(("127.0.0.1", 0), backlog=1) as mute:
        endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
        async with platform_with_story(tmp_path, trace_endpoint=endpoint) as (platform, _, story):
            await story.register()
            await asyncio.sleep(EVERY_S)
            began = time.monotonic()
            await story.offer()
            await story.accept()
            assert time.monotonic() - began < 2 * EXPORT_S, "two requests have not waited for two exports"
            began = time.monotonic()
            assert await platform.stop(), "somebody did not stop within his bound"
            assert time.monotonic() - began < TOGETHER_S + 1


BUILD_ALL = """
import asyncio, os, sys
from pathlib import Path
import carrier_gateway.bootstrap as c, consensus_node.bootstrap as n, contract_api.bootstrap as a
import payment_gateway.bootstrap as p, settlement.bootstrap as s
from sps.eventlog.address import open_log
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import Wiring, backends_of

NAMES = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests", "sps.tracing.otlp")

async def build(endpoint, node):
    wiring, log = Wiring(folder, backends_of(folder), trace_endpoint=endpoint), open_log(backends_of(folder).event_log)
    told = ((c, wiring.carrier()), (p, wiring.payment()), (s, wiring.settlement()), (a, wiring.api()), (n, wiring.node(node)))
    services = [await module.bootstrap(settings, log=log) for module, settings in told]
    print(len(services), sum(name in sys.modules for name in NAMES), flush=True)

folder = StateFolder(Path(sys.argv[1]))
folder.open(any_ports=True)
asyncio.run(build("", "node-0"))
asyncio.run(build("http://127.0.0.1:9", "node-1"))
os._exit(0)
"""


def test_without_an_endpoint_nothing_that_makes_traces_is_even_imported(tmp_path):
    command = [sys.executable, "-c", BUILD_ALL, str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603
    assert said.splitlines()[-2:] == ["5 0", "5 5"]
