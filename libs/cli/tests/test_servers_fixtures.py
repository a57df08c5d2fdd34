"""The fixtures that other tests stand on."""

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


async def test_the_broker_makes_topics_as_soon_as_it_is_there(kafka_server, kafka_prefix):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(f"{kafka_prefix}one", 2, 1)])
        assert f"{kafka_prefix}one" in await admin.list_topics()
    finally:
        await admin.close()


async def test_every_test_has_a_database_of_its_own(postgres_database):
    connection = await asyncpg.connect(postgres_database.replace("+asyncpg", ""))
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        assert await connection.fetchval("SHOW fsync") == "on"
        await connection.execute("CREATE TABLE mine (x int)")
    finally:
        await connection.close()


test_and_the_next_one_has_another = test_every_test_has_a_database_of_its_own


async def test_either_database_is_spoken_to_by_its_url_alone(database_url):
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
    await engine.dispose()
