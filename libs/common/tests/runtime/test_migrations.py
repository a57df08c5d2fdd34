import asyncio
import importlib
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, String, Table

from sps.runtime import migrations
from sps.runtime.errors import Trouble
from sps.runtime.migrations import BadPackage, current_revision, differences, downgrade, round_trip, upgrade
from sps.runtime.tables import service_metadata

FIRST = '''
"""The first tables."""
import sqlalchemy as sa
from alembic import op
from sps.runtime.tables import create_common_tables, drop_common_tables

revision = "0001"
down_revision = None

def upgrade() -> None:
    create_common_tables(op)
    op.create_table(
        "parcel",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parcel"),
    )

def downgrade() -> None:
    op.drop_table("parcel")
    drop_common_tables(op)
'''
BROKEN = '''
"""Fails after its first step."""
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade() -> None:
    op.add_column("parcel", sa.Column("extra", sa.String(8)))
    op.execute("SELECT broken FROM nowhere")

def downgrade() -> None:
    pass
'''

SLOW = """
import sqlalchemy as sa
from alembic import op
from sqlalchemy.util import await_only
import asyncio

revision = "0002"
down_revision = "0001"

def upgrade() -> None:
    op.add_column("parcel", sa.Column("extra", sa.String(8)))
    await_only(asyncio.sleep(60))

def downgrade() -> None:
    pass
"""


def metadata():
    made = service_metadata()
    Table(
        "parcel",
        made,
        Column("id", String(40), primary_key=True),
        Column("height", BigInteger, nullable=False),
    )
    return made


@pytest.fixture
def package(tmp_path: Path, monkeypatch) -> str:
    name = f"toy_service_{tmp_path.name.replace('-', '_')}"
    versions = tmp_path / "pa%th" / name / "adapters" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "pa%th" / name / "__init__.py").write_text("")
    (versions / "0001_first.py").write_text(FIRST)
    monkeypatch.syspath_prepend(str(tmp_path / "pa%th"))
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


async def test_up_down_up_and_nothing_is_left_to_generate(url: str, package: str) -> None:
    await round_trip(url, package, metadata())
    assert await current_revision(url) == "0001"


async def test_a_table_that_no_migration_makes_is_found(url: str, package: str) -> None:
    wanted = metadata()
    Table("forgotten", wanted, Column("id", BigInteger, primary_key=True))
    await upgrade(url, package)
    assert len(await differences(url, wanted)) == 1
    with pytest.raises(AssertionError, match="forgotten"):
        await round_trip(url, package, wanted)


async def test_several_that_migrate_at_once_do_not_meet(url: str, package: str) -> None:
    await asyncio.gather(*(upgrade(url, package) for _ in range(3)))
    assert await differences(url, metadata()) == []


async def test_several_processes_that_migrate_at_once_do_not_meet(url: str, package: str) -> None:
    code = f"import asyncio, sps.runtime.migrations as m; asyncio.run(m.upgrade({url!r}, {package!r}))"
    path = os.pathsep.join([str(Path(importlib.import_module(package).__file__).parents[1]), *sys.path])
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, env=os.environ | {"PYTHONPATH": path}
        )
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert await differences(url, metadata()) == []


async def test_an_interrupted_migration_leaves_the_database_as_it_was(
    url: str, package: str, tmp_path: Path
) -> None:
    await upgrade(url, package)
    versions = tmp_path / "pa%th" / package / "adapters" / "migrations" / "versions"
    (versions / "0002_broken.py").write_text(BROKEN)
    with pytest.raises(Exception, match="nowhere"):
        await upgrade(url, package)
    assert await current_revision(url) == "0001"
    assert await differences(url, metadata()) == []
    await downgrade(url, package)
    assert await current_revision(url) is None


async def test_a_migration_that_is_cancelled_leaves_the_database_as_it_was(
    url: str, package: str, tmp_path: Path, monkeypatch
) -> None:
    await upgrade(url, package)
    versions = tmp_path / "pa%th" / package / "adapters" / "migrations" / "versions"
    (versions / "0002_slow.py").write_text(SLOW)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "UPGRADE_S", 1.0)
        with pytest.raises(Trouble):
            await upgrade(url, package)
    assert await current_revision(url) == "0001"
    assert await differences(url, metadata()) == []


async def test_a_package_without_migrations_is_a_defect(url: str) -> None:
    with pytest.raises(BadPackage):
        await upgrade(url, "json")
    with pytest.raises(BadPackage):
        await upgrade(url, "no_such_package_anywhere")
