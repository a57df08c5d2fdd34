import io
import json
import logging
import sys

import pytest
import structlog

from sps.runtime import log_calm
from sps.runtime.log_calm import FOREIGN_LINES, OUR_LINES, Calm
from sps.runtime.logs import CHATTY, REDACTED, configure_logs, get_logger, is_secret, redact


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before[0], before[1]
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "key",
    [
        "authorization", "Authorization", "x-api-key", "api_key", "token", "internal_token", "client_secret",
        "account", "account_name", "name", "buyer.name", "address", "street_address", "signature", "postcode",
    ],
)  # fmt: skip
def test_keys_of_secrets_and_persons_are_redacted(key: str) -> None:
    assert is_secret(key)
    assert redact(None, "info", {key: "canary"}) == {key: REDACTED}


@pytest.mark.parametrize(
    "key", ["event", "height", "contract_id", "topic", "offset", "loop", "monkey", "filename"]
)
def test_other_keys_are_not(key: str) -> None:
    assert not is_secret(key)


def test_redaction_goes_deep_and_bytes_are_never_shown() -> None:
    event = redact(None, "info", {"request": {"headers": [{"Authorization": "canary"}], "data": b"canary"}})
    assert event == {"request": {"headers": [{"Authorization": REDACTED}], "data": "<6 bytes>"}}


def test_a_line_is_one_json_object_and_stdlib_loggers_come_out_alike(monkeypatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    configure_logs(level="info", form="json")
    get_logger("settlement").info("block.projected", height=7, token="canary")
    logging.getLogger("other").warning("from %s", "stdlib")
    get_logger("settlement").debug("not shown")
    ours, theirs = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (ours["event"], ours["service"], ours["height"], ours["token"]) == (
        "block.projected",
        "settlement",
        7,
        REDACTED,
    )
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("from stdlib", "warning", "other")
    assert "canary" not in out.getvalue()


@pytest.fixture
def lines(monkeypatch):
    """What a process says from now on, as the log's reader gets it."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    configure_logs(level="info", form="json", service="contract-api", version="1.2.3")
    return lambda: [json.loads(line) for line in out.getvalue().splitlines()]


def test_every_line_says_its_process_and_its_version_and_who_said_it(lines) -> None:
    get_logger("contract_api").info("one", height=7)
    logging.getLogger("aiokafka.conn").error("two")
    for line, logger in zip(lines(), ("contract_api", "aiokafka.conn"), strict=True):
        assert (line["service"], line["version"], line["logger"]) == ("contract-api", "1.2.3", logger)
        assert line.keys() >= {"ts", "level", "event"}


@pytest.mark.parametrize("library", CHATTY)
def test_libraries_have_nothing_to_say_below_a_warning(lines, library) -> None:
    logging.getLogger(f"{library}.inner").info("chatter")
    assert lines() == []


def test_an_error_of_a_library_shows_its_traceback_and_no_locals(lines) -> None:
    password = "canary"
    try:
        int("x")
    except ValueError:
        logging.getLogger("sqlalchemy.pool").exception("failed")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert password not in json.dumps(line)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def complain(times: int, host: str = "a") -> None:
    for _ in range(times):
        logging.getLogger("aiokafka").error("no connection to %s", host)


def test_the_same_line_of_a_library_again_and_again_is_one_line_and_a_number(lines) -> None:
    clock = Clock()
    logging.getLogger().handlers[0].filters[:] = [Calm(10.0, clock)]
    complain(100)
    assert len(lines()) == FOREIGN_LINES
    assert "left_out" not in lines()[0]
    logging.getLogger("aiokafka").error("something else")
    assert len(lines()) == FOREIGN_LINES + 1, "another place in the code is another line"
    clock.now = 10.0
    complain(50, "b")
    assert [line.get("left_out") for line in lines()[FOREIGN_LINES + 1 :]] == [100 - FOREIGN_LINES]
    clock.now = 20.0
    complain(1)
    assert lines()[-1]["left_out"] == 49


def test_our_warnings_are_calmed_by_their_event_and_loop_and_our_errors_never(lines) -> None:
    ours = get_logger("settlement")
    for _ in range(20):
        ours.warning("loop.trouble", loop="relay", error="x")
        ours.error("http.failed", route="/x")
        ours.info("http", route="/x")
    ours.warning("loop.trouble", loop="follower", error="x")
    told = lines()
    assert sum(line["level"] == "error" for line in told) == 20
    assert sum(line["level"] == "info" for line in told) == 20
    assert [line["loop"] for line in told if line["level"] == "warning"] == ["relay"] * OUR_LINES + [
        "follower"
    ]


def test_what_is_remembered_to_calm_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(log_calm, "KEYS_MAX", 10)
    calm = Calm()
    for number in range(50):
        record = logging.LogRecord("x", logging.ERROR, "file.py", number, "message", (), None)
        assert calm.filter(record)
    assert len(calm._seen) == 10
