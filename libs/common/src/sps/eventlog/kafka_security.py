"""How a client proves itself to Kafka and whom it trusts: TLS, a certificate of its own, SASL.

What contradicts itself is refused before anything is connected.
"""

import ssl
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from sps.eventlog.port import LogRefused

PLAIN: Final = "PLAIN"
MECHANISMS: Final = (PLAIN, "SCRAM-SHA-256", "SCRAM-SHA-512")
_PROTOCOLS: Final = {
    (False, False): "PLAINTEXT",
    (True, False): "SSL",
    (False, True): "SASL_PLAINTEXT",
    (True, True): "SASL_SSL",
}


class KafkaSecurity(Struct, frozen=True):
    """All empty: no encryption and no proof. Files are PEM; `ca_file` empty: whom the machine trusts."""

    tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    sasl_mechanism: str = ""
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"KafkaSecurity(tls={self.tls}, sasl={self.sasl_mechanism!r}, username={self.username!r})"


def connection_options(security: KafkaSecurity) -> dict[str, Any]:
    """What a connection is opened with. Raises `LogRefused` for what cannot work."""
    _check(security)
    options: dict[str, Any] = {"security_protocol": _PROTOCOLS[security.tls, bool(security.sasl_mechanism)]}
    if security.tls:
        options["ssl_context"] = _tls(security)
    if security.sasl_mechanism:
        options["sasl_mechanism"] = security.sasl_mechanism
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = security.password
    return options


def _check(security: KafkaSecurity) -> None:
    files = security.ca_file or security.certificate_file or security.key_file
    if files and not security.tls:
        raise LogRefused("certificates for Kafka are given, but TLS is off")
    if security.key_file and not security.certificate_file:
        raise LogRefused("a key for Kafka is given without its certificate")
    if security.sasl_mechanism and security.sasl_mechanism not in MECHANISMS:
        raise LogRefused(f"Kafka's SASL mechanism is one of {', '.join(MECHANISMS)}")
    if bool(security.sasl_mechanism) != bool(security.username and security.password):
        raise LogRefused("Kafka's SASL mechanism, user name and password belong together")


def _tls(security: KafkaSecurity) -> ssl.SSLContext:
    for name in (security.ca_file, security.certificate_file, security.key_file):
        if name and not Path(name).is_file():
            raise LogRefused(f"there is no file {name}")
    try:
        context = ssl.create_default_context(cafile=security.ca_file or None)
        if security.certificate_file:
            # Without a password callback OpenSSL would ask the terminal for it.
            context.load_cert_chain(security.certificate_file, security.key_file or None, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise LogRefused(f"the certificate files for Kafka cannot be used: {error}") from error
    return context
