import base64
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from payment_gateway.adapters.alipay import signing
from payment_gateway.adapters.alipay.client import read_answer
from payment_gateway.adapters.alipay.webhook import NotifyVerifier
from payment_gateway.application.ports import CallbackRefused, Hint, ProviderTrouble, RawCallback
from sps.money import Money

VECTORS = {v["id"]: v for v in json.loads(Path(__file__).with_name("vectors.json").read_text())["vectors"]}
NOTIFY = VECTORS["alipay-notify-trade"]
REQUEST = VECTORS["alipay-request-computed"]
SYNC = VECTORS["alipay-sync-response-computed"]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def raw(params):
    return RawCallback(urlencode(params).encode(), (), 0)


def published_verifier(app_id="2019073166072302", seller_id="2088531891668739"):
    return NotifyVerifier(signing.load_public_key(NOTIFY["public_key_b64_der"]), app_id, seller_id)


def own_verifier():
    return NotifyVerifier(KEY.public_key(), "app1", "2088000000000001")


def signed(params, *, with_sign_type=False):
    text = signing.notify_string(params, with_sign_type=with_sign_type)
    return params | {"sign": signing.sign(KEY, text)}


TRADE = {
    "notify_id": "n1",
    "app_id": "app1",
    "seller_id": "2088000000000001",
    "out_trade_no": "pay_01jd0000000000000000000000",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "88.88",
    "subject": "Escrow 测试",
    "passback_params": "",
    "fund_bill_list": '[{"amount":"88.88"}]',
    "sign_type": "RSA2",
}


def test_the_published_notify_verifies_over_its_canonical_string():
    params = NOTIFY["params"]
    assert signing.notify_string(params, with_sign_type=False) == NOTIFY["canonical"]
    hint = published_verifier().prove(raw(params))
    assert hint == Hint(
        "payment", params["out_trade_no"], params["notify_id"], params["trade_no"], Money(10, "CNY")
    )


@pytest.mark.parametrize("field", sorted(set(NOTIFY["params"]) - {"sign", "sign_type"}))
def test_no_field_of_the_published_notify_may_change(field):
    params = NOTIFY["params"] | {field: NOTIFY["params"][field] + "x"}
    with pytest.raises(CallbackRefused) as refusal:
        published_verifier().prove(raw(params))
    assert refusal.value.code == "BAD_SIGNATURE"


def test_the_published_request_has_this_string_this_signature_and_this_query():
    assert signing.request_string(REQUEST["params"]) == REQUEST["canonical"]
    key = signing.load_public_key(REQUEST["public_key"])
    assert signing.verify(key, REQUEST["canonical"], REQUEST["expected"])
    kept = sorted((k, v) for k, v in REQUEST["params"].items() if v)
    assert urlencode([*kept, ("sign", REQUEST["expected"])]) == REQUEST["expected_query"]


def test_a_query_that_we_sign_leaves_empty_values_out_and_verifies():
    query = signing.signed_query(KEY, REQUEST["params"])
    assert query.startswith(REQUEST["expected_query"].partition("&sign=")[0] + "&sign=")
    signature = signing.sign(KEY, REQUEST["canonical"])
    assert query.endswith(urlencode({"sign": signature}))


def test_the_synchronous_answer_verifies_over_its_exact_substring():
    key = signing.load_public_key(SYNC["public_key"])
    answer = read_answer(SYNC["body"].encode(), SYNC["method"], key)
    assert answer.raw.decode() == SYNC["signed_substring"]
    assert answer.text("fund_change") == "Y"


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace("88.88", "99.99"),
        lambda body: body.replace('{"code":', '{ "code":', 1),
        lambda body: body.replace("alipay_trade_refund_response", "alipay_trade_query_response"),
        lambda body: body.replace('"sign":', '"sing":'),
        lambda body: body + "x",
        lambda body: body[:-1],
        lambda body: body.replace('"sign":"', '"sign":"A'),
        lambda _: "",
        lambda _: "[]",
        lambda _: '{"error_response":{"code":"40002"}}',
        lambda _: "[" * 100_000,
        lambda body: body[:-1] + ',"sign":"x"}',
    ],
)
def test_an_answer_that_is_not_proved_is_trouble(change):
    key = signing.load_public_key(SYNC["public_key"])
    with pytest.raises(ProviderTrouble):
        read_answer(change(SYNC["body"]).encode(), SYNC["method"], key)


def test_an_answer_that_is_not_utf_8_is_trouble():
    with pytest.raises(ProviderTrouble):
        read_answer(b"\xff\xfe", "alipay.trade.query", KEY.public_key())


@pytest.mark.parametrize("name", ["alipay-cert-sn-appCertPublicKey", "alipay-cert-sn-alipayCertPublicKey"])
def test_the_published_certificates_have_these_serial_numbers(name):
    assert signing.certificate_sn(VECTORS[name]["pem"]) == VECTORS[name]["expected"]


