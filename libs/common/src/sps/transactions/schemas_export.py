"""The JSON Schemas of all transactions, from the vocabulary: `python -m sps.transactions.schemas_export`.

The files in `schemas/` are for those who do not run this code; a test fails when they and the vocabulary
drift apart. A schema describes the shape only; the one canonical spelling is `sps.transactions.codec`'s.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from sps.transactions.vocabulary import Fact, Transaction

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FOLDER: Final = Path(__file__).with_name("schemas")


def kinds() -> dict[str, type[Fact]]:
    """Every kind of transaction by its tag, in the order of the vocabulary."""
    return {str(kind.__struct_config__.tag): kind for kind in get_args(Transaction)}


def schema_of(tag: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind."""
    return {"$schema": DIALECT, "$id": f"urn:sps:transaction:{tag}", **msgspec.json.schema(kinds()[tag])}


def schema_text(tag: str) -> str:
    """The exact text of the schema's file."""
    return json.dumps(schema_of(tag), indent=2, sort_keys=True) + "\n"


def export(folder: Path = FOLDER) -> list[Path]:
    """Write one file for each kind and return their paths; files of no kind are left alone."""
    folder.mkdir(exist_ok=True)
    paths = []
    for tag in kinds():
        path = folder / f"{tag}.json"
        path.write_text(schema_text(tag), encoding="utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    sys.stdout.write(f"{len(export())} schemas written to {FOLDER}\n")
