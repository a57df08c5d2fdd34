"""One key, one effect: what identifies a repeated request, and what a repeat is answered.

Scope is (account, key). The fingerprint covers method, route and the exact meaning of the body, so that a
key cannot be used for something else by mistake.
"""

import hashlib
import re
from typing import Any, Final, Literal

from sps.canonical import encode

KEY_MAX: Final = 255
REPLAY_MS: Final = 7 * 86_400_000
"""For so long the byte-identical answer is replayed; afterwards the resource as it is then."""

_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{KEY_MAX}}}", re.ASCII)

Verdict = Literal["new", "replay", "running", "other_request"]


def valid_key(key: str) -> bool:
    """1 to 255 visible ASCII characters."""
    return bool(_KEY.fullmatch(key))


def fingerprint(method: str, route: str, body: Any) -> str:
    """Hex SHA-256 over method, route and canonical body."""
    return hashlib.sha256(encode([method, route, body])).hexdigest()


def verdict(known_print: str | None, print_: str, done: bool) -> Verdict:
    """What to do with a request whose key is known with `known_print` (None: unknown)."""
    if known_print is None:
        return "new"
    if known_print != print_:
        return "other_request"
    return "replay" if done else "running"
