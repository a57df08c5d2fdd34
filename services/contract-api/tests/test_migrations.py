from contract_api.adapters.tables import METADATA
from sps.runtime.migrations import round_trip


async def test_the_migrations_make_the_tables_and_take_them_away(tmp_path):
    await round_trip(f"sqlite+aiosqlite:///{tmp_path / 'api.db'}", "contract_api", METADATA)
