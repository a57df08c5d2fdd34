"""Terraform for Alibaba Cloud, as far as it can be checked without the provider; deploy/terraform/README.md says how far."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from sps.eventlog.topics import MESSAGE_BYTES_MAX, TOPICS
from sps_cli.provision import WANTED

pytestmark = pytest.mark.deploy

HOUSE = Path(__file__).parents[2] / "deploy" / "terraform"
FOLDERS = ("node", "node/first-boot", "ack")
URL, DIGEST = "https://releases.example/release-1.tar.gz", "ab" * 32
WAY_IN = re.compile(r"LTAI\w{12,}|access_key\s*=|secret_key\s*=|password\s*=\s*\"")


def text_of(folder: str) -> str:
    """All files of a module, without comments."""
    files = sorted((HOUSE / folder).glob("*.tf"))
    assert files
    return re.sub(r"(?m)(^|\s)#.*$", "", "\n".join(file.read_text(encoding="utf-8") for file in files))


def terraform(*words: str, folder: Path = HOUSE) -> str:
    """Its answer; fails with what it says."""
    if shutil.which("terraform") is None:
        pytest.fail("terraform is missing: install 1.9 or newer")
    command = ["terraform", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 fixed words
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_file_is_formatted():
    terraform("fmt", "-check", "-recursive", "-diff")


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_mentioned_is_declared_and_what_is_declared_is_used(folder):
    text = text_of(folder)
    declared = {f"var.{name}" for name in re.findall(r'^variable "(\w+)"', text, re.MULTILINE)}
    mentioned = set(re.findall(r"\bvar\.\w+", text))
    assert mentioned == declared
    blocks = re.findall(r'^(resource|data) "(\w+)" "(\w+)"', text, re.MULTILINE)
    there = {f"{'data.' if kind == 'data' else ''}{what}.{name}" for kind, what, name in blocks}
    asked = set(re.findall(r"\b(?:data\.)?alicloud_\w+\.\w+", text))
    assert asked <= there
    locals_there = set(
        re.findall(
            r"^  (\w+) = ",
            "".join(re.findall(r"^locals \{.*?^\}", text, re.MULTILINE | re.DOTALL)),
            re.MULTILINE,
        )
    )
    assert {name.removeprefix("local.") for name in re.findall(r"\blocal\.\w+", text)} == locals_there
    modules = set(re.findall(r'^module "(\w+)"', text, re.MULTILINE))
    assert set(re.findall(r"\bmodule\.(\w+)", text)) == modules


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_variable_and_output_says_what_it_is(folder):
    blocks = re.findall(r'^(variable|output) "(\w+)" \{(.*?)^\}', text_of(folder), re.MULTILINE | re.DOTALL)
    assert blocks
    for kind, name, body in blocks:
        assert re.search(r'^  description = "\S', body, re.MULTILINE), name
        assert kind == "output" or re.search(r"^  type +=", body, re.MULTILINE), name


@pytest.mark.parametrize("folder", ["node", "ack"])
def test_the_provider_is_pinned_and_there_is_no_credential_and_no_open_door(folder):
    text = text_of(folder)
    assert re.search(r'source += "aliyun/alicloud"\s+version += "~> \d+\.\d+"', text)
    assert not WAY_IN.search(text)
    for rule in re.findall(
        r'"alicloud_security_group_rule" "\w+" \{(.*?)^\}', text, re.MULTILINE | re.DOTALL
    ):
        assert "0.0.0.0/0" not in rule
        assert re.search(r'port_range += "(\d+)/\1"', rule)


@pytest.mark.parametrize("folder", ["node", "ack"])
def test_the_example_gives_what_has_no_default(folder):
    wanted = {
        name
        for name, body in re.findall(
            r'^variable "(\w+)" \{(.*?)^\}', text_of(folder), re.MULTILINE | re.DOTALL
        )
        if not re.search(r"^  default", body, re.MULTILINE)
    }
    example = (HOUSE / folder / "terraform.tfvars.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+) +=", example, re.MULTILINE)) == wanted


def test_topics_and_databases_are_those_of_the_code():
    text = text_of("ack")
    topics = {name: int(count) for name, count in re.findall(r'"(sps\.[\w.]+)" += (\d+)', text)}
    assert topics == {topic.name: topic.partitions for topic in TOPICS.values()}
    assert re.search(r"local_topic += true", text)
    assert f'"kafka.message.max.bytes"   = "{MESSAGE_BYTES_MAX}"' in text
    assert set(re.findall(r'"(sps_\w+)"', text)) == set(WANTED)


@pytest.fixture(scope="module")
def first_boot(tmp_path_factory):
    """The module without provider, initialised beside the tree."""
    folder = tmp_path_factory.mktemp("first") / "boot"
    shutil.copytree(HOUSE / "node" / "first-boot", folder)
    terraform("init", "-input=false", "-no-color", folder=folder)
    return folder


def test_the_first_boot_is_valid_and_keeps_what_its_own_tests_say(first_boot):
    terraform("validate", "-no-color", folder=first_boot)
    assert "4 passed, 0 failed" in terraform("test", "-no-color", folder=first_boot)


def test_the_first_boot_is_yaml_and_a_script_that_a_shell_can_read(first_boot, tmp_path):
    given = ("-var", f"release_url={URL}", "-var", f"release_sha256={DIGEST}")
    terraform("apply", "-auto-approve", "-input=false", "-no-color", *given, folder=first_boot)
    document = yaml.safe_load(
        json.loads(terraform("output", "-json", folder=first_boot))["user_data"]["value"]
    )
    (file,) = document["write_files"]
    assert document["runcmd"] == [[file["path"]]]
    script = tmp_path / "install-node"
    script.write_bytes(base64.b64decode(file["content"]))
    checked = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert checked.returncode == 0, checked.stderr
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert text.index(DIGEST) < text.index("tar --extract") < text.index("deploy/systemd/install.sh")