def test_the_root_number_joins_what_is_rsa_signed_and_passes_over_what_cannot_be_read():
    first, second = (VECTORS[f"alipay-cert-sn-{name}CertPublicKey"] for name in ("app", "alipay"))
    broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    bundle = first["pem"] + "\n" + broken + second["pem"]
    assert signing.root_certificate_sn(bundle) == f"{first['expected']}_{second['expected']}"
    with pytest.raises(signing.BadKeyText):
        signing.root_certificate_sn(broken)
    with pytest.raises(signing.BadKeyText):
        signing.certificate_sn("nothing")


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_a_private_key_is_read_bare_and_armoured(form):
    pem = KEY.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    bare = base64.b64encode(KEY.private_bytes(Encoding.DER, form, NoEncryption())).decode()
    for text in (pem, bare):
        assert signing.load_private_key(text).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("form", [PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo])
def test_a_public_key_is_read_bare_and_armoured(form):
    pem = KEY.public_key().public_bytes(Encoding.PEM, form).decode()
    bare = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, form)).decode()
    for text in (pem, bare):
        assert signing.load_public_key(text).public_numbers() == KEY.public_key().public_numbers()


def test_a_public_key_is_taken_from_a_certificate():
    assert signing.load_public_key(VECTORS["alipay-cert-sn-alipayCertPublicKey"]["pem"]).key_size == 2048


def test_what_is_no_rsa_key_is_refused():
    curve = ec.generate_private_key(ec.SECP256R1())
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in ("", "!", "AAAA", pem):
        with pytest.raises(signing.BadKeyText):
            signing.load_private_key(text)
    for text in ("", "!", "AAAA", public, "-----BEGIN CERTIFICATE-----"):
        with pytest.raises(signing.BadKeyText):
            signing.load_public_key(text)


@pytest.mark.parametrize("with_sign_type", [False, True])
def test_a_notify_may_be_signed_with_or_without_its_sign_type(with_sign_type):
    hint = own_verifier().prove(raw(signed(TRADE, with_sign_type=with_sign_type)))
    assert (hint.kind, hint.subject, hint.claimed) == ("payment", TRADE["out_trade_no"], Money(8888, "CNY"))


def test_the_notify_of_a_refund_is_about_the_refund():
    refund = TRADE | {"out_biz_no": "rfd_01jd0000000000000000000000", "refund_fee": "1.00"}
    hint = own_verifier().prove(raw(signed(refund)))
    assert (hint.kind, hint.subject) == ("order", "rfd_01jd0000000000000000000000")


def test_the_message_of_a_transfer_is_about_the_payout():
    content = {"out_biz_no": "pyo_01jd0000000000000000000000", "status": "REFUND"}
    message = {
        "msg_method": "alipay.fund.trans.order.changed",
        "notify_id": "m1",
        "app_id": "app1",
        "sign_type": "RSA2",
        "biz_content": json.dumps(content),
    }
    hint = own_verifier().prove(raw(signed(message, with_sign_type=True)))
    assert hint == Hint("order", content["out_biz_no"], "m1")
    other = own_verifier().prove(raw(signed(message | {"msg_method": "alipay.other"})))
    assert other.kind == "none"
    with pytest.raises(CallbackRefused):
        own_verifier().prove(raw(signed(message | {"biz_content": "no json"})))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "NO_SIGNATURE"),
        (b"\xff\xfe=1", "MALFORMED"),
        (b"a=%ff&sign=x", "MALFORMED"),
        (b'{"sign":"x"}', "MALFORMED"),
        (b"a=1&a=1&sign=x", "MALFORMED"),
        (b"&".join(b"f%d=1" % i for i in range(200)), "MALFORMED"),
        (b"a=1", "NO_SIGNATURE"),
        (b"a=1&sign=", "NO_SIGNATURE"),
        (b"a=1&sign=%21", "BAD_SIGNATURE"),
        (b"a=1&sign=AAAA", "BAD_SIGNATURE"),
        (b"a=1&sign=AAAA&sign_type=RSA", "BAD_SIGNATURE"),
    ],
)
def test_what_is_no_signed_form_is_refused(body, code):
    with pytest.raises(CallbackRefused) as refusal:
        own_verifier().prove(RawCallback(body, (), 0))
    assert refusal.value.code == code


def test_a_value_that_was_spelled_again_is_refused():
    params = signed(TRADE) | {"fund_bill_list": json.dumps(json.loads(TRADE["fund_bill_list"]))}
    with pytest.raises(CallbackRefused):
        own_verifier().prove(raw(params))


def test_the_signature_of_another_key_is_refused():
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    params = TRADE | {"sign": signing.sign(other, signing.notify_string(TRADE, with_sign_type=False))}
    with pytest.raises(CallbackRefused) as refusal:
        own_verifier().prove(raw(params))
    assert refusal.value.code == "BAD_SIGNATURE"


@pytest.mark.parametrize("field", ["app_id", "seller_id"])
def test_a_notify_for_somebody_else_is_refused(field):
    with pytest.raises(CallbackRefused) as refusal:
        own_verifier().prove(raw(signed(TRADE | {field: "other"})))
    assert refusal.value.code == "NOT_OURS"
