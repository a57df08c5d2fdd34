"""A folder in the cache is there whole or not at all; what is missing on the machine is named."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers import kafka_jars, postgres_binaries
from sps_cli.servers.cache import cache_folder, whole


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_cache_is_where_it_is_told_or_in_the_home(cache, monkeypatch, tmp_path):
    assert cache_folder() == cache
    monkeypatch.delenv("SPS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "sps"


def test_many_who_ask_at_once_fill_it_once():
    fills, together = [], threading.Barrier(8)

    def fill(folder: Path) -> None:
        fills.append(folder)
        (folder / "one").touch()

    def ask() -> list[str]:
        together.wait()
        return [each.name for each in whole("thing-1", fill).iterdir()]

    with ThreadPoolExecutor(8) as pool:
        assert [each.result() for each in [pool.submit(ask) for _ in range(8)]] == [["one"]] * 8
    assert len(fills) == 1


def test_what_fails_halfway_leaves_nothing_and_is_done_anew():
    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise Trouble("the line broke")

    with pytest.raises(Trouble):
        whole("thing-1", fails)
    assert not (cache_folder() / "thing-1").exists()
    folder = whole("thing-1", lambda draft: (draft / "whole").touch())
    assert [each.name for each in folder.iterdir()] == ["whole"]


def test_what_was_killed_halfway_is_thrown_away():
    draft = cache_folder() / "thing-1.draft"
    draft.mkdir(parents=True)
    (draft / "half").touch()
    folder = whole("thing-1", lambda draft: (draft / "whole").touch())
    assert [each.name for each in folder.iterdir()] == ["whole"]


def test_without_java_or_maven_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal, match="apt-get install openjdk-17-jre-headless") as no_java:
        kafka_jars.java()
    assert no_java.value.code == "NO_JAVA"
    with pytest.raises(Refusal, match="apt-get install maven") as no_maven:
        kafka_jars.kafka_jars()
    assert no_maven.value.code == "NO_MVN"


def test_a_download_that_fails_says_what_maven_said(monkeypatch, tmp_path):
    executable(tmp_path / "bin" / "mvn", "echo no such host; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(Trouble, match="no such host"):
        kafka_jars.kafka_jars()
    assert not any(cache_folder().glob("kafka-*[!k]"))


def test_the_jars_are_kept_by_version(monkeypatch, tmp_path):
    executable(tmp_path / "bin" / "mvn", 'for last; do :; done; touch "${last#*=}/kafka-server-0.jar"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    folder = kafka_jars.kafka_jars()
    assert folder.name.startswith(f"kafka-{kafka_jars.kafka_version()}-")
    (tmp_path / "bin" / "mvn").unlink()
    assert kafka_jars.kafka_jars() == folder


def test_postgres_is_looked_for_in_debians_folder_the_path_and_the_wheel(monkeypatch, tmp_path):
    monkeypatch.setattr(postgres_binaries, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(postgres_binaries, "WHEEL", "no_such_wheel")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(Refusal, match="apt-get install postgresql"):
        postgres_binaries.postgres_binaries()

    wheel = tmp_path / "site" / "wheel_of_postgres"
    wheel.mkdir(parents=True)
    (wheel / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(postgres_binaries, "WHEEL", wheel.name)
    for folder in (wheel / "pginstall" / "bin", tmp_path / "path", tmp_path / "debian" / "9" / "bin"):
        executable(folder / "initdb", "")
        executable(folder / "postgres", "")
        assert postgres_binaries.postgres_binaries() == folder
    for name in ("initdb", "postgres"):
        executable(tmp_path / "debian" / "15" / "bin" / name, "")
    assert postgres_binaries.postgres_binaries() == tmp_path / "debian" / "15" / "bin"
