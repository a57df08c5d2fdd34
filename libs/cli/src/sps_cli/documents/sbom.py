"""The bill of materials of the images, from the lock file: CycloneDX 1.6 as JSON.

Components are the strangers that `requirements/runtime.txt` pins, each with the hashes of the archives that
may be installed, and who needs whom. No clock and no chance: the same lock gives the same bytes. What Debian
brings is listed by the image itself (`/var/lib/dpkg/status`).
"""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

APPLICATION: Final = "smart-payment-service"
SPEC: Final = "1.6"
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA: Final = re.compile(r"^ +# +(?:via )?(\S.*)$", re.MULTILINE)
_ASKED_FOR: Final = "-r "


class Pin(Struct, frozen=True):
    """A package of the lock file; `via` names those that need it, `-r …` when we do."""

    name: str
    version: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL; names no registry."""
        return f"pkg:pypi/{self.name}@{self.version}"


def pins(lock: str) -> tuple[Pin, ...]:
    """What a lock file of pip-compile pins, in its order."""
    return tuple(_pins(lock))


def _pins(lock: str) -> Iterator[Pin]:
    found = list(_PIN.finditer(lock))
    ends = [each.start() for each in found[1:]] + [len(lock)]
    for pin, end in zip(found, ends, strict=True):
        body = lock[pin.end() : end]
        via = tuple(name for name in _VIA.findall(body) if name != "via")
        yield Pin(re.sub(r"[-_.]+", "-", pin[1]).lower(), pin[2], tuple(_HASH.findall(body)), via)


def sbom(lock: str, version: str) -> str:
    """The document; `version` is our own."""
    found = pins(lock)
    application = f"pkg:generic/{APPLICATION}@{version}"
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, application + lock)}",
        "version": 1,
        "metadata": {"component": _application(application, version)},
        "components": [_component(pin) for pin in found],
        "dependencies": _dependencies(found, application),
    }
    return json.dumps(document, indent=1) + "\n"


def _application(ref: str, version: str) -> dict[str, Any]:
    licence = [{"license": {"id": "Apache-2.0"}}]
    return {
        "type": "application",
        "bom-ref": ref,
        "name": APPLICATION,
        "version": version,
        "licenses": licence,
    }


def _component(pin: Pin) -> dict[str, Any]:
    archives = {
        "type": "distribution",
        "url": pin.purl,
        "comment": "one of these archives is installed",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.hashes],
    }
    return {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
        "externalReferences": [archives],
    }


def _dependencies(found: tuple[Pin, ...], application: str) -> list[dict[str, Any]]:
    refs = {pin.name: pin.purl for pin in found}
    needs: dict[str, list[str]] = {application: [], **{pin.purl: [] for pin in found}}
    for pin in found:
        for who in pin.via:
            needs[application if who.startswith(_ASKED_FOR) else refs[who]].append(pin.purl)
    return [{"ref": ref, "dependsOn": sorted(below)} for ref, below in needs.items()]
