"""Where this node reads on: hints only, so a lost or old file costs reading again and nothing else."""

import json
from pathlib import Path
from typing import Final

FILE_BYTES_MAX: Final = 64 * 1024


class Offsets:
    """Next offset per topic and partition, kept in one small file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next: dict[str, int] = {}

    def load(self) -> None:
        """Read the file; whatever does not read counts as no hint."""
        try:
            raw = self._path.read_bytes()[:FILE_BYTES_MAX]
            stored = json.loads(raw)
        except (OSError, ValueError):
            stored = {}
        pairs = stored.items() if isinstance(stored, dict) else ()
        self._next = {key: value for key, value in pairs if type(value) is int and value >= 0}

    def get(self, topic: str, partition: int) -> int:
        return self._next.get(f"{topic}/{partition}", 0)

    def put(self, topic: str, partition: int, following: int) -> None:
        """All records below `following` are handled, and what they brought is durable."""
        self._next[f"{topic}/{partition}"] = following

    def save(self) -> None:
        """Replace the file as a whole."""
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._next, indent=0, sort_keys=True))
        draft.replace(self._path)
