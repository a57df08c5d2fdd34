"""Reading by one pattern accepts exactly what the stupid twin accepts: msgspec, a search per text, writing again."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct
from msgspec import inspect as shape

from sps.transactions import codec
from sps.transactions.codec import BadTransaction
from sps.transactions.spelling import Speller, pattern_of, text_form
from sps.transactions.terms import Clocks, Fees
from sps.transactions.values import WireMoney
from sps.transactions.vocabulary import Transaction

GOLDEN = Path(__file__).parent / "golden" / "transactions"
SAMPLES = {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.json")) if path.stem != "index"}
PROVIDERS = json.loads(SAMPLES["payment.cleared.v1"])
LAX = msgspec.json.Decoder(Transaction)


def check(value: Any, kind: shape.Type) -> None:
    """Search every text for the form that its type states; raise `ValueError` when one has another."""
    match kind:
        case shape.Metadata(type=inner, extra_json_schema={"pattern": str(pattern)}):
            check(value, inner)
            if not re.search(pattern, value):
                raise ValueError(f"{value!r} is not {pattern}")
        case shape.StructType(fields=fields):
            for field in fields:
                check(getattr(value, field.name), field.type)
        case shape.VarTupleType(item_type=item):
            for part in value:
                check(part, item)
        case shape.TupleType(item_types=items):
            for part, item in zip(value, items, strict=True):
                check(part, item)
        case shape.UnionType(types=types) if value is not None:
            (only,) = [one for one in types if not isinstance(one, shape.NoneType)]
            check(value, only)


def twin(raw: bytes) -> Transaction | None:
    """What the bytes say, read in the slow and obvious way; None when they are refused."""
    try:
        value = LAX.decode(raw)
        check(value, shape.type_info(type(value)))
    except (ValueError, msgspec.MsgspecError):
        return None
    return value if codec.encode(value) == raw else None


def quick(raw: bytes) -> Transaction | None:
    try:
        return codec.decode(raw)
    except BadTransaction:
        return None


def spelled(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"
    )


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a document."""
    found = [path] if path else []
    if isinstance(document, dict):
        for name in document:
            found += places(document[name], (*path, name))
    elif isinstance(document, list):
        for i, part in enumerate(document):
            found += places(part, (*path, i))
    return found


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(document))
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


def without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = json.loads(json.dumps(document))
    place = changed
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return changed


NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, 3, 4, 5, -1, 1.0, 1e3, 10_000, 10_001, 2**53 - 1, 2**53, 10**18, 10**19,
    "", "0", "1", "00", "01", "-0", "+1", "1.0", "9" * 18, "1" + "0" * 18, "1\n", "\n1", "\uff11", "٣",
    "a", "A", "a\n", "aé", "é", "\u2028", "\ud800", "\U0001f600", "\x00", "\x1f", "\x7f", '"', "\\", "/",
    "_", ".a", "a" * 40, "a" * 41, "standard", "unknown", "on_delivery", "on_delivery_plus_inspection",
    "delivered", "EUR", "eur", "EU", "EURO", "EUR\n", "\uff21", "DE", "de",
    "0" * 64, "f" * 64, "F" * 64, "g" * 64, "0" * 63, "0" * 65, "0" * 63 + "\n", "0" * 128, "0" * 127,
    "ctr_" + "0" * 26, "ctr_8" + "0" * 25, "ctr_" + "u" * 26, "CTR_" + "0" * 26, "ctr-" + "0" * 26,
    "x" * 128, "x" * 129, "é" * 128, "é" * 129,
    [], ["p1"], ["p1", "p1"], ["P1"], [1], [[]], ["p1"] * 50, ["p1"] * 51, {}, {"a": 1}, {"minor": "1"},
    {"plan": "standard"}, {"fee_bp": 0}, {"fee_bp": 1}, {"cancel": "0"}, {"cancel": "5", "tax_country": ""},
    {"inspection": 259_200_000}, {"inspection": 259_200_001}, {"offer_ttl": 1, "topup_ttl": 2},
    {"currency": "EUR", "minor": "5"}, {"minor": "5", "currency": "EUR"}, {"currency": "EUR"},
)  # fmt: skip


@pytest.mark.parametrize("tag", SAMPLES)
def test_every_value_in_every_place_is_judged_as_by_the_twin(tag):
    document = json.loads(SAMPLES[tag])
    accepted = 0
    for path in places(document):
        for raw in (
            *(spelled(with_value(document, path, value)) for value in NASTY),
            spelled(without(document, path)),
        ):
            read = quick(raw)
            assert read == twin(raw), raw
            accepted += read is not None
    assert accepted > 0


