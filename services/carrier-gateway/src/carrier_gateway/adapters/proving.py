"""What every proof of origin shares: one clock for right and wrong, bounds first, several live secrets.

During a rotation two secrets are live; all are tried, always all of them, so that time tells nothing.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

WEBHOOK_BYTES_MAX: Final = 256 * 1024
SECRETS_MAX: Final = 2


def any_equal(given: str, secrets: Iterable[str]) -> bool:
    """Compare with every secret in constant time. An empty secret fits nothing."""
    # Hashed first: equal lengths whatever was sent, and non-ASCII text is allowed.
    found = False
    sent = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
    for secret in secrets:
        same = hmac.compare_digest(sent, hashlib.sha256(secret.encode()).digest())
        found = (same and bool(secret)) or found
    return found
