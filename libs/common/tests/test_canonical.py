"""Canonical JSON: equal to the reference implementation of RFC 8785 within the profile, closed outside it."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sps.canonical import DEPTH_MAX, INTEGER_MAX, NotCanonical, decode, encode

texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = st.text(st.characters(max_codepoint=127))
leaves = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | texts
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=40,
)


@given(documents)
def test_the_bytes_are_those_of_rfc_8785(value):
    assert encode(value) == rfc8785.dumps(value)


@given(documents)
def test_what_is_written_is_read_back_and_has_one_spelling(value):
    assert decode(encode(value)) == value
    assert encode(decode(encode(value))) == encode(value)


@given(documents.filter(lambda value: isinstance(value, dict | list) and value))
def test_a_spelling_with_spaces_is_refused(value):
    with pytest.raises(NotCanonical):
        decode(json.dumps(value, indent=1).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_exactly_or_refused(raw):
    try:
        value = decode(raw)
    except NotCanonical:
        return
    assert encode(value) == raw


@given(st.text(alphabet='{}[]",:0123456789-+.eE\\ud8tfn \n', max_size=40))
def test_anything_that_looks_like_json_is_read_exactly_or_refused(text):
    try:
        value = decode(text.encode())
    except NotCanonical:
        return
    assert encode(value) == text.encode() == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":1}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b' {"a":1}',
        b'{"a":1}\n',
        b"1.0",
        b"1.5",
        b"1e2",
        b"-0",
        b"01",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" + b"0" * 400,
        '{"\u00e4":1}'.encode(),
        b'{"\\u00e4":1}',
        b'"\\u00e4"',
        b'"\\/"',
        b'"\\u000A"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"a":"\\ud800"}',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\xf4\x90\x80\x80"',
        b'"\xe2\x82"',
        b"\xef\xbb\xbf1",
        b'"a\nb"',
        b"'a'",
        b"[1,]",
        b'{"a":1,}',
        b"",
        b"[1",
        b"nul",
        b"1 2",
        b"/**/1",
    ],
)
def test_other_spellings_and_broken_bytes_are_refused(raw):
    with pytest.raises(NotCanonical):
        decode(raw)


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**53, -(2**53), b"a", {1}, {1: 2}, {"\u00e4": 1}, "\ud800"]
)
def test_a_value_outside_the_profile_is_not_written(value):
    for holder in (value, [value], {"a": value}):
        with pytest.raises(NotCanonical):
            encode(holder)


def test_a_number_that_only_acts_like_one_is_not_written():
    class Shouting(str):
        __slots__ = ()

    with pytest.raises(NotCanonical):
        encode(Shouting("a"))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded_long_before_the_stack_is(opening, closing):
    def nested(levels):
        return (opening * levels + "1" + closing * levels).encode()

    assert encode(decode(nested(DEPTH_MAX))) == nested(DEPTH_MAX)
    for levels in (DEPTH_MAX + 1, 1_000, 100_000):
        with pytest.raises(NotCanonical):
            decode(nested(levels))


def test_a_value_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(NotCanonical):
        encode(endless)


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        ({"a": 1, "B": 2, "_": 3, "1": 4}, b'{"1":4,"B":2,"_":3,"a":1}'),
        ('\u20ac$\x0f\nA\'B"\\"/\u2028\x7f', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/\u2028\x7f"'.encode()),
        ("\b\t\n\f\r\x00", b'"\\b\\t\\n\\f\\r\\u0000"'),
        (INTEGER_MAX, b"9007199254740991"),
    ],
)
def test_known_documents_have_their_known_bytes(value, raw):
    assert encode(value) == raw
    assert decode(raw) == value
