import os
import stat
from pathlib import Path

import pytest

from sps.runtime.keys import BadKeyFile, is_open, load_or_create_seed, load_signer


def test_a_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "producer"
    first = load_or_create_seed(path)
    assert len(first) == 32
    assert load_or_create_seed(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["producer"], "no draft is left behind"
    assert load_signer(path).public_key == load_signer(path).public_key


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_or_create_seed(path)
    path.chmod(0o640)
    with pytest.raises(BadKeyFile, match="KEY_FILE_OPEN"):
        load_or_create_seed(path)


def status(mode: int, owner: int, group: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, group, 64, 0, 0, 0))


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_file_of_its_owner_alone_is_closed(mode: int) -> None:
    assert not is_open(status(mode, 10001, 10001), 10001, {10001})


def test_a_mounted_secret_of_our_group_is_closed() -> None:
    assert not is_open(status(0o440, 0, 10001), 10001, {10001})


@pytest.mark.parametrize(
    ("mode", "owner", "group", "user"),
    [
        (0o440, 10001, 10001, 10001),
        (0o440, 0, 20002, 10001),
        (0o440, 0, 0, 10001),
        (0o440, 0, 10001, 0),
        (0o460, 0, 10001, 10001),
        (0o640, 0, 10001, 10001),
        (0o444, 0, 10001, 10001),
        (0o604, 10001, 10001, 10001),
    ],
)
def test_anything_wider_than_a_mounted_secret_is_open(mode: int, owner: int, group: int, user: int) -> None:
    assert is_open(status(mode, owner, group), user, {10001, 0})


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33, "é" * 32])
def test_anything_but_a_seed_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadKeyFile, match="KEY_FILE_BAD"):
        load_or_create_seed(path)
    assert path.read_text() == text
