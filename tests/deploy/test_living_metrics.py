"""What every monitor of a living platform says: as Prometheus wants it, and no more of it for a thousand merchants."""

import asyncio
import shutil
import subprocess

import httpx
import pytest
from platform_kit import Process, places
from prometheus_client.parser import text_string_to_metric_families

from sps_cli.state_folder import VALIDATORS
from sps_cli.story import Story, Tale

pytestmark = pytest.mark.deploy

PARTS = ("api", "carrier", "payment", "settlement", *(f"node-{number}" for number in range(VALIDATORS)))
MERCHANTS = 1_000
AT_ONCE = 8
RARE = 20
"""Series that may appear because something happened for the first time."""


async def scraped(process, client):
    """The text of each part's endpoint, by part."""
    urls = {part: f"{process.folder.url(f'{part}.monitor')}/metrics" for part in PARTS}
    return {part: (await client.get(url)).raise_for_status().text for part, url in urls.items()}


def series(text):
    return {
        f"{sample.name}{sorted(sample.labels.items())}"
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def offer_as_another_merchant(stories):
    for story in stories:
        await story.register()
        await story.offer()
        await story.accept()


async def test_a_thousand_merchants_add_no_series_and_promtool_is_content(tmp_path):
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing; on Debian: apt-get install prometheus"
    process = Process(tmp_path / "platform")
    await process.start()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
            here = places(process.folder)
            await Story(here, Tale("first"), client).tell()
            before = await scraped(process, client)
            stories = (Story(here, Tale(f"merchant-{n}"), client) for n in range(MERCHANTS))
            await asyncio.gather(*(offer_as_another_merchant(stories) for _ in range(AT_ONCE)))
            await Story(here, Tale("last"), client).tell()
            after = await scraped(process, client)
    finally:
        await process.stop()
    for part in PARTS:
        assert len(series(after[part]) - series(before[part])) < RARE, part
        checked = subprocess.run(  # noqa: S603, ASYNC221 fixed words, and nothing else goes on
            [promtool, "check", "metrics"], input=after[part].encode(), capture_output=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b""), part
