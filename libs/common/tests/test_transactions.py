"""The vocabulary: every kind keeps its bytes for ever, has its schema, and refuses every other spelling."""

import hashlib
import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
import rfc8785

from sps import canonical
from sps.transactions.codec import TRANSACTION_BYTES_MAX, BadTransaction, decode, encode, transaction_hash
from sps.transactions.schemas_export import FOLDER, export, kinds, schema_of, schema_text
from sps.transactions.terms import Clocks, Fees, Terms, terms_bytes, terms_hash
from sps.transactions.vocabulary import (
    API,
    CARRIER,
    OPERATOR,
    PAYMENT,
    ROLE_OF,
    SETTLEMENT,
    AcceptGoods,
    Offer,
)

GOLDEN = Path(__file__).parent / "golden" / "transactions"
INDEX = json.loads((GOLDEN / "index.json").read_text())
TAGS = sorted(kinds())
CLEARED = json.loads((GOLDEN / "payment.cleared.v1.json").read_bytes())


def golden(tag):
    return (GOLDEN / f"{tag}.json").read_bytes()


def offer():
    transaction = decode(golden("contract.offer.v1"))
    assert isinstance(transaction, Offer)
    return transaction


def changed(path, value):
    """The golden pay-in with one value changed, spelled canonically as far as Python can."""
    document = json.loads(json.dumps(CLEARED))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_every_kind_has_golden_bytes_and_nothing_else_has():
    assert sorted(INDEX) == TAGS
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*TAGS, "index"}


def test_every_kind_has_exactly_one_role_and_a_tag_with_a_version():
    assert set(ROLE_OF) == set(kinds().values())
    assert set(ROLE_OF.values()) == {API, CARRIER, PAYMENT, SETTLEMENT, OPERATOR}
    assert all(tag.rpartition(".v")[2] == "1" for tag in TAGS)


@pytest.mark.parametrize("tag", TAGS)
def test_golden_bytes_are_read_and_written_unchanged(tag):
    raw = golden(tag)
    transaction = decode(raw)
    assert type(transaction) is kinds()[tag]
    assert encode(transaction) == raw == rfc8785.dumps(json.loads(raw))
    assert transaction_hash(raw).hex() == INDEX[tag] == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("tag", TAGS)
def test_golden_bytes_fulfil_their_schema_and_no_other(tag):
    document = json.loads(golden(tag))
    for other in TAGS:
        validator = jsonschema.Draft202012Validator(schema_of(other))
        assert validator.is_valid(document) is (other == tag)


@pytest.mark.parametrize("tag", TAGS)
def test_golden_bytes_fill_every_field_so_that_none_can_change_unseen(tag):
    assert set(json.loads(golden(tag))) == {"type", *kinds()[tag].__struct_fields__}


@pytest.mark.parametrize("tag", TAGS)
def test_the_schema_file_is_the_one_of_the_vocabulary(tag):
    jsonschema.Draft202012Validator.check_schema(schema_of(tag))
    assert (FOLDER / f"{tag}.json").read_text() == schema_text(tag), (
        "run python -m sps.transactions.schemas_export"
    )


def test_no_schema_file_is_without_a_kind(tmp_path):
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in export(tmp_path / "schemas")}


@pytest.mark.parametrize("tag", TAGS)
def test_an_unknown_field_is_refused(tag):
    document = {**json.loads(golden(tag)), "zebra": 1}
    with pytest.raises(BadTransaction):
        decode(canonical.encode(document))
    assert not jsonschema.Draft202012Validator(schema_of(tag)).is_valid(document)


