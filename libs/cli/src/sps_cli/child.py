"""`python -m sps_cli.child MODULE`: run a service until it ends, or until whoever started it is gone.

The starter holds the other end of our standard input. When it dies, even by SIGKILL, that end closes and the
service is asked to stop as by SIGTERM: nobody is left behind who would vote or pay unwatched.
"""

import os
import runpy
import signal
import sys
import threading
from typing import Final

READ_BYTES: Final = 64


def _until_alone() -> None:
    while os.read(sys.stdin.fileno(), READ_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    module = sys.argv[1]
    threading.Thread(target=_until_alone, name="starter", daemon=True).start()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
