"""`sps storm` as a person runs it: faults, and at Ctrl-C the audit, the table and the exit code."""

import asyncio
import signal
import sys

import pytest

from sps_cli.storm.report import BEGIN, END

pytestmark = pytest.mark.fleet

LIMIT_S = 180.0


async def test_a_storm_that_is_ended_by_ctrl_c_is_audited_and_writes_its_table(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Storms\n\n{BEGIN}\n{END}\n")
    words = ("storm", "--minutes", "30", "--seed", "7", "--tellers", "2", "--out", page)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sps_cli.main", *map(str, words), "--folder", str(tmp_path / "storm"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = []
    try:
        async with asyncio.timeout(LIMIT_S):
            async for line in process.stdout:
                said.append(line.decode())
                if "strikes" in said[-1]:
                    process.send_signal(signal.SIGINT)
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    assert code == 0, "".join(said)
    text = page.read_text()
    assert "`sps storm --minutes 30 --seed 7`" in text
    assert "| faults | 1 |" in text
    assert "| **lost** | **0** |" in text
    assert "| **paid twice** | **0** |" in text
    assert "| **stuck** | **0** |" in text
    assert "".join(said).count("quiet: every story has to end now") == 1
