"""Asks each address that is given whether the process there is ready, until all are or the time is over."""

import http.client
import sys
import time
import urllib.request
from collections.abc import Sequence
from typing import Final

LIMIT_S: Final = 60.0
ASK_S: Final = 3.0
PAUSE_S: Final = 1.0

_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ready(url: str) -> bool:
    """Whether the monitor there says so now."""
    try:
        with _direct.open(url, timeout=ASK_S) as answer:
            return bool(answer.status == http.client.OK)
    except (OSError, http.client.HTTPException):
        return False


def main(urls: Sequence[str], limit_s: float = LIMIT_S) -> int:
    """0 when all have been ready within the time; who has not is named."""
    end = time.monotonic() + limit_s
    waiting = list(urls)
    while waiting := [url for url in waiting if not ready(url)]:
        if time.monotonic() > end:
            sys.stderr.write("".join(f"not ready: {url}\n" for url in waiting))
            return 1
        time.sleep(PAUSE_S)
    sys.stdout.write(f"{len(urls)} processes are ready\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
