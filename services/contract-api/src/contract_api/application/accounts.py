"""Merchants, their API keys and sessions. Only hashes of secrets are kept."""

import secrets
from typing import Final

from contract_api.application.ports import Principal, SecretKind, Store
from contract_api.core.credentials import (
    BUYER,
    MERCHANT_LIVE,
    MERCHANT_TEST,
    RANDOM_BYTES,
    SESSION,
    digest,
    make_secret,
    well_formed,
)
from sps import identifiers
from sps.runtime.clock import Clock
from sps.runtime.errors import Refusal
from sps.runtime.ids import new_id

SESSION_MS: Final = 12 * 3_600_000
NAME_MAX: Final = 120


class Accounts:
    """Registration and recognition."""

    def __init__(self, store: Store, clock: Clock, *, open_registration: bool, live: bool) -> None:
        self._store = store
        self._clock = clock
        self._open = open_registration
        self._prefix = MERCHANT_LIVE if live else MERCHANT_TEST

    async def register(self, name: str) -> tuple[str, str]:
        """A new merchant: (id, API key). The key is shown once."""
        if not self._open:
            raise Refusal("REGISTRATION_CLOSED", "ask the operator of this installation for an API key")
        if not 1 <= len(name.strip()) <= NAME_MAX or "\0" in name:
            raise Refusal("NAME_BAD", f"give a name of 1 to {NAME_MAX} characters, none of them NUL")
        merchant = new_id(identifiers.MERCHANT, self._clock)
        key = self._secret(self._prefix)
        now_ms = self._clock.now_ms()
        async with self._store.writing() as work:
            await work.add_merchant(merchant, name.strip(), now_ms)
            await work.add_secret(
                digest(key), "api_key", Principal(merchant=merchant), key[-4:], now_ms, None
            )
        return merchant, key

    async def open_session(self, merchant: str) -> str:
        """A session secret for the pages, good for twelve hours."""
        secret = self._secret(SESSION)
        now_ms = self._clock.now_ms()
        async with self._store.writing() as work:
            await work.add_secret(
                digest(secret),
                "session",
                Principal(merchant=merchant),
                secret[-4:],
                now_ms,
                now_ms + SESSION_MS,
            )
        return secret

    async def close_session(self, secret: str) -> None:
        """The session is over at once, wherever its cookie still lies."""
        async with self._store.writing() as work:
            await work.revoke_secret(digest(secret), self._clock.now_ms())

    async def recognise(self, secret: str) -> Principal | None:
        """Who shows this secret; a typo is refused before any query."""
        if not well_formed(secret):
            return None
        kind: SecretKind = "api_key"
        if secret.startswith(BUYER):
            kind = "buyer"
        elif secret.startswith(SESSION):
            kind = "session"
        async with self._store.reading() as work:
            return await work.principal_of(digest(secret), kind, self._clock.now_ms())

    async def name_of(self, merchant: str) -> str:
        """How the merchant calls itself; empty when unknown."""
        async with self._store.reading() as work:
            return await work.merchant_name(merchant) or ""

    def _secret(self, prefix: str) -> str:
        return make_secret(prefix, secrets.token_bytes(RANDOM_BYTES))
