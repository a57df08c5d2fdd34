"""A real Prometheus scrapes a running platform while stories are told: its numbers are those of the load."""

import asyncio
import json
import shutil
import subprocess
import time
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from platform_kit import Process, eventually, places

from sps_cli.servers.ports import free_port
from sps_cli.state_folder import VALIDATORS
from sps_cli.story import Story, Tale

pytestmark = pytest.mark.deploy

OBSERVE = Path(__file__).parents[2] / "deploy" / "observe"
STORIES = 4
PATIENCE_S = 90.0
PARTS = {
    "contract-api": ("api",),
    "carrier-gateway": ("carrier",),
    "payment-gateway": ("payment",),
    "settlement": ("settlement",),
    "consensus-node": tuple(f"node-{number}" for number in range(VALIDATORS)),
}


def settings(folder):
    """Every monitor of the platform, once a second; YAML reads JSON."""
    jobs = [
        {
            "job_name": job,
            "static_configs": [
                {"targets": [folder.url(f"{part}.monitor").removeprefix("http://") for part in parts]}
            ],
        }
        for job, parts in PARTS.items()
    ]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in sorted(OBSERVE.glob("rules/*.yaml"))],
        "scrape_configs": jobs,
    }


class Prometheus:
    """What it answers."""

    def __init__(self, client, url):
        self._client, self._url = client, url

    async def ready(self):
        try:
            return "" if (await self._client.get(f"{self._url}/-/ready")).is_success else "not ready"
        except httpx.TransportError as error:
            return repr(error)

    async def value(self, expression):
        """The one value of an expression; None when there is none."""
        answer = (await self._client.get(f"{self._url}/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", answer
        found = answer["data"]["result"]
        assert len(found) < 2, found
        return float(found[0]["value"][1]) if found else None

    async def drawn(self, expression):
        """How many series a panel over the last two minutes would show."""
        now = time.time()
        words = {"query": expression, "start": now - 120, "end": now, "step": 5}
        answer = (await self._client.get(f"{self._url}/api/v1/query_range", params=words)).json()
        assert answer["status"] == "success", (expression, answer)
        return len(answer["data"]["result"])

    async def is_(self, expression, wanted):
        found = await self.value(expression)
        return "" if found == wanted else f"{expression} is {found}, not {wanted}"


@asynccontextmanager
async def scraped(process, path, client):
    program = shutil.which("prometheus")
    assert program, "prometheus is missing; on Debian: apt-get install prometheus"
    config, port = path / "prometheus.json", free_port()
    config.write_text(json.dumps(settings(process.folder)))
    server = subprocess.Popen(  # noqa: S603, ASYNC220 fixed words; it starts at once
        [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={path / 'series'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(path / "prometheus.log").open("wb"),
    )
    prometheus = Prometheus(client, f"http://127.0.0.1:{port}")
    try:
        await eventually(prometheus.ready, PATIENCE_S)
        yield prometheus
    finally:
        server.terminate()
        server.wait(20)


def panels():
    """(dashboard and title, expression) of all that Grafana would ask Prometheus for."""
    for path in sorted(OBSERVE.glob("dashboards/*.json")):
        for panel in json.loads(path.read_bytes())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.stem}: {panel['title']}", target["expr"].replace("$__rate_interval", "1m")


async def every_panel_can_be_drawn(prometheus):
    """No expression fails on living series, as one that matches many with many would; most have something to show."""
    found = {(title, expression): await prometheus.drawn(expression) for title, expression in panels()}
    empty = sorted({title for (title, _), points in found.items() if not points})
    assert len(empty) < len(found) / 4, empty


async def test_the_rules_give_the_numbers_that_the_load_made(tmp_path):
    process = Process(tmp_path / "platform")
    await process.start()
    try:
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            scraped(process, tmp_path, client) as prometheus,
        ):
            await eventually(lambda: prometheus.is_("sum(up)", sum(map(len, PARTS.values()))), PATIENCE_S)
            stories = [Story(places(process.folder), Tale(f"scraped-{n}"), client) for n in range(STORIES)]
            await asyncio.gather(*(story.tell() for story in stories))
            for expression, wanted in (
                ('sum(sps_journals_total{row="P03"})', STORIES),
                ('sum(sps_journals_total{row="P20"})', STORIES),
                ('sum(sps_journals_total{row="P61"})', STORIES),
                ('sum(sps_orders_signed_total{kind="payout"})', STORIES),
                ('sum(sps_orders_total{step="paid"})', STORIES),
                ("max(sps_ledger_imbalance_minor_units)", 0),
                ("max(sps_outbox_pending)", 0),
                ("sum(sps_consensus_voting)", VALIDATORS),
                ('max(job:sps_http_requests:error_ratio_rate5m{job="contract-api"})', 0),
                ('count(ALERTS{alertstate="firing", severity="page"}) or vector(0)', 0),
            ):
                await eventually(lambda e=expression, w=wanted: prometheus.is_(e, w), PATIENCE_S)
            events = await prometheus.value("sum(rate(sps_event_age_seconds_count[1m]))")
            assert events
            volume = await prometheus.value('job:sps_http_requests:rate1h{job="contract-api"}')
            assert volume
            await every_panel_can_be_drawn(prometheus)
    finally:
        await process.stop()
