"""The event log: there, with the topics of the table, by the same clock."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

from sps.eventlog.address import FileAddress, KafkaAddress, open_log, read_address
from sps.eventlog.kafka_security import KafkaSecurity
from sps.eventlog.kafka_topics import differences
from sps.eventlog.port import LogRefused, LogTrouble, OffsetGone
from sps.eventlog.topics import BLOCKS
from sps_cli.checkup.database import CLOCK_S, look_at_clock
from sps_cli.checkup.findings import Report
from sps_cli.checkup.services import Known, Patient

ANSWER_S: Final = 15.0
MS_PER_S: Final = 1_000


async def look_at_event_log(report: Report, known: Known, patient: Patient) -> None:
    """Its findings; nothing when the service has none or its settings are wrong."""
    if not patient.kind.uses_event_log or known.event_log is None:
        return
    if not known.event_log:
        report.wrong("event_log", "it is not given", "kafka://host:port,host:port or sqlite:///path")
        return
    try:
        place = read_address(known.event_log)
    except LogRefused as refusal:
        report.wrong("event_log", str(refusal), "kafka://host:port,host:port?prefix=x. or sqlite:///path")
        return
    if isinstance(place, FileAddress):
        _look_at_file(report, place.path)
    else:
        await _look_at_kafka(report, known, place)


def _look_at_file(report: Report, path: Path) -> None:
    if path.exists() and os.access(path, os.W_OK):
        report.ok("event_log", f"{path} can be used, by processes on this machine")
    elif not path.exists() and os.access(path.absolute().parent, os.W_OK | os.X_OK):
        report.note("event_log", f"there is none at {path} yet", "the first start makes it")
    else:
        report.wrong("event_log", f"{path} cannot be written", "give file and folder to the service's user")


async def _look_at_kafka(report: Report, known: Known, place: KafkaAddress) -> None:
    where = ",".join(place.servers)
    try:
        security: KafkaSecurity = known.kafka_security()
    except AttributeError:  # one of its settings is wrong, and has been named
        return
    try:
        async with asyncio.timeout(ANSWER_S):
            different = await differences(known.event_log, security=security)
    except LogRefused as refusal:
        report.wrong("event_log", str(refusal), "correct the settings KAFKA_…")
    except (LogTrouble, OSError, TimeoutError) as trouble:
        found = f"{where}: {str(trouble) or f'no answer within {ANSWER_S:g} s'}"
        report.wrong("event_log", found, "start the brokers, correct the address or what proves us to them")
    else:
        report.ok("event_log", f"{where} answers")
        _tell_topics(report, different)
        if not different:
            await _look_at_broker_clock(report, known.event_log, security)


def _tell_topics(report: Report, different: list[str]) -> None:
    for line in different:
        missing = "there is no such topic" in line
        advice = "sps topics apply" if missing else "a person decides: see docs/configuration.md"
        report.wrong("topics", line.removesuffix(" (`sps topics apply` makes it)"), advice)
    if not different:
        report.ok("topics", "as the table says")


async def _look_at_broker_clock(report: Report, address: str, security: KafkaSecurity) -> None:
    """A broker does not tell its time; but what it stamped cannot lie in our future."""
    log = open_log(address, security)
    try:
        async with asyncio.timeout(ANSWER_S):
            await log.start()
            start, end = await log.bounds(BLOCKS, 0)
            records = await log.read(BLOCKS, 0, end - 1, limit=1) if end > start else []
    except (LogTrouble, LogRefused, OffsetGone, OSError, TimeoutError):
        return  # it answered a moment ago; the next look will tell
    finally:
        await log.stop()
    ahead_s = records[0].time_ms / MS_PER_S - time.time() if records else 0.0
    if ahead_s > CLOCK_S:
        look_at_clock(report, ahead_s, "the broker's")
