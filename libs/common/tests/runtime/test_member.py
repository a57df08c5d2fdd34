import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from chain_kit import make_genesis
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from sps.chain.genesis import Genesis, genesis_bytes
from sps.eventlog.memory import MemoryLog
from sps.runtime.clock import ManualClock
from sps.runtime.member import ChainMember, WrongKey
from sps.runtime.projection import NoProjection
from sps.runtime.projection_cursor import OtherChain
from sps.runtime.settings import ServiceSettings
from sps.runtime.tables import service_metadata


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
