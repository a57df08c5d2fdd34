"""Writes the description of the REST API: `python -m contract_api.entrypoints.openapi_export`.

`docs/openapi.json` is for those who do not run this code; a test fails when it and the routes drift apart.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, cast

from contract_api.entrypoints.rest import UseCases, install_rest
from sps.runtime.http import create_app

FILE: Final = Path("docs") / "openapi.json"


def openapi_text() -> str:
    """The exact text of the file. Nothing is called, so there is nothing behind the routes."""
    nothing = cast("Any", None)
    app = create_app("contract-api", openapi_url="/openapi.json")
    install_rest(app, UseCases(*[nothing] * len(UseCases.__struct_fields__)), b"")
    return json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(openapi_text(), encoding="utf-8")
    sys.stdout.write(f"written to {FILE}\n")
