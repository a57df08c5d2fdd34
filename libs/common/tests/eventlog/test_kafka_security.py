"""Who may talk to the brokers, and to whom we talk."""

from pathlib import Path

import pytest
from guarded_kafka import Authority

from sps.eventlog.kafka_security import KafkaSecurity, connection_options
from sps.eventlog.port import LogRefused


@pytest.mark.parametrize(
    ("security", "protocol"),
    [
        (KafkaSecurity(), "PLAINTEXT"),
        (KafkaSecurity(tls=True), "SSL"),
        (KafkaSecurity(sasl_mechanism="PLAIN", username="a", password="b"), "SASL_PLAINTEXT"),
        (KafkaSecurity(tls=True, sasl_mechanism="SCRAM-SHA-256", username="a", password="b"), "SASL_SSL"),
    ],
)
def test_each_way_to_connect_has_its_protocol(security: KafkaSecurity, protocol: str) -> None:
    options = connection_options(security)
    assert options["security_protocol"] == protocol
    assert ("ssl_context" in options) == security.tls
    assert options.get("sasl_mechanism", "") == security.sasl_mechanism
    assert options.get("sasl_plain_username", "") == security.username
    assert options.get("sasl_plain_password", "") == security.password


@pytest.mark.parametrize(
    ("security", "says"),
    [
        (KafkaSecurity(ca_file="x"), "TLS is off"),
        (KafkaSecurity(tls=True, key_file="x"), "without its certificate"),
        (KafkaSecurity(tls=True, ca_file="/nowhere/ca.pem"), "no file"),
        (KafkaSecurity(sasl_mechanism="GSSAPI", username="a", password="b"), "one of"),
        (KafkaSecurity(sasl_mechanism="PLAIN", username="a"), "belong together"),
        (KafkaSecurity(username="a", password="b"), "belong together"),
    ],
)
def test_what_contradicts_itself_is_refused(security: KafkaSecurity, says: str) -> None:
    with pytest.raises(LogRefused, match=says):
        connection_options(security)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(LogRefused, match="cannot be used"):
        connection_options(KafkaSecurity(tls=True, ca_file=str(tmp_path / "ca.pem")))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    (certificate, _), (_, key) = authority.issue("one"), authority.issue("other")
    security = KafkaSecurity(tls=True, certificate_file=str(certificate), key_file=str(key))
    with pytest.raises(LogRefused, match="cannot be used"):
        connection_options(security)


def test_our_own_certificate_is_shown(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("one")
    security = KafkaSecurity(True, str(authority.ca_file), str(certificate), str(key))
    assert connection_options(security)["ssl_context"].get_ca_certs()


def test_the_password_is_not_shown() -> None:
    security = KafkaSecurity(sasl_mechanism="PLAIN", username="alice", password="secret")
    assert "secret" not in f"{security!r} {security}"
