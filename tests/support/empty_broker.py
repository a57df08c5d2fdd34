"""A broker that lost its disk."""

import shutil

from sps_cli.servers.kafka import KafkaServer


async def replaced(kafka: KafkaServer) -> None:
    """It dies with everything that it kept, and an empty one comes in its place, at the same address."""
    await kafka.kill()
    shutil.rmtree(kafka.folder / "data")
    kafka._child = None  # so that its folder is formatted as at the first start
    await kafka.start()
