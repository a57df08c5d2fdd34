"""`docs/configuration.md`: every setting of every service, from the classes that read them."""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

import carrier_gateway.settings
import consensus_node.settings
import contract_api.settings
import payment_gateway.settings
import sandbox.settings
import settlement.settings
from sps.runtime.environment import may_lie_in_a_file
from sps_cli.documents.attribute_docs import attribute_docs
from sps_cli.documents.markdown import code, page, table

SERVICES: Final[dict[str, type[BaseSettings]]] = {
    "contract-api": contract_api.settings.Settings,
    "consensus-node": consensus_node.settings.Settings,
    "carrier-gateway": carrier_gateway.settings.Settings,
    "payment-gateway": payment_gateway.settings.Settings,
    "settlement": settlement.settings.Settings,
    "sandbox": sandbox.settings.Settings,
}

_WORDS: Final[dict[Any, str]] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "**secret** text",
    NoneType: "nothing",
}

_LEAD: Final = (
    "Every setting is an environment variable of its service. An unknown variable with a service's prefix, a "
    "missing required one and a value out of bounds are refused at the start, all at once and by name. Lists "
    'and objects are written as JSON: `["one", "two"]`. A secret may lie in a file instead, which `…_FILE` '
    "names (a mounted Kubernetes secret; one newline at its end is left out); both at once are refused. "
    "Secrets never appear in logs or on pages. `sps doctor` reads the same variables and says all that is "
    "wrong with them, with files and with servers, before anything starts. `sps up` gives every service its "
    "settings itself."
)
_COMMIT: Final = (
    "Besides, every process reads `SPS_COMMIT`, the commit from which its image was built, and shows it in "
    "`sps_build_info`."
)


class Setting(BaseModel):
    """One setting as it is shown."""

    variable: str
    kind: str
    default: str
    bounds: str
    meaning: str
    secret: bool


def configuration() -> str:
    """The page."""
    parts = []
    for service, kind in SERVICES.items():
        rows = [
            (code(each.variable), each.kind, each.default, each.bounds, each.meaning)
            for each in settings_of(kind)
        ]
        parts.append(f"## {service}")
        parts.append(table(("variable", "type", "default", "bounds", "meaning"), rows))
    return page("Configuration", _LEAD, [_COMMIT, *parts])


def settings_of(kind: type[BaseSettings]) -> Iterator[Setting]:
    """The settings of one service, in the order in which they are declared."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    docs = attribute_docs(kind)
    for name, field in kind.model_fields.items():
        yield Setting(
            variable=f"{prefix}{name}".upper(),
            kind="**secret** text" if field.repr is False else kind_of(field.annotation),
            default=_default(field),
            bounds=", ".join(_bounds(field)),
            meaning=docs.get(name, ""),
            secret=may_lie_in_a_file(field),
        )


def kind_of(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(arguments[0])
    if origin is Literal:
        return " or ".join(code(str(word)) for word in arguments)
    if origin in {Union, UnionType}:
        return " or ".join(kind_of(each) for each in arguments)
    if origin is tuple:
        return f"list of {kind_of(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return code("{" + ", ".join(annotation.model_fields) + "}")
    return _WORDS[annotation]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "**required**"
    if isinstance(value, SecretStr):
        return "built in, for trying out" if value.get_secret_value() else "none"
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, tuple):
        return " ".join(code(str(each)) for each in value)
    return code(str(value).lower() if isinstance(value, bool) else str(value))


def _bounds(field: FieldInfo) -> Iterator[str]:
    """The limits of a value or of its length; of a list also those of its entries."""
    yield from _limits(field.metadata, "")
    for argument in get_args(field.annotation):
        if get_origin(argument) is Annotated:
            yield from _limits(get_args(argument)[1:], "each ")


def _limits(metadata: Any, whose: str) -> Iterator[str]:
    for limit in metadata:
        match limit:
            case Ge(ge=bound):
                yield f"{whose}≥ {bound}"
            case Gt(gt=bound):
                yield f"{whose}> {bound}"
            case Le(le=bound):
                yield f"{whose}≤ {bound}"
            case Lt(lt=bound):
                yield f"{whose}< {bound}"
            case MinLen(min_length=bound):
                yield f"{whose}at least {bound} long"
            case MaxLen(max_length=bound):
                yield f"{whose}at most {bound} long"
            case _:
                pattern = getattr(limit, "pattern", None)
                if pattern is not None:
                    yield f"{whose}{code(str(pattern))}"