@pytest.mark.parametrize("tag", TAGS)
def test_a_missing_field_is_refused_unless_it_may_be_left_out(tag):
    document = json.loads(golden(tag))
    optional = {f.encode_name for f in msgspec.structs.fields(kinds()[tag]) if not f.required}
    for name in document:
        rest = canonical.encode({key: value for key, value in document.items() if key != name})
        if name in optional:
            assert encode(decode(rest)) == rest
        else:
            with pytest.raises(BadTransaction):
                decode(rest)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("type",), "payment.cleared.v2"),
        (("type",), "payment.cleared"),
        (("type",), None),
        (("amount",), 100_000),
        (("amount",), "100000"),
        (("amount", "minor"), 100_000),
        (("amount", "minor"), 1000.0),
        (("amount", "minor"), "1000.00"),
        (("amount", "minor"), "01"),
        (("amount", "minor"), "0"),
        (("amount", "minor"), "-1"),
        (("amount", "minor"), "+1"),
        (("amount", "minor"), ""),
        (("amount", "minor"), "1e5"),
        (("amount", "minor"), " 1"),
        (("amount", "minor"), "1\n"),
        (("amount", "minor"), "\u0661"),
        (("amount", "minor"), str(10**18)),
        (("amount", "minor"), str(10**30)),
        (("amount", "minor"), None),
        (("amount", "currency"), "cny"),
        (("amount", "currency"), "CN"),
        (("amount", "currency"), "CNYY"),
        (("amount", "currency"), "CNY\n"),
        (("amount", "currency"), "\uff23NY"),
        (("amount", "exponent"), 2),
        (("id",), "evt_1"),
        (("id",), CLEARED["id"] + "\n"),
        (("id",), CLEARED["id"].upper()),
        (("raw",), "0" * 63),
        (("raw",), "0" * 65),
        (("raw",), "A" * 64),
        (("provider",), "Alipay"),
        (("provider",), "a" * 41),
        (("provider",), "../alipay"),
        (("reference",), ""),
        (("reference",), "x" * 129),
        (("reference",), 7),
    ],
)
def test_a_value_in_another_form_is_refused_by_the_codec_and_by_the_schema(path, value):
    raw = changed(path, value)
    with pytest.raises(BadTransaction):
        decode(raw)
    assert not jsonschema.Draft202012Validator(schema_of("payment.cleared.v1")).is_valid(json.loads(raw))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"provider":"alipay"', b'"provider": "alipay"'),
        (b'"provider":"alipay"', b'"provider":"\\u0061lipay"'),
        (b'"provider":"alipay"', b'"provider":"alipay","provider":"alipay"'),
        (b'"provider":"alipay"', b'"provider":"stripe","provider":"alipay"'),
        (b'"reference":"2', b'"reference":"\xff2'),
        (b'"reference":"2', b'"reference":"\xed\xa0\x802'),
        (b'"reference":"2', b'"reference":"\\ud8002'),
        (b'"reference":"2', b'"reference":"\xc0\xaf2'),
        (b'{"amount"', b'\xef\xbb\xbf{"amount"'),
        (b'"minor":"100000"', b'"minor":1e5'),
        (b'"minor":"100000"', b'"minor":NaN'),
    ],
)
def test_other_bytes_for_the_same_fact_and_broken_text_are_refused(old, new):
    raw = golden("payment.cleared.v1")
    assert old in raw
    with pytest.raises(BadTransaction):
        decode(raw.replace(old, new, 1))


@pytest.mark.parametrize("tag", TAGS)
def test_another_order_of_the_fields_is_refused(tag):
    document = json.loads(golden(tag))
    backwards = {key: document[key] for key in sorted(document, reverse=True)}
    with pytest.raises(BadTransaction):
        decode(json.dumps(backwards, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b"1", b'{"type":"contract.cancel.v1"', b"[" * 60_000]
)
def test_what_is_no_transaction_at_all_is_refused(raw):
    with pytest.raises(BadTransaction):
        decode(raw)


def test_time_is_a_whole_number_of_milliseconds_that_is_not_negative():
    raw = golden("parcel.evidence.v1")
    for spelled in (
        b"-1",
        b"1.5",
        b"1767225600000.0",
        b"1.7672256e12",
        b"9007199254740992",
        b'"1767225600000"',
        b"true",
    ):
        with pytest.raises(BadTransaction):
            decode(raw.replace(b"1767225600000", spelled))


def test_a_transaction_beyond_its_bound_is_refused_before_it_is_read():
    raw = golden("payment.cleared.v1")
    with pytest.raises(BadTransaction, match="at most"):
        decode(raw + b" " * (TRANSACTION_BYTES_MAX + 1 - len(raw)))


def test_a_default_that_is_spelled_out_is_refused():
    raw = canonical.encode({**json.loads(golden("contract.accept_goods.v1")), "tranches": []})
    with pytest.raises(BadTransaction):
        decode(raw)
    raw = canonical.encode({**json.loads(golden("provider.settled.v1")), "fee": "0"})
    with pytest.raises(BadTransaction):
        decode(raw)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clocks", {}),
        ("clocks", {"inspection": 259_200_000}),
        ("fees", {}),
        ("fees", {"plan": "standard"}),
        ("min_level", 3),
        ("tolerance", "0"),
        ("release", "on_delivery_plus_inspection"),
        ("payout", None),
    ],
)
def test_a_default_that_is_spelled_out_in_the_terms_is_refused(name, value):
    document = json.loads(golden("contract.offer.v1"))
    document["terms"][name] = value
    with pytest.raises(BadTransaction):
        decode(canonical.encode(document))


def test_equal_terms_have_equal_hashes_however_they_were_made():
    short = {name: getattr(offer().terms, name) for name in ("currency", "price", "tranches", "carriers")}
    short |= {name: getattr(offer().terms, name) for name in ("goods", "ship_to", "address")}
    spelled_out = Terms(
        **short,
        clocks=Clocks(inspection=int("259200000")),
        fees=Fees(plan=b"standard".decode()),
        release=b"on_delivery_plus_inspection".decode(),
    )
    assert spelled_out == Terms(**short)
    assert terms_hash(spelled_out) == terms_hash(Terms(**short))
    assert b"clocks" not in terms_bytes(spelled_out)


def test_the_terms_inside_an_offer_are_spelled_as_they_are_signed():
    assert terms_bytes(offer().terms) in golden("contract.offer.v1")
    assert terms_hash(offer().terms).hex() == json.loads(golden("contract.accept.v1"))["terms_hash"]


def test_accepting_all_goods_needs_no_list():
    everything = decode(golden("contract.cancel.v1"))
    assert encode(AcceptGoods(everything.id, everything.contract)).count(b"tranches") == 0
