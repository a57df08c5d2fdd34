import pytest
from pydantic import SecretStr

from sps.runtime import environment
from sps.runtime.database_engine import DatabaseLimits
from sps.runtime.environment import read_environment
from sps.runtime.settings import (
    BadSettings,
    DatabaseSettings,
    ProcessSettings,
    ServiceSettings,
    load_settings,
    settings_config,
)


class ExampleSettings(ServiceSettings):
    model_config = settings_config("EXAMPLE_SERVICE_")

    window: int = 5
    secrets: tuple[SecretStr, ...] = ()


GOOD = {
    "DATABASE_URL": "sqlite+aiosqlite:///x.db",
    "GENESIS": "genesis.json",
    "KEY": "key",
    "INTERNAL_TOKEN": "0123456789abcdef",
}
PREFIX = "EXAMPLE_SERVICE_"


def given(monkeypatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)


def problems(**values: str) -> dict[str, str]:
    """What is wrong with these variables and good others, by variable."""
    variables = {PREFIX + name: value for name, value in {**GOOD, **values}.items()}
    reading = read_environment(ExampleSettings, variables)
    assert (reading.settings is None) is bool(reading.problems)
    return {each.variable.removeprefix(PREFIX): each.message for each in reading.problems}


def test_settings_come_from_the_environment_and_hide_their_secrets(monkeypatch) -> None:
    given(monkeypatch, **GOOD, WINDOW="7", PEERS='["http://a", "http://b"]')
    settings = load_settings(ExampleSettings)
    assert (settings.window, settings.port, settings.peers) == (7, 0, ("http://a", "http://b"))
    assert "0123456789abcdef" not in repr(settings)
    assert "x.db" not in repr(settings), "a database's address may hold a password"


def test_settings_that_are_given_as_arguments_do_not_look_at_the_environment(monkeypatch) -> None:
    given(monkeypatch, **GOOD, WINDOW="7")
    assert ProcessSettings().port == 0
    with pytest.raises(ValueError, match="database_url"):
        ExampleSettings()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("WINDOWS", "7", "SETTING_UNKNOWN"),
        ("PORT", "70000", "SETTING_BAD"),
        ("INTERNAL_TOKEN", "short", "SETTING_BAD"),
        ("PEERS", "http://canary", "SETTING_BAD"),
        ("SECRETS", '["canary", 7]', "SETTING_BAD"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_never_shown(
    monkeypatch, name: str, value: str, code: str
) -> None:
    given(monkeypatch, **{**GOOD, name: value})
    with pytest.raises(BadSettings) as caught:
        load_settings(ExampleSettings)
    assert caught.value.code == code
    assert PREFIX + name in str(caught.value)
    assert value not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_missing_setting_is_refused(monkeypatch) -> None:
    given(monkeypatch, **{name: value for name, value in GOOD.items() if name != "GENESIS"})
    with pytest.raises(BadSettings, match="SETTING_MISSING: EXAMPLE_SERVICE_GENESIS"):
        load_settings(ExampleSettings)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems(PORT="-1", WINDOW="many", MONITOR_PROT="1", PEERS="[")
    assert found.keys() == {"PORT", "WINDOW", "MONITOR_PROT", "PEERS"}


def test_an_unknown_name_is_answered_with_the_nearest_known_one() -> None:
    assert "is EXAMPLE_SERVICE_MONITOR_PORT meant?" in problems(MONITOR_PROT="1")["MONITOR_PROT"]
    assert "docs/configuration.md" in problems(XYZZY="1")["XYZZY"]


@pytest.mark.parametrize("name", ["SERVICE_HOST", "PORT_8080_TCP_ADDR", "PORT_8080_TCP", "SERVICE_PORT_HTTP"])
def test_variables_that_kubernetes_makes_for_a_service_are_explained(name) -> None:
    assert "enableServiceLinks" in problems(**{name: "x"})[name]
    assert "enableServiceLinks" in problems(PORT="tcp://10.0.0.1:80")["PORT"]


def test_a_list_that_is_not_json_is_explained() -> None:
    assert '["one", "two"]' in problems(PEERS="http://a,http://b")["PEERS"]


def test_secrets_may_lie_in_files_and_lose_one_newline(tmp_path) -> None:
    token, many, url = tmp_path / "token", tmp_path / "many", tmp_path / "url"
    token.write_text("0123456789abcdef\n\n")
    many.write_text('["one", "two"]\n')
    url.write_bytes(b"sqlite+aiosqlite:///y.db\r\n")
    variables = {PREFIX + name: value for name, value in GOOD.items()}
    del variables[PREFIX + "INTERNAL_TOKEN"], variables[PREFIX + "DATABASE_URL"]
    variables |= {
        f"{PREFIX}INTERNAL_TOKEN_FILE": str(token),
        f"{PREFIX}SECRETS_FILE": str(many),
        f"{PREFIX}DATABASE_URL_FILE": str(url),
    }
    settings = read_environment(ExampleSettings, variables).settings
    assert settings is not None
    assert settings.internal_token.get_secret_value() == "0123456789abcdef\n"
    assert [each.get_secret_value() for each in settings.secrets] == ["one", "two"]
    assert settings.database_url == "sqlite+aiosqlite:///y.db"


def test_a_secret_is_given_once_and_only_secrets_lie_in_files(tmp_path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    assert "one of the two" in problems(INTERNAL_TOKEN_FILE=str(file))["INTERNAL_TOKEN"]
    assert "no such setting" in problems(PORT_FILE=str(file))["PORT_FILE"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "No such file"), (b"\xff\xfe", "not text"), (b"x" * 70_000, "more than")],
)
def test_a_file_that_cannot_be_a_secret_is_refused(tmp_path, content, complaint) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    assert complaint in problems(SECRETS_FILE=str(file))["SECRETS"]


