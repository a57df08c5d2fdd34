"""EasyPost's `X-Hmac-Signature`: HMAC-SHA256 over the raw body in hex, key = the secret after NFKD."""

import hmac
import unicodedata


def easypost_signature(secret: str, body: bytes) -> str:
    """The header's value."""
    return (
        "hmac-sha256-hex=" + hmac.digest(unicodedata.normalize("NFKD", secret).encode(), body, "sha256").hex()
    )
