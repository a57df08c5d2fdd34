"""Alipay's signature RSA2: SHA256withRSA (PKCS#1 v1.5), Base64, over sorted `name=value` pairs joined by `&`.

A request signs all but `sign` and empty values. A notify leaves `sign_type` out as well. A message of the
message service keeps it. A synchronous answer signs the exact text of its one member.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

_ARMOUR: Final = re.compile(r"-----[A-Z0-9 ]+-----")
_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_RSA: Final = "1.2.840.113549.1.1."
_SHORT: Final = {
    "2.5.4.3": "CN",
    "2.5.4.11": "OU",
    "2.5.4.10": "O",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
}


class BadKey(ValueError):
    """The text is no key or certificate of the kind that is needed."""


def private_key(text: str) -> RSAPrivateKey:
    """PKCS#1 or PKCS#8, with or without armour; `ValueError` for anything else."""
    key = load_der_private_key(_bare(text), None)
    if not isinstance(key, RSAPrivateKey):
        raise BadKey("Alipay signs with an RSA key")
    return key


def public_key(text: str) -> RSAPublicKey:
    """SubjectPublicKeyInfo with or without armour; `ValueError` for anything else."""
    key = load_der_public_key(_bare(text))
    if not isinstance(key, RSAPublicKey):
        raise BadKey("the merchant signs with an RSA key")
    return key


def request_text(fields: Mapping[str, str]) -> str:
    """What the merchant signs."""
    return _text(fields, {"sign"})


def notify_text(fields: Mapping[str, str]) -> str:
    """What Alipay signs in a notify of a trade and in the parameters of the way back."""
    return _text(fields, {"sign", "sign_type"})


def signed(key: RSAPrivateKey, text: str) -> str:
    """The signature in Base64."""
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def is_signed(key: RSAPublicKey, text: str, signature: str) -> bool:
    """Whether the signature is the key's; anything malformed is not."""
    try:
        key.verify(base64.b64decode(signature, validate=True), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def certificate_serial(pem: str) -> str:
    """`app_cert_sn`: the serial of the first certificate."""
    return _serial(_certificates(pem)[0])


def root_serial(bundle: str) -> str:
    """`alipay_root_cert_sn`: the serials of the RSA-signed certificates, joined with `_`."""
    return "_".join(
        _serial(each)
        for each in _certificates(bundle)
        if each.signature_algorithm_oid.dotted_string.startswith(_RSA)
    )


def _certificates(bundle: str) -> list[x509.Certificate]:
    readable = []
    for block in _BLOCK.findall(bundle):
        try:
            readable.append(x509.load_pem_x509_certificate(block.encode()))
        except ValueError:
            continue  # the official bundle holds certificates that are not RSA and cannot be read
    if not readable:
        raise BadKey("there is no certificate in the text")
    return readable


def _serial(certificate: x509.Certificate) -> str:
    issuer = [
        f"{_SHORT.get(part.oid.dotted_string, part.oid.dotted_string)}={part.value!s}"
        for part in certificate.issuer
    ]
    text = ",".join(reversed(issuer)) + str(certificate.serial_number)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _text(fields: Mapping[str, str], without: set[str]) -> str:
    return "&".join(
        f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name not in without
    )


def _bare(text: str) -> bytes:
    return base64.b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)
