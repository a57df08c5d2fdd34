"""Files that only their owner may read: whole or not at all, made once."""

import os
from pathlib import Path


def kept(path: Path) -> str | None:
    """The text of a file, without one newline at its end; None when there is none."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except FileNotFoundError:
        return None


def keep(path: Path, text: str) -> str:
    """Write it, readable by the owner alone, in a folder that is as closed; returns the text."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.draft")
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return text
