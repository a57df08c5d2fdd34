"""Both adapters against the one suite."""

from pathlib import Path

import pytest

from sps.eventlog.conformance import CASES, Case, Opener
from sps.eventlog.embedded import EmbeddedLog
from sps.eventlog.memory import MemoryLog, MemoryStore


def opener_of(adapter: str, folder: Path) -> Opener:
    store = MemoryStore()
    if adapter == "memory":
        return lambda: MemoryLog(store)
    return lambda: EmbeddedLog(folder / "log.db")


@pytest.mark.parametrize("adapter", ["memory", "embedded"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_the_adapter_keeps_the_rule(case: Case, adapter: str, tmp_path: Path) -> None:
    await case(opener_of(adapter, tmp_path))
