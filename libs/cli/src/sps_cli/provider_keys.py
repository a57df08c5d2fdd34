"""RSA keys and certificates for the sandbox's Alipay and for us as its merchant, self-signed."""

import datetime as dt
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from msgspec import Struct

BITS: Final = 2048
DAYS: Final = 3650


class ProviderKeys(Struct, frozen=True):
    """PEM texts: the merchant is us, Alipay is the sandbox."""

    merchant_private: str
    merchant_public: str
    alipay_private: str
    alipay_public: str
    app_certificate: str
    root_certificate: str


def make_provider_keys(folder: Path) -> ProviderKeys:
    """Load the keys, or make them once."""
    merchant = _load_or_make(folder / "merchant.pem")
    alipay = _load_or_make(folder / "alipay.pem")
    return ProviderKeys(
        merchant_private=_private(merchant),
        merchant_public=_public(merchant),
        alipay_private=_private(alipay),
        alipay_public=_public(alipay),
        app_certificate=_certificate(folder / "app.crt", merchant, "Sandbox merchant"),
        root_certificate=_certificate(folder / "root.crt", alipay, "Sandbox root"),
    )


def _load_or_make(path: Path) -> rsa.RSAPrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(key, rsa.RSAPrivateKey):
            return key
    key = rsa.generate_private_key(65537, BITS)
    _keep(path, _private(key))
    return key


def _certificate(path: Path, key: rsa.RSAPrivateKey, name: str) -> str:
    if not path.exists():
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Smart Payment Service sandbox"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        now = dt.datetime.now(dt.UTC)
        built = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        )
        built = built.serial_number(x509.random_serial_number()).not_valid_before(now)
        signed = built.not_valid_after(now + dt.timedelta(days=DAYS)).sign(key, hashes.SHA256())
        _keep(path, signed.public_bytes(serialization.Encoding.PEM).decode())
    return path.read_text()


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def _keep(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
