"""Signatures that cost nothing: a hash that only the holder of a key is polite enough to make."""

import hashlib

from consensus_node.core.authority import Sign
from sps.signing import Domain


def fake_signature(public_key: bytes, domain: Domain, body: bytes) -> bytes:
    """64 bytes that depend on key, domain and body."""
    return hashlib.blake2b(body, key=public_key, person=bytes((domain,)), digest_size=64).digest()


def fake_signer(public_key: bytes) -> Sign:
    """What signs for one seat."""

    def sign(domain: Domain, _chain_id: bytes, body: bytes) -> bytes:
        return fake_signature(public_key, domain, body)

    return sign


def fake_verify(public_key: bytes, domain: Domain, _chain_id: bytes, body: bytes, signature: bytes) -> bool:
    """What checks for everybody."""
    return fake_signature(public_key, domain, body) == signature
