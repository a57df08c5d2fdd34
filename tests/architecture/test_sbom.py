"""The images' bill of materials says what the lock file says, no more and no less."""

import json
import re
from pathlib import Path

from sps.runtime.monitor import version
from sps_cli.documents.sbom import pins, sbom

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
BILL = ROOT / "deploy" / "images" / "sbom.cdx.json"


def test_the_bill_of_materials_is_as_the_lock_file_says():
    assert BILL.read_text(encoding="utf-8") == sbom(LOCK, version()), "run: sps docs sbom"


def test_every_pin_is_a_component_with_all_its_hashes():
    components = json.loads(BILL.read_text(encoding="utf-8"))["components"]
    found = {each["name"]: each for each in components}
    lines = re.findall(r"^([a-z0-9-]+)==(\S+) \\$", LOCK, re.MULTILINE)
    assert {(name, each["version"]) for name, each in found.items()} == set(lines)
    hashes = [one["content"] for each in components for one in each["externalReferences"][0]["hashes"]]
    assert hashes == re.findall(r"--hash=sha256:(\w+)", LOCK)


def test_everything_hangs_together():
    document = json.loads(BILL.read_text(encoding="utf-8"))
    below = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
    seen, waiting = set(), [document["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in seen:
            seen.add(ref)
            waiting += below[ref]
    assert seen == set(below), "a package that nobody needs"
    assert {each["bom-ref"] for each in document["components"]} == seen - {
        document["metadata"]["component"]["bom-ref"]
    }


def test_a_name_is_written_as_package_urls_want_it():
    lock = (
        "Some_Thing.x==1.2 \\\n    --hash=sha256:"
        + "0" * 64
        + "\n    # via\n    #   -r a.in\n    #   other\n"
    )
    (pin,) = pins(lock)
    assert (pin.purl, pin.via, len(pin.hashes)) == ("pkg:pypi/some-thing-x@1.2", ("-r a.in", "other"), 1)
