import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from chain_kit import make_genesis
from chain_story import rates
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from sqlalchemy import insert

from sps.chain.genesis import Genesis, genesis_bytes
from sps.eventlog.memory import MemoryLog
from sps.runtime.clock import ManualClock
from sps.runtime.errors import Trouble
from sps.runtime.member import ChainMember, WrongKey
from sps.runtime.outbox_facts import oldest_unconfirmed_ms
from sps.runtime.projection import NoProjection
from sps.runtime.projection_cursor import OtherChain
from sps.runtime.settings import ServiceSettings
from sps.runtime.tables import outbox_batch, service_metadata


@dataclass
class Place:
    folder: Path

    def settings(self, genesis: Genesis, key_of: str) -> ServiceSettings:
        (self.folder / "genesis.json").write_bytes(genesis_bytes(genesis))
        key = self.folder / f"{key_of}.key"
        key.touch(0o600)
        key.write_text(hashlib.sha256(b"sps-chain-kit|" + key_of.encode()).hexdigest() + "\n")
        return ServiceSettings(
            database_url=f"sqlite+aiosqlite:///{self.folder / 'member.db'}",
            genesis=self.folder / "genesis.json",
            key=key,
            internal_token="internal-token-of-the-tests",
            peers=(),
        )

    def member(self, genesis: Genesis, key_of: str = "settlement") -> ChainMember:
        return ChainMember(
            self.settings(genesis, key_of),
            "settlement",
            "settlement",
            log=MemoryLog(),
            clock=ManualClock(),
            registry=CollectorRegistry(),
        )


async def test_a_key_that_the_genesis_does_not_name_for_this_role_is_refused(tmp_path):
    with pytest.raises(WrongKey, match="WRONG_KEY"):
        Place(tmp_path).member(make_genesis(1), "payment-gateway")


async def test_a_genesis_without_this_role_is_refused(tmp_path):
    genesis = make_genesis(1)
    others = tuple(each for each in genesis.producers if each.role != "settlement")
    with pytest.raises(WrongKey, match="NO_PRODUCER"):
        Place(tmp_path).member(replace(genesis, producers=others))


async def test_the_database_of_another_chain_is_refused_before_anything_is_written(tmp_path):
    place, genesis = Place(tmp_path), make_genesis(1)
    first = place.member(genesis)
    async with first.database.transaction() as connection:
        await connection.run_sync(service_metadata().create_all)
    first.follow(NoProjection())
    await first.start()
    await first.stop()
    other = place.member(replace(genesis, network="other"))
    other.follow(NoProjection())
    with pytest.raises(OtherChain, match="OTHER_CHAIN"):
        await other.start()
    await other.stop()


async def test_the_age_of_the_oldest_fact_and_of_what_is_projected_grow_with_the_clock(tmp_path):
    member = Place(tmp_path).member(make_genesis(1))
    clock, registry = member._clock, member._registry
    member.follow(NoProjection())
    with pytest.raises(Trouble):
        await member._look()
    member._migrated = True
    async with member.database.transaction() as connection:
        await connection.run_sync(service_metadata().create_all)
    await member._look()
    assert registry.get_sample_value("sps_outbox_oldest_age_seconds") == 0
    async with member.database.transaction() as connection:
        await member.outbox.add(connection, rates(1))
    await member._look()
    clock.advance(90_000)
    assert registry.get_sample_value("sps_outbox_oldest_age_seconds") == 90
    behind_s = (clock.now_ms() - member.follower.state.time_ms) / 1_000
    assert registry.get_sample_value("sps_projection_age_seconds") == behind_s
    assert registry.get_sample_value("sps_db_pool_connections", {"state": "idle"}) >= 1
    await member.stop()


async def test_a_confirmed_fact_has_no_age(tmp_path):
    member = Place(tmp_path).member(make_genesis(1))
    member.follow(NoProjection())
    async with member.database.transaction() as connection:
        await connection.run_sync(service_metadata().create_all)
        await connection.execute(
            insert(outbox_batch).values(seq=1, digest=b"d" * 32, record=None, sealed_ms=5, confirmed_height=1)
        )
        assert await oldest_unconfirmed_ms(connection) is None
        await connection.execute(
            insert(outbox_batch).values(
                seq=2, digest=b"e" * 32, record=b"r", sealed_ms=7, confirmed_height=None
            )
        )
        assert await oldest_unconfirmed_ms(connection) == 7
    await member.stop()
