"""A Kafka server with a further listener that lets in only whom it knows: TLS with certificates, and SASL."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sps_cli.servers.child import Child
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.ports import LOOPBACK, free_port

USERNAME = "alice"
PASSWORD = "a password"
SCRAM = "SCRAM-SHA-512"
SESSION_MS = 2_000
"""A broker that was killed is let in again after this; shorter than usual, for tests that kill it."""


class Authority:
    """Signs certificates; `ca_file` is what those trust who trust it."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._sign(self._name, self._key.public_key(), authority=True)
        self.ca_file = folder / f"{name}.pem"
        self.ca_file.write_bytes(_pem(self._certificate))

    def issue(self, name: str) -> tuple[Path, Path]:
        """(certificate file, key file); the certificate is good for the loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(_pem(self._sign(_name(name), key.public_key(), authority=False)))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )


class GuardedKafka(KafkaServer):
    """`guarded` is the address of the listener; `authority` signs those whom it lets in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.authority = Authority(self.folder / "certificates", "authority")
        self._port = free_port()

    @property
    def guarded(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"{LOOPBACK}:{self._port}"

    async def _prepare(self) -> Child:
        child = await super()._prepare()
        settings = self.folder / "server.properties"
        lines = settings.read_text().splitlines()
        known = dict(line.split("=", 1) for line in lines)
        settings.write_text("\n".join([*lines, *self._further(known), ""]))
        return child

    def _further(self, known: dict[str, str]) -> list[str]:
        """Settings that come later in the file win."""
        certificate, key = self.authority.issue("broker")
        together = self.folder / "certificates" / "broker-store.pem"
        together.write_bytes(key.read_bytes() + certificate.read_bytes())
        ours = f"GUARDED://{self.guarded}"
        module, scram = "org.apache.kafka.common.security", f"listener.name.guarded.{SCRAM.lower()}"
        plain = f'{module}.plain.PlainLoginModule required user_{USERNAME}="{PASSWORD}";'
        return [
            f"listeners={known['listeners']},{ours}",
            f"advertised.listeners={known['advertised.listeners']},{ours}",
            f"listener.security.protocol.map={known['listener.security.protocol.map']},GUARDED:SASL_SSL",
            f"broker.session.timeout.ms={SESSION_MS}",
            "listener.name.guarded.ssl.keystore.type=PEM",
            f"listener.name.guarded.ssl.keystore.location={together}",
            "listener.name.guarded.ssl.truststore.type=PEM",
            f"listener.name.guarded.ssl.truststore.location={self.authority.ca_file}",
            "listener.name.guarded.ssl.client.auth=required",
            f"listener.name.guarded.sasl.enabled.mechanisms=PLAIN,{SCRAM}",
            f"listener.name.guarded.plain.sasl.jaas.config={plain}",
            f"{scram}.sasl.jaas.config={module}.scram.ScramLoginModule required;",
        ]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
