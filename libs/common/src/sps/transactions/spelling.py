r"""The one spelling of a value: a pattern over its exact bytes, built from its type.

Reading is two steps: msgspec reads shape, numbers and lengths; then one pattern per type says whether
these bytes are the only spelling of what was read: keys sorted, no spaces, nothing twice, defaults left
out, no escape by choice, and every text in its form. The texts' forms stand in the types as `TextForm`;
nothing else checks them, so values of these types are read through a `Speller` only.

One search in one pattern costs a third of a search per text and writing the value again.
"""

import re
from functools import cache
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec import inspect as shape

T = TypeVar("T", bound=Struct)

_CHARACTER: Final = rb'(?:[^"\\\x00-\x1f]|\\["\\bfnrt]|\\u00(?:0[0-7be-f]|1[0-9a-f]))'
"""Of a free text: itself, or the only escape of a quote, a backslash or a control character."""

_INTEGER: Final = rb"(?:0|[1-9][0-9]{0,18})"
"""No sign, no fraction, no exponent; the bounds are msgspec's."""

_ANCHORED: Final = re.compile(r"\^(.*)\(\?!\\n\)\$")


def text_form(pattern: str) -> Meta:
    r"""The form of a text, for `Annotated`: `^…(?!\n)$`, as a JSON Schema shows it.

    A bare `$` of Python also matches before a last newline.
    """
    return Meta(extra_json_schema={"pattern": pattern})


class Speller(Generic[T]):
    """Reads values of one type, or of a union of tagged types, each from its only spelling.

    Other bytes, or more than `bytes_max` of them, are refused with an exception of the type `refusal`.
    """

    def __init__(self, kind: Any, bytes_max: int, refusal: type[ValueError]) -> None:
        self._bytes_max: Final = bytes_max
        self._refusal: Final = refusal
        self._decode: Final = msgspec.json.Decoder(kind).decode
        root = shape.type_info(kind)
        kinds = root.types if isinstance(root, shape.UnionType) else (root,)
        structs = [one.cls for one in kinds if isinstance(one, shape.StructType)]
        self._fits: Final = {each: pattern_of(each).fullmatch for each in structs}

    def read(self, raw: bytes) -> T:
        """Read the value from exactly these bytes."""
        if len(raw) > self._bytes_max:
            raise self._refusal(f"{len(raw)} bytes, at most {self._bytes_max} are read")
        try:
            value: T = self._decode(raw)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise self._refusal(str(error)) from error
        if self._fits[type(value)](raw) is None:
            raise self._refusal("not in canonical form, or a text has a form that its field does not take")
        return value


@cache
def pattern_of(kind: type[Struct]) -> re.Pattern[bytes]:
    """The pattern that the canonical bytes of the type fulfil, and no others that msgspec reads as it."""
    return re.compile(_spelled(shape.type_info(kind)))


def _spelled(kind: shape.Type, left_out: Any = NODEFAULT) -> bytes:
    """The pattern of a value; `left_out` is the one value that may not be written."""
    match kind:
        case shape.StructType():
            return _object(kind, may_be_empty=left_out is NODEFAULT)
        case shape.TupleType(item_types=items):
            return rb"\[%s\]" % b",".join(_spelled(item) for item in items)
        case shape.VarTupleType(item_type=item):
            one, start = _spelled(item), rb"\[(?!\])" if left_out == () else rb"\["
            return rb"%s(?:%s(?:,%s)*)?\]" % (start, one, one)
        case shape.UnionType(types=types):
            written = [one for one in types if left_out is not None or not isinstance(one, shape.NoneType)]
            return b"(?:%s)" % b"|".join(_spelled(one) for one in written)
    return _leaf(kind, left_out)


def _leaf(kind: shape.Type, left_out: Any) -> bytes:
    match kind:
        case shape.Metadata(type=shape.StrType(), extra_json_schema={"pattern": str(pattern)}):
            return b'"%s%s"' % (_not(left_out, b'"'), _unanchored(pattern))
        case shape.StrType():
            return b'"%s%s*"' % (_not(left_out, b'"'), _CHARACTER)
        case shape.LiteralType(values=values):
            return b'"(?:%s)"' % b"|".join(re.escape(str(v).encode()) for v in values if v != left_out)
        case shape.IntType():
            return _not(left_out, rb"[,}\]]") + _INTEGER
        case shape.NoneType():
            return b"null"
    raise TypeError(f"{kind} has no one spelling")


def _object(kind: shape.StructType, *, may_be_empty: bool) -> bytes:
    """Members in the order of their names; a comma stands before or after what may be left out."""
    omits = kind.cls.__struct_config__.omit_defaults
    members = [
        (field.encode_name, field.required or not omits, _spelled(field.type, _default(field, omits=omits)))
        for field in kind.fields
    ]
    if kind.tag_field is not None:
        members.append((kind.tag_field, True, b'"%s"' % re.escape(str(kind.tag).encode())))
    members.sort()
    last = max((i for i, (_, needed, _) in enumerate(members) if needed), default=None)
    parts = [rb"\{" if may_be_empty else rb"\{(?!\})"]
    for i, (name, needed, value) in enumerate(members):
        member = b'"%s":%s' % (name.encode(), value)
        if last is None:
            parts.append(rb'(?:%s(?:,(?=")|(?=\})))?' % member)
        elif i < last:
            parts.append(member + b"," if needed else b"(?:%s,)?" % member)
        else:
            parts.append(member if needed else b"(?:,%s)?" % member)
    return b"".join(parts) + rb"\}"


def _default(field: shape.Field, *, omits: bool) -> Any:
    if not omits or field.required:
        return NODEFAULT
    return field.default if field.default is not NODEFAULT else field.default_factory()


def _not(value: Any, end: bytes) -> bytes:
    """A look ahead that refuses one value."""
    return b"" if value is NODEFAULT else b"(?!%s%s)" % (re.escape(str(value).encode()), end)


def _unanchored(pattern: str) -> bytes:
    found = _ANCHORED.fullmatch(pattern)
    if found is None:
        raise TypeError(f"the form {pattern} has to be ^…(?!\\n)$")
    inner = found[1].encode()
    return b"(?:%s)" % inner if b"|" in inner else inner