@pytest.mark.parametrize("tag", SAMPLES)
def test_every_changed_byte_is_judged_as_by_the_twin(tag):
    raw = SAMPLES[tag]
    assert quick(raw) == twin(raw) is not None
    for i in range(len(raw)):
        for other in (raw[:i], raw[:i] + raw[i + 1 :], raw[:i] + raw[i : i + 1] + raw[i:]):
            assert quick(other) == twin(other), other
        for byte in b'\n "\\,}0aFg.\xc3':
            other = raw[:i] + bytes([byte]) + raw[i + 1 :]
            assert quick(other) == twin(other), other


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.binary(max_size=6)), min_size=1, max_size=3),
    st.booleans(),
)
def test_spliced_bytes_are_judged_as_by_the_twin(tag, cuts, repeat):
    raw = SAMPLES[tag]
    for start, length, put in cuts:
        at = int(start * len(raw))
        end = min(len(raw), at + int(length * 40))
        raw = raw[:end] + put + raw[at if repeat else end :]
    assert quick(raw) == twin(raw)


def reference(spelling: bytes) -> bytes:
    return spelled(PROVIDERS | {"reference": "@@"}).replace(b"@@", spelling)


def test_every_character_of_a_free_text_has_exactly_one_spelling():
    for code in (*range(0x800), 0x2028, 0xD7FF, 0xE000, 0xFEFF, 0xFFFF, 0x10000, 0x10FFFF):
        text = chr(code)
        short = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}.get(text, "")
        units = text.encode("utf-16-be").hex()
        escaped = "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))
        ways = {text, "\\" + text, short, escaped, escaped.upper().replace("\\U", "\\u")} - {""}
        taken = [way for way in ways if quick(reference(way.encode()))]
        assert [way for way in ways if twin(reference(way.encode()))] == taken
        assert [getattr(quick(reference(way.encode())), "reference", "") for way in taken].count(text) == 1


@given(st.text(min_size=1, max_size=140))
def test_every_free_text_is_read_as_it_was_written(text):
    value = LAX.decode(SAMPLES["payment.cleared.v1"])
    raw = codec.encode(msgspec.structs.replace(value, reference=text))
    assert quick(raw) == twin(raw)
    assert (quick(raw) is not None) is (len(text) <= 128)


@given(
    st.fixed_dictionaries({}, optional={name: st.integers(0, 2**53) for name in Clocks.__struct_fields__}),
    st.fixed_dictionaries(
        {},
        optional={
            "fee_bp": st.integers(0, 10_001),
            "tax_country": st.sampled_from(["", "DE", "de"]),
            "freight": st.sampled_from(["0", "1", "01"]),
            "cancel": st.sampled_from(["0", "7", ""]),
            "plan": st.sampled_from(["standard", "gold", "Gold"]),
        },
    ),
)
def test_any_choice_of_what_may_be_left_out_is_judged_as_by_the_twin(clocks, fees):
    document = json.loads(SAMPLES["contract.offer.v1"])
    document["terms"] |= {"clocks": clocks, "fees": fees}
    raw = spelled(document)
    assert quick(raw) == twin(raw)


def test_members_that_are_never_left_out_are_always_written():
    pattern = pattern_of(WireMoney)
    assert pattern.fullmatch(b'{"currency":"EUR","minor":"5"}')
    assert not pattern.fullmatch(b'{"minor":"5","currency":"EUR"}')
    assert pattern_of(Fees).fullmatch(b"{}")
    assert not pattern_of(Fees).fullmatch(b'{"fee_bp":5,}')


class NotSpelled(ValueError):
    """The caller's own word for bytes that are refused."""


class Choice(Struct, frozen=True):
    """May say nothing, but always says so."""

    a: int | None
    b: Annotated[str, Meta(max_length=2)] = ""


def test_a_speller_reads_one_type_too_and_refuses_in_its_callers_words():
    read = Speller[Choice](Choice, 30, NotSpelled).read
    assert read(b'{"a":null,"b":""}') == Choice(None)
    assert read(b'{"a":7,"b":"x"}') == Choice(7, "x")
    for raw in (b'{"a":null}', b'{"b":"","a":null}', b'{"a":01,"b":""}', b'{"a":1,"b":"xxx"}', b" " * 31):
        with pytest.raises(NotSpelled):
            read(raw)


class Fraction(Struct, frozen=True):
    """Has no one spelling."""

    value: float


class Unbounded(Struct, frozen=True):
    """Its form would also match in the middle."""

    value: Annotated[str, text_form("[a-z]+")]


def test_a_type_without_one_spelling_has_no_pattern():
    for kind in (Fraction, Unbounded):
        with pytest.raises(TypeError):
            pattern_of(kind)
