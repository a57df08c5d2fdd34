"""The jars of a Kafka server: fetched by Maven once, kept in the cache by version."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers.cache import whole

POM: Final = Path(__file__).with_name("pom.xml")
FETCH_S: Final = 600.0
"""A slow mirror may take minutes; a hanging one may not hang a test run for ever."""
SAID_CHARACTERS: Final = 3_000


def kafka_version() -> str:
    """The version that is fetched, from the pom."""
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([\w.]+)<", POM.read_text())
    if found is None:
        raise ValueError(f"{POM} names no version of kafka_2.13")
    return found[1]


def java() -> str:
    """The command `java`; Refusal `NO_JAVA` when there is none."""
    return _command("java", "openjdk-17-jre-headless")


def kafka_jars() -> Path:
    """The folder with the jars; fetched when it is not in the cache yet.

    Refusal `NO_MVN`: there is nothing to fetch with. Trouble: the download failed.
    """
    what = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return whole(f"kafka-{kafka_version()}-{what}", _fetch)


def _fetch(folder: Path) -> None:
    maven = _command("mvn", "maven")
    words = ("-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}")
    try:
        done = subprocess.run(  # noqa: S603 our own words
            [maven, *words], capture_output=True, text=True, timeout=FETCH_S, check=False, cwd=folder
        )
    except subprocess.TimeoutExpired as late:
        raise Trouble(f"Maven did not fetch Kafka within {FETCH_S:.0f} s") from late
    if done.returncode or not any(folder.glob("kafka-server-*.jar")):
        raise Trouble(f"Maven did not fetch Kafka:\n{(done.stdout + done.stderr)[-SAID_CHARACTERS:]}")


def _command(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Refusal(
            f"NO_{name.upper()}",
            f"a Kafka server of our own needs `{name}` (Debian: apt-get install {package}); "
            "or give the address of a broker in SPS_TEST_KAFKA",
        )
    return path
