"""Which secrets are ours to invent. Others come from a person: a carrier, provider or server gave them."""

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sps.signing import KEY_BYTES
from sps_cli.kubernetes.private_files import keep, kept
from sps_cli.kubernetes.rendered import VALIDATORS, Wanted
from sps_cli.provider_keys import make_provider_keys
from sps_cli.wiring import SANDBOX

Invent = Callable[[], str]

PRODUCERS: Final = frozenset({"contract-api", "carrier-gateway", "payment-gateway", "settlement"})


def _seed() -> str:
    return secrets.token_hex(KEY_BYTES)


def _token() -> str:
    return secrets.token_urlsafe(32)


OURS: Final[dict[str, Invent]] = {
    "key": _seed,
    "custody-key": _seed,
    "tracking-pepper": _seed,
    "internal-token": _token,
    "password": _token,
    "dhl-hook-path": _token,
    "dhl-hook-token": _token,
}
"""Keys that nobody outside the installation gives us."""

_OF_THE_SANDBOX: Final[dict[str, Invent]] = {
    "dhl-api-key": _token,
    "easypost-api-key": _token,
    "easypost-webhook-secret": _token,
    "stripe-secret-key": lambda: f"sk_test_{secrets.token_hex(16)}",
    "stripe-webhook-secret": lambda: f"whsec_{secrets.token_hex(24)}",
}
"""What carriers and providers would give us, where the sandbox stands in their place."""


def inventor(folder: Path, components: frozenset[str]) -> Callable[[Wanted], str | None]:
    """The content of a key, or None when a person has to give it. `folder`: keeps what both sides know."""
    agreed = _agreed(folder) if SANDBOX in components else {}

    def invented(wanted: Wanted) -> str | None:
        given = agreed.get((wanted.owner, wanted.key))
        if given is not None:
            return given
        return OURS[wanted.key]() if wanted.key in OURS and _is_ours(wanted) else None

    return invented


def _is_ours(wanted: Wanted) -> bool:
    """A validator's `kafka.key` is not its `key`; and only those who sign have one."""
    return wanted.key != "key" or wanted.owner in PRODUCERS or wanted.owner.startswith(VALIDATORS)


def _agreed(folder: Path) -> Mapping[tuple[str, str], str]:
    """What the sandbox and the gateways have to know alike, by component and key."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys, words = (
        make_provider_keys(folder),
        {name: _word(folder / name, new) for name, new in _OF_THE_SANDBOX.items()},
    )
    certificates = {
        "alipay-app-certificate": keys.app_certificate,
        "alipay-root-certificate": keys.root_certificate,
    }
    sandbox = words | certificates
    sandbox |= {"alipay-private-key": keys.alipay_private, "merchant-public-key": keys.merchant_public}
    payment = {"stripe-secret-key": words["stripe-secret-key"]} | certificates
    payment |= {"alipay-private-key": keys.merchant_private, "alipay-public-key": keys.alipay_public}
    payment["stripe-webhook-secrets"] = json.dumps([words["stripe-webhook-secret"]])
    carrier = {name: word for name, word in words.items() if not name.startswith("stripe")}
    sides = {SANDBOX: sandbox, "payment-gateway": payment, "carrier-gateway": carrier}
    return {(component, key): text for component, side in sides.items() for key, text in side.items()}


def _word(path: Path, new: Invent) -> str:
    found = kept(path)
    return keep(path, new()) if found is None else found
