import hmac
import json
from pathlib import Path

import pytest

from payment_gateway.adapters.stripe.webhook import EventVerifier
from payment_gateway.application.ports import CallbackRefused, Hint, RawCallback

VECTORS = {v["id"]: v for v in json.loads(Path(__file__).with_name("vectors.json").read_text())["vectors"]}
VECTOR = VECTORS["stripe-computed"]
NOW_S = VECTOR["timestamp"]
BODY = VECTOR["body"].encode()
SECRET = "whsec_one"
PAYMENT = "pay_01jd0000000000000000000000"


def callback(header, body=BODY, now_s=NOW_S):
    headers = (("stripe-signature", header),) if header is not None else ()
    return RawCallback(body, headers, now_s * 1000)


def sign(body, secret=SECRET, stamp=NOW_S):
    mac = hmac.digest(secret.encode(), b"%d." % stamp + body, "sha256").hex()
    return f"t={stamp},v1={mac}"


def event(obj):
    return json.dumps({"id": "evt_1", "type": "x", "data": {"object": obj}}).encode()


@pytest.mark.parametrize("header", [VECTOR["expected"], *VECTOR["must_accept"]])
def test_the_vector_is_accepted(header):
    hint = EventVerifier([VECTOR["secret"]]).prove(callback(header))
    assert hint == Hint("none", "", "evt_test_webhook")


@pytest.mark.parametrize("header", [*VECTOR["must_reject"], "", None, "t=,v1=", "t=-1,v1=aa", "nonsense"])
def test_other_headers_are_refused(header):
    with pytest.raises(CallbackRefused):
        EventVerifier([VECTOR["secret"]]).prove(callback(header))


def test_a_header_that_stands_twice_is_refused():
    twice = RawCallback(
        VECTOR["body"].encode(), (("stripe-signature", VECTOR["expected"]),) * 2, NOW_S * 1000
    )
    with pytest.raises(CallbackRefused):
        EventVerifier([VECTOR["secret"]]).prove(twice)


def test_one_changed_byte_is_refused():
    body = bytearray(VECTOR["body"].encode())
    body[10] ^= 1
    with pytest.raises(CallbackRefused) as refusal:
        EventVerifier([VECTOR["secret"]]).prove(callback(VECTOR["expected"], bytes(body)))
    assert refusal.value.code == "BAD_SIGNATURE"


def test_a_body_that_was_spelled_again_is_refused():
    again = json.dumps(json.loads(VECTOR["body"])).encode()
    with pytest.raises(CallbackRefused):
        EventVerifier([VECTOR["secret"]]).prove(callback(VECTOR["expected"], again))


@pytest.mark.parametrize(("age_s", "fine"), [(0, True), (300, True), (301, False), (-60, True), (-61, False)])
def test_a_stamp_is_good_for_five_minutes_and_one_of_the_future(age_s, fine):
    verifier = EventVerifier([VECTOR["secret"]])
    good = callback(VECTOR["expected"], now_s=NOW_S + age_s)
    if fine:
        verifier.prove(good)
        return
    with pytest.raises(CallbackRefused) as refusal:
        verifier.prove(good)
    assert refusal.value.code == "STALE"


def test_two_secrets_are_live_during_a_roll():
    body = event({})
    verifier = EventVerifier(["whsec_new", "whsec_one"])
    assert verifier.prove(callback(sign(body), body)).event_key == "evt_1"
    with pytest.raises(CallbackRefused):
        verifier.prove(callback(sign(body, "whsec_old"), body))


@pytest.mark.parametrize(
    ("obj", "kind", "subject"),
    [
        ({"metadata": {"payment": PAYMENT}}, "payment", PAYMENT),
        ({"client_reference_id": PAYMENT}, "payment", PAYMENT),
        ({"metadata": {"order": "pyo_1"}}, "order", "pyo_1"),
        ({"metadata": {"order": "rfd_1"}}, "order", "rfd_1"),
        ({"transfer_group": "pyo_2", "metadata": {}}, "order", "pyo_2"),
        ({"transfer_group": "ctr_2"}, "none", ""),
        ({"metadata": {"payment": 7}}, "none", ""),
        ({}, "none", ""),
    ],
)
def test_an_event_says_what_it_is_about(obj, kind, subject):
    body = event(obj)
    hint = EventVerifier(["whsec_one"]).prove(callback(sign(body), body))
    assert (hint.kind, hint.subject) == (kind, subject)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}", b"[" * 100_000])
def test_a_signed_body_that_is_no_event_is_refused(body):
    with pytest.raises(CallbackRefused) as refusal:
        EventVerifier(["whsec_one"]).prove(callback(sign(body), body))
    assert refusal.value.code == "MALFORMED"
