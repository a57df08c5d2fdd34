"""`sps docs build` and `sps docs check`."""

from pathlib import Path

from sps_cli.documents.catalogue import differing, write


def build(folder: Path) -> int:
    """Write the documents and name those that changed."""
    changed = write(folder)
    for name in changed:
        print(f"written {folder / name}")
    if not changed:
        print("all documents are as the code says")
    return 0


def check(folder: Path) -> int:
    """Name the documents that differ from the code; 1 when there are any."""
    different = differing(folder)
    for name in different:
        print(f"{folder / name} is not what the code says; run: sps docs build")
    return 1 if different else 0
