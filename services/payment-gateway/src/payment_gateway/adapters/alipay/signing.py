"""Alipay's signature RSA2: SHA256withRSA (PKCS#1 v1.5) over sorted `name=value` pairs, values not encoded.

In a request `sign_type` is part of the string and empty values are left out; in a notify `sign_type` is
left out as well, except in some products that sign it. Keys come bare or armoured, PKCS#1 or PKCS#8.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
)
from cryptography.x509.oid import NameOID

RSA_SIGNATURE_OIDS: Final = "1.2.840.113549.1.1"
CERTIFICATES_MAX: Final = 32
"""Blocks of a bundle that are looked at."""

_ARMOUR: Final = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_NAMES: Final = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.COUNTRY_NAME: "C",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
}


class BadKeyText(ValueError):
    """The configured text is not an RSA key or certificate in a form that Alipay hands out."""


def load_private_key(text: str) -> RSAPrivateKey:
    """Read PKCS#1 or PKCS#8, with or without PEM armour."""
    try:
        key = load_der_private_key(_der(text), None)
    except (ValueError, TypeError) as error:
        raise BadKeyText("not a private key in PKCS#1 or PKCS#8") from error
    if not isinstance(key, RSAPrivateKey):
        raise BadKeyText("the private key is not an RSA key")
    return key


def load_public_key(text: str) -> RSAPublicKey:
    """Read a public key, bare or armoured, or take it from a certificate."""
    try:
        key = _certified_key(text) if "BEGIN CERTIFICATE" in text else load_der_public_key(_der(text))
    except (ValueError, IndexError) as error:
        raise BadKeyText("not a public key (SubjectPublicKeyInfo) and not a certificate") from error
    if not isinstance(key, RSAPublicKey):
        raise BadKeyText("the public key is not an RSA key")
    return key


def _certified_key(pem: str) -> object:
    return x509.load_pem_x509_certificate(_CERTIFICATE.findall(pem)[0].encode()).public_key()


def request_string(params: Mapping[str, str]) -> str:
    """What is signed in a request: everything but `sign` and empty values, sorted by name."""
    return _join({name: value for name, value in params.items() if name != "sign"})


def notify_string(params: Mapping[str, str], *, with_sign_type: bool) -> str:
    """What is signed in a notify; some products keep `sign_type` in the string."""
    left_out = {"sign", "alipay_cert_sn"} | (set() if with_sign_type else {"sign_type"})
    return _join({name: value for name, value in params.items() if name not in left_out})


def sign(key: RSAPrivateKey, text: str) -> str:
    """Base64 of the signature over the UTF-8 bytes."""
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def verify(key: RSAPublicKey, text: str, signature: str) -> bool:
    """Tell whether the signature is good; malformed input is just not good."""
    try:
        key.verify(base64.b64decode(signature, validate=True), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def signed_query(key: RSAPrivateKey, params: Mapping[str, str]) -> str:
    """The parameters with their signature, sorted and URL-encoded."""
    kept = sorted((name, value) for name, value in params.items() if value)
    return urlencode([*kept, ("sign", sign(key, request_string(params)))])


def certificate_sn(pem: str) -> str:
    """`app_cert_sn`: hex MD5 of the issuer, most specific name first, and the decimal serial number."""
    certificates = _readable(pem)
    if not certificates:
        raise BadKeyText("the text holds no readable certificate")
    return _sn(certificates[0])


def root_certificate_sn(bundle: str) -> str:
    """`alipay_root_cert_sn`: of all RSA-signed certificates of the bundle, joined with `_`.

    The official bundle also holds certificates that cannot be read here (SM2, an odd ECDSA one): those
    are not RSA-signed, so they are passed over.
    """
    rsa = [
        certificate
        for certificate in _readable(bundle)
        if certificate.signature_algorithm_oid.dotted_string.startswith(RSA_SIGNATURE_OIDS)
    ]
    if not rsa:
        raise BadKeyText("the bundle holds no RSA-signed certificate")
    return "_".join(_sn(certificate) for certificate in rsa)


def _readable(bundle: str) -> list[x509.Certificate]:
    found = []
    for block in _CERTIFICATE.findall(bundle)[:CERTIFICATES_MAX]:
        try:
            certificate = x509.load_pem_x509_certificate(block.encode())
            _ = certificate.issuer, certificate.signature_algorithm_oid
        except ValueError:
            continue
        found.append(certificate)
    return found


def _sn(certificate: x509.Certificate) -> str:
    issuer = ",".join(
        f"{_NAMES.get(name.oid, name.oid.dotted_string)}={_text(name.value)}"
        for name in reversed(list(certificate.issuer))
    )
    # MD5 is Alipay's name for a certificate, not a protection of anything.
    return hashlib.md5(f"{issuer}{certificate.serial_number}".encode(), usedforsecurity=False).hexdigest()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _join(params: Mapping[str, str]) -> str:
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if params[name])


def _der(text: str) -> bytes:
    bare = "".join(_ARMOUR.sub("", text).split())
    try:
        return base64.b64decode(bare, validate=True)
    except binascii.Error as error:
        raise BadKeyText("the key is not Base64, with or without PEM armour") from error
