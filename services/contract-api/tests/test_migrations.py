from contract_api.adapters.tables import METADATA
from sps.runtime.migrations import round_trip


async def test_the_migrations_make_the_tables_and_take_them_away(database_url):
    await round_trip(database_url, "contract_api", METADATA)
