"""What the other nodes of the network say: that they are there, on the same chain, by the same clock."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Final

import httpx
import msgspec
from msgspec import Struct

from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps_cli.checkup.findings import Report

ANSWER_S: Final = 5.0
BYTES_MAX: Final = 16 * 1024
MS_PER_S: Final = 1_000


class Standing(Struct, frozen=True):
    """A node's `GET /v1/status`, as far as it matters here; a hint that nobody believes unproved."""

    name: str
    chain: str
    final_height: int
    executed_height: int
    voting: bool
    ready: bool
    version: str = ""
    time_ms: int = 0


class Heard(Struct, frozen=True):
    """An answer, how far its clock was before ours, and how unsure that is (half the round trip)."""

    url: str
    standing: Standing
    ahead_ms: float
    unsure_ms: float


async def ask(urls: Sequence[str]) -> tuple[list[Heard], list[str]]:
    """All of them at once: the answers, and in words why there was none."""
    async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as client:
        found = await asyncio.gather(*(_ask(client, url) for url in urls))
    return [each for each in found if isinstance(each, Heard)], [
        each for each in found if isinstance(each, str)
    ]


async def _ask(client: httpx.AsyncClient, url: str) -> Heard | str:
    began = time.time()
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = await client.get(f"{url.rstrip('/')}/v1/status")
        answer.raise_for_status()
        standing = msgspec.json.decode(answer.content[:BYTES_MAX], type=Standing)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, msgspec.MsgspecError) as error:
        return f"{url}: {str(error) or type(error).__name__}"
    ended = time.time()
    ahead_ms = standing.time_ms - (began + ended) / 2 * MS_PER_S if standing.time_ms else 0.0
    return Heard(url, standing, ahead_ms, (ended - began) / 2 * MS_PER_S)


def look_at_network(
    report: Report, genesis: Genesis, heard: Sequence[Heard], silent: Sequence[str], ours: str
) -> None:
    """`ours`: the version of this program."""
    chain = chain_id(genesis_bytes(genesis)).hex()
    for why in silent:
        report.note("peers", why, "open the way to its port, or ask its operator")
    if not heard:
        report.wrong("peers", "no other node answers", "without one a gap in the log cannot be filled")
        return
    for each in heard:
        if each.standing.chain != chain:
            report.wrong(
                "peers",
                f"{each.url} is on chain {each.standing.chain[:12]}…",
                "take its genesis, or leave it",
            )
    highest = max(each.standing.final_height for each in heard)
    report.ok("peers", f"{len(heard)} of {len(heard) + len(silent)} answer; final height {highest}")
    _look_at_versions(report, heard, ours)
    _look_at_clocks(report, heard, genesis.parameters.precision_ms)


def _look_at_versions(report: Report, heard: Sequence[Heard], ours: str) -> None:
    others = sorted({each.standing.version or "unknown" for each in heard})
    if others == [ours]:
        report.ok("version", f"{ours}, as everywhere")
    else:
        report.note(
            "version", f"ours is {ours}, theirs {', '.join(others)}", "read CHANGELOG.md of what lies between"
        )


def _look_at_clocks(report: Report, heard: Sequence[Heard], precision_ms: int) -> None:
    """The median, so that one wrong clock elsewhere does not blame ours."""
    told = [each for each in heard if each.standing.time_ms]
    if not told:
        report.note("clock", "no other node tells its time", "run NTP (chrony, systemd-timesyncd)")
        return
    ahead_ms = statistics.median(each.ahead_ms for each in told)
    unsure_ms = statistics.median(each.unsure_ms for each in told)
    if abs(ahead_ms) > precision_ms + unsure_ms:
        side = "behind" if ahead_ms > 0 else "ahead of"
        found = (
            f"ours is {abs(ahead_ms) / MS_PER_S:.1f} s {side} theirs; the genesis allows {precision_ms} ms"
        )
        report.wrong("clock", found, "run NTP (chrony, systemd-timesyncd) here")
    else:
        report.ok("clock", f"within {precision_ms} ms of theirs")
