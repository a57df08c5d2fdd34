"""Reads settings from the environment and says everything that is wrong with them at once, never a value.

A secret may lie in a file: `<NAME>_FILE` names it (a mounted Kubernetes secret). Lists and objects are JSON.
"""

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Generic, TypeVar, Union, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

Loaded = TypeVar("Loaded", bound=BaseSettings)

SECRET_BYTES_MAX: Final = 64 * 1024
"""A secret's file may have as much as this; the largest is a bundle of certificates."""
FILE: Final = "_FILE"
LIKENESS: Final = 0.6
_SERVICE_LINK: Final = re.compile(r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")
_LINK_HINT: Final = "Kubernetes made it for a service of this name: set enableServiceLinks: false"


class SettingProblem(Struct, frozen=True):
    """One thing that is wrong. `code`: SETTING_UNKNOWN, SETTING_MISSING or SETTING_BAD."""

    code: str
    variable: str
    message: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.message}" if self.variable else self.message


class Reading(Struct, Generic[Loaded], frozen=True):
    """The settings, or why there are none."""

    settings: Loaded | None
    problems: tuple[SettingProblem, ...]
    legible: Loaded
    """Only what could be read of them; the others are missing. For whoever looks at more than one fault."""


class _Bad(Exception):
    """One variable cannot be read; the message never holds its value."""


def read_environment(kind: type[Loaded], environment: Mapping[str, str] | None = None) -> Reading[Loaded]:
    """Read the variables with the prefix of `kind`; nothing else is looked at."""
    prefix = prefix_of(kind)
    given = _given(prefix, os.environ if environment is None else environment)
    problems = list(_unknown(kind, given))
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        variable = f"{prefix}{name}".upper()
        try:
            values.update(_value_of(name, variable, field, given))
        except _Bad as bad:
            problems.append(SettingProblem("SETTING_BAD", variable, str(bad)))
    found, wrong = _validated(kind, values)
    unread = {problem.variable for problem in problems}
    problems += [problem for problem in wrong if problem.variable not in unread]
    legible = _legible(kind, values, {problem.variable for problem in problems})
    return Reading(None if problems else found, tuple(problems), legible)


def prefix_of(kind: type[BaseSettings]) -> str:
    """The beginning of all variables of these settings, with its underscore."""
    return str(kind.model_config.get("env_prefix", "")).upper()


def may_lie_in_a_file(field: FieldInfo) -> bool:
    """A secret, or a setting that holds one (it is not shown either)."""
    return _mentions(field.annotation, SecretStr) or field.repr is False


def _given(prefix: str, environment: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in environment.items() if name.upper().startswith(prefix)}


def _unknown(kind: type[BaseSettings], given: Mapping[str, str]) -> Iterator[SettingProblem]:
    prefix = prefix_of(kind)
    plain = {name.upper(): field for name, field in kind.model_fields.items()}
    known = [*plain, *(name + FILE for name, field in plain.items() if may_lie_in_a_file(field))]
    for name in sorted({variable.removeprefix(prefix) for variable in given} - set(known)):
        yield SettingProblem(
            "SETTING_UNKNOWN", prefix + name, f"there is no such setting; {_hint(prefix, name, known)}"
        )


def _hint(prefix: str, name: str, known: list[str]) -> str:
    if _SERVICE_LINK.fullmatch(name):
        return _LINK_HINT
    near = difflib.get_close_matches(name, known, n=1, cutoff=LIKENESS)
    return f"is {prefix}{near[0]} meant?" if near else "see docs/configuration.md"


def _value_of(
    name: str, variable: str, field: FieldInfo, given: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    """The name with its value, when one is given."""
    text, path = given.get(variable), None
    if may_lie_in_a_file(field):
        path = given.get(variable + FILE)
    if text is not None and path is not None:
        raise _Bad(f"{variable + FILE} is given as well; give one of the two")
    if path is not None:
        text = _secret_in(path)
    if text is None:
        return
    if name == "port" and text.startswith("tcp://"):
        raise _Bad(_LINK_HINT)
    yield name, _parsed(text) if _is_structured(field.annotation) else text


def _secret_in(path: str) -> str:
    """The text of a secret's file without the newline at its end."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(SECRET_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise _Bad(f"its file cannot be read: {reason}") from None
    if len(raw) > SECRET_BYTES_MAX:
        raise _Bad(f"its file has more than {SECRET_BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _Bad("its file is not text") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise _Bad('write it as JSON, a list for example as ["one", "two"]') from None


def _validated(kind: type[Loaded], values: Mapping[str, Any]) -> tuple[Loaded | None, list[SettingProblem]]:
    prefix = prefix_of(kind)
    try:
        return kind.model_validate(values), []
    except ValidationError as error:
        return None, [_problem(prefix, problem) for problem in error.errors(include_input=False)]


def _legible(kind: type[Loaded], values: Mapping[str, Any], bad: set[str]) -> Loaded:
    prefix = prefix_of(kind)
    good = {
        name: TypeAdapter(_whole_annotation(field)).validate_python(values[name])
        for name, field in kind.model_fields.items()
        if name in values and f"{prefix}{name}".upper() not in bad
    }
    settings = kind.model_construct(None, **good)
    for name in kind.model_fields:
        if f"{prefix}{name}".upper() in bad:
            settings.__dict__.pop(name, None)
    return settings


def _whole_annotation(field: FieldInfo) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _problem(prefix: str, problem: Mapping[str, Any]) -> SettingProblem:
    place = [str(step) for step in problem["loc"]]
    variable = f"{prefix}{place[0]}".upper() if place else ""
    inner = ".".join(place[1:])
    missing = problem["type"] == "missing"
    message = "it must be given" if missing else str(problem["msg"]).removeprefix("Value error, ")
    return SettingProblem(
        "SETTING_MISSING" if missing and not inner else "SETTING_BAD",
        variable,
        f"{inner}: {message}" if inner else message,
    )


def _is_structured(annotation: Any) -> bool:
    """A list or an object, alone or beside nothing."""
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        return any(map(_is_structured, get_args(annotation)))
    if origin in {tuple, list, dict}:
        return True
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _mentions(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_mentions(each, kind) for each in get_args(annotation))
