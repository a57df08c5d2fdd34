"""`sps servers` says where its servers are while they are there, and leaves nothing behind however it ends."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.postgres import PostgresServer

READY_S = 120.0
END_S = 30.0


@asynccontextmanager
async def command(folder: Path, *words: str):
    """`sps servers` in a process group of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sps_cli.main", "servers", "--folder", str(folder), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def addresses(folder: Path, process) -> dict[str, str]:
    file = folder / "addresses.env"
    async with asyncio.timeout(READY_S):
        while not file.exists():
            assert process.returncode is None, (await process.stdout.read()).decode()
            await asyncio.sleep(0.05)
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


async def ended(process) -> tuple[int, str]:
    async with asyncio.timeout(END_S):
        said, _ = await process.communicate()
        return await process.wait(), said.decode()


async def both_answer(folder: Path) -> tuple[bool, bool]:
    """Whoever listens at the ports of this folder."""
    return (
        await KafkaServer(folder / "kafka").answers(),
        await PostgresServer(folder / "postgres").answers(),
    )


@pytest.mark.slow
async def test_it_serves_until_it_is_told_to_end_and_starts_again_on_the_same_ports(tmp_path):
    async with command(tmp_path) as process:
        first = await addresses(tmp_path, process)
        assert await both_answer(tmp_path) == (True, True)
        os.kill(process.pid, signal.SIGINT)
        code, said = await ended(process)
    assert code == 0
    assert f"sps up --kafka {first['KAFKA']} --postgres postgresql://sps@" in said
    assert not (tmp_path / "addresses.env").exists()
    assert await both_answer(tmp_path) == (False, False)

    async with command(tmp_path) as process:
        assert await addresses(tmp_path, process) == first
        process.kill()
        await process.wait()
    (tmp_path / "addresses.env").unlink()

    async with command(tmp_path) as process:
        assert await addresses(tmp_path, process) == first
        leader = int((tmp_path / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(leader, signal.SIGKILL)
        code, said = await ended(process)
    assert code == 1
    assert "postgres ended by itself" in said
    assert not (tmp_path / "addresses.env").exists()


async def test_told_to_end_while_it_starts_it_ends(tmp_path):
    async with command(tmp_path) as process:
        await process.stdout.readuntil(b"starting postgres")
        os.kill(process.pid, signal.SIGTERM)
        code, _ = await ended(process)
    assert code == 0
    assert not (tmp_path / "addresses.env").exists()


async def test_a_port_that_is_taken_is_refused_with_a_sentence(tmp_path):
    squatter = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = squatter.sockets[0].getsockname()[1]
    async with squatter, command(tmp_path, "--postgres-port", str(port)) as process:
        code, said = await ended(process)
    assert code == 1
    assert f"something else listens at 127.0.0.1:{port} already (PORT_TAKEN)" in said
    assert "Traceback" not in said
