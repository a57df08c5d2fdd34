"""Addresses that a carrier tells us: only its own hosts may ever be called (server-side request forgery).

Allowed is exactly the origin of the configured base URL, and https on port 443 of the hosts that are named.
"""

from typing import Final

import httpx

HTTPS_PORT: Final = 443
_PORTS: Final = {"http": 80, "https": HTTPS_PORT}


class GuardedUrls:
    """Knows a carrier's base URL and the further hosts that belong to it."""

    def __init__(self, base_url: str, hosts: tuple[str, ...]) -> None:
        self._base = httpx.URL(base_url)
        self._hosts = frozenset(host.lower() for host in hosts)

    def allows(self, text: str, path_prefix: str = "") -> bool:
        """Tell whether our worker may call this address; `path_prefix` narrows it further."""
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, UnicodeError, ValueError):
            return False
        if url.userinfo or not url.host or "\\" in text or ".." in url.path:
            return False
        return (_origin(url) == _origin(self._base) or self._is_known_https(url)) and path_prefix in url.path

    def _is_known_https(self, url: httpx.URL) -> bool:
        return url.scheme == "https" and url.port in {None, HTTPS_PORT} and url.host.lower() in self._hosts


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return (url.scheme, url.host.lower(), url.port or _PORTS.get(url.scheme))
