import io
import json
import logging
import sys

import pytest
import structlog

from sps.runtime.logs import REDACTED, configure_logs, get_logger, is_secret, redact


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
