"""Carries out a Containerfile without a container engine: its own lines, read and done one after the other.

What it knows is what the file uses: ARG, FROM, ENV, LABEL, RUN, COPY, WORKDIR, STOPSIGNAL, USER, ENTRYPOINT.
Anything else is refused, so that no line is passed over in silence.
"""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field
from root_kit import Root, registry_environment

WORD: Final = re.compile(r"^([A-Z]+)\s+(.*)$", re.DOTALL)
VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
KNOWN: Final = {"ARG", "ENV", "LABEL", "RUN", "COPY", "WORKDIR", "STOPSIGNAL", "USER", "ENTRYPOINT"}


class Stage(Struct):
    """A part of the file from one FROM to the next."""

    base: str
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)


class Image(Struct):
    """What a stage has come to."""

    root: Root
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)


def stages(text: str) -> dict[str, Stage]:
    """The stages by their names, in order; those of the whole file's ARGs are under ``."""
    found = {"": Stage("", "")}
    now = found[""]
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in filter(str.strip, lines.replace("\\\n", " ").splitlines()):
        match = WORD.match(line.strip())
        assert match, line
        word, rest = match.groups()
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            now = found[name] = Stage(base, name)
        else:
            assert word in KNOWN, line
            now.lines.append((word, rest))
    return found


class Builder:
    """Builds the stages of a file, each once."""

    def __init__(self, text: str, context: Path, debian: Path, work: Path, given: Mapping[str, str]) -> None:
        self._stages = stages(text)
        self._context = context
        self._debian = debian
        self._work = work
        self._given = dict(given)
        self.built: dict[str, Image] = {}

    def build(self, name: str) -> Image:
        """The image of a stage."""
        if name not in self.built:
            stage = self._stages[name]
            image = self._base(stage)
            for word, rest in stage.lines:
                self._do(image, word, rest)
            self.built[name] = image
        return self.built[name]

    def _base(self, stage: Stage) -> Image:
        layer = self._work / stage.name
        if stage.base not in self._stages:  # an image of a registry: our Debian takes its place
            (layer / "layer").mkdir(parents=True)
            return Image(Root(layer / "layer", (self._debian,)))
        below = self.build(stage.base)
        return Image(
            below.root.over(layer), dict(below.environment), dict(below.labels), {}, below.workdir,
            below.user, list(below.entrypoint),
        )  # fmt: skip

    def _do(self, image: Image, word: str, rest: str) -> None:
        text = VARIABLE.sub(lambda found: (image.arguments | image.environment)[found[1]], rest)
        match word:
            case "ARG":
                name, _, usual = text.partition("=")
                image.arguments[name] = self._given.get(name, usual)
            case "ENV":
                image.environment |= _pairs(text)
            case "LABEL":
                image.labels |= _pairs(text)
            case "RUN":  # variables are the shell's business
                self._run(image, rest)
            case "COPY":
                self._copy(image, text)
            case "WORKDIR":
                image.workdir = text
            case "USER":
                image.user = text
            case "ENTRYPOINT":
                image.entrypoint = json.loads(text)

    def _run(self, image: Image, command: str) -> None:
        path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        variables = path | registry_environment() | image.arguments | image.environment
        binds = {"/etc/resolv.conf": "/etc/resolv.conf"}
        image.root.run(["/bin/sh", "-c", command], variables, user=image.user, binds=binds)

    def _copy(self, image: Image, text: str) -> None:
        words = shlex.split(text)
        source = words.pop(0).partition("=")[2] if words[0].startswith("--from=") else ""
        *paths, target = words
        if source:
            self._copy_from(image, source, paths[0], target)
            return
        for path in paths:
            assert (self._context / path).exists(), path
            self._copy_tree(image, self._context / path, target)

    def _copy_from(self, image: Image, source: str, path: str, target: str) -> None:
        """Both roots at once: the source's is mounted around the command that writes into ours."""
        lower = self.build(source).root
        for layer in (*reversed(lower.below), lower.top):
            if (layer / path.lstrip("/")).exists():
                self._copy_tree(image, layer / path.lstrip("/"), target)

    def _copy_tree(self, image: Image, source: Path, target: str) -> None:
        binds = {str(source): "/run/copied"}
        end = "/run/copied/. " if source.is_dir() else "/run/copied "
        folder = target if source.is_dir() or target.endswith("/") else str(Path(target).parent)
        if target.endswith("/") and not source.is_dir():
            target += source.name
        command = f"mkdir -p {folder} && cp -r --preserve=mode,links {end} {target}"
        image.root.run(["/bin/sh", "-c", command], {"PATH": "/usr/bin:/bin"}, binds=binds)


def _pairs(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(text))