def test_a_file_is_read_only_as_far_as_a_secret_may_be_long(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(environment, "SECRET_BYTES_MAX", 4)
    file = tmp_path / "secret"
    file.write_bytes(b'["a"]')
    assert "more than 4" in problems(SECRETS_FILE=str(file))["SECRETS"]
    assert "cannot be read" in problems(SECRETS_FILE="/dev/null/x")["SECRETS"]


def test_settings_do_not_change(monkeypatch) -> None:
    given(monkeypatch, **GOOD)
    settings = load_settings(ExampleSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_the_bounds_of_the_database_are_its_own_when_nothing_is_said() -> None:
    settings = DatabaseSettings(database_url="sqlite+aiosqlite:///x.db")
    assert settings.database_limits() == DatabaseLimits()


def test_each_bound_of_the_database_reaches_it() -> None:
    values = {
        "database_pool_size": 11, "database_overflow": 12, "database_wait_s": 13.0,
        "database_connect_timeout_s": 14.0, "database_statement_timeout_s": 15.0,
        "database_lock_timeout_s": 16.0, "database_idle_in_transaction_s": 17.0,
    }  # fmt: skip
    limits = DatabaseSettings(database_url="x", **values).database_limits()
    assert sorted(getattr(limits, name) for name in limits.__struct_fields__) == sorted(values.values())


def test_what_proves_us_to_kafka_reaches_it() -> None:
    values = {
        "kafka_tls": True, "kafka_ca_file": "a", "kafka_certificate_file": "b", "kafka_key_file": "c",
        "kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka_username": "d", "kafka_password": SecretStr("e"),
    }  # fmt: skip
    security = ProcessSettings(**values).kafka_security()
    plain = [value.get_secret_value() if isinstance(value, SecretStr) else value for value in values.values()]
    assert [getattr(security, name) for name in security.__struct_fields__] == plain


@pytest.mark.parametrize(
    ("name", "value", "well"),
    [
        ("TRACE_ENDPOINT", "", True),
        ("TRACE_ENDPOINT", "http://collector:4318", True),
        ("TRACE_ENDPOINT", "https://collector.example/tenant/1/", True),
        ("TRACE_ENDPOINT", "collector:4318", False),
        ("TRACE_ENDPOINT", "grpc://collector:4317", False),
        ("TRACE_ENDPOINT", "http://user:secret@collector", False),
        ("TRACE_ENDPOINT", "http://collector/?key=1", False),
        ("TRACE_ENDPOINT", "http://" + "c" * 500, False),
        ("TRACE_SHARE", "0", True),
        ("TRACE_SHARE", "0.01", True),
        ("TRACE_SHARE", "1", True),
        ("TRACE_SHARE", "1.01", False),
        ("TRACE_SHARE", "-0.1", False),
        ("TRACE_SHARE", "nan", False),
        ("TRACE_SHARE", "all", False),
    ],
)
def test_traces_go_to_an_address_and_have_a_share(name, value, well) -> None:
    assert problems(**{name: value}).keys() == (set() if well else {name})


def test_traces_are_off_when_nothing_is_said() -> None:
    assert (ProcessSettings().trace_endpoint, ProcessSettings().trace_share) == ("", 1.0)
