import pytest

from sps.runtime.settings import BadSettings, ServiceSettings, load_settings, settings_config


class ExampleSettings(ServiceSettings):
    model_config = settings_config("EXAMPLE_SERVICE_")

    window: int = 5


GOOD = {
    "DATABASE_URL": "sqlite+aiosqlite:///x.db",
    "GENESIS": "genesis.json",
    "KEY": "key",
    "INTERNAL_TOKEN": "0123456789abcdef",
}


def given(monkeypatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"EXAMPLE_SERVICE_{name}", value)


def test_settings_come_from_the_environment_and_hide_their_secrets(monkeypatch) -> None:
    given(monkeypatch, **GOOD, WINDOW="7", PEERS='["http://a", "http://b"]')
    settings = load_settings(ExampleSettings)
    assert (settings.window, settings.port, settings.peers) == (7, 0, ("http://a", "http://b"))
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("WINDOWS", "7", "SETTING_UNKNOWN"),
        ("PORT", "70000", "SETTING_BAD"),
        ("INTERNAL_TOKEN", "short", "SETTING_BAD"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_never_shown(
    monkeypatch, name: str, value: str, code: str
) -> None:
    given(monkeypatch, **{**GOOD, name: value})
    with pytest.raises(BadSettings) as caught:
        load_settings(ExampleSettings)
    assert caught.value.code == code
    assert name.lower() in str(caught.value).lower()
    assert value not in str(caught.value)


def test_a_missing_setting_is_refused(monkeypatch) -> None:
    given(monkeypatch, **{name: value for name, value in GOOD.items() if name != "GENESIS"})
    with pytest.raises(BadSettings, match="genesis"):
        load_settings(ExampleSettings)


def test_settings_do_not_change(monkeypatch) -> None:
    given(monkeypatch, **GOOD)
    settings = load_settings(ExampleSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
