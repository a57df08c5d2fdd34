import json
from pathlib import Path

import pytest
from sandbox_kit import private_text, public_text, rsa_key

from sandbox.core.easypost_signature import easypost_signature
from sandbox.core.rsa2 import (
    certificate_serial,
    is_signed,
    notify_text,
    private_key,
    public_key,
    request_text,
)
from sandbox.core.stripe_words import signature

VECTORS = {
    each["id"]: each
    for each in json.loads(Path(__file__).with_name("provider_vectors.json").read_text("utf-8"))
}


def test_a_request_of_a_merchant_is_proved_by_the_published_rules():
    vector = VECTORS["alipay-request-computed"]
    key = public_key(vector["public_key"])
    assert request_text(vector["params"]) == vector["canonical"]
    assert is_signed(key, request_text(vector["params"]), vector["expected"])
    assert not is_signed(key, request_text(vector["params"] | {"version": "1.1"}), vector["expected"])


def test_a_real_notify_of_alipay_is_signed_over_the_text_that_ours_are():
    vector = VECTORS["alipay-notify-trade"]
    params = vector["params"]
    assert notify_text(params) == vector["canonical"]
    assert is_signed(public_key(vector["public_key_b64_der"]), notify_text(params), params["sign"])


def test_a_synchronous_answer_is_signed_over_the_exact_text_of_its_member():
    vector = VECTORS["alipay-sync-response-computed"]
    signed = json.loads(vector["body"])["sign"]
    assert is_signed(public_key(vector["public_key"]), vector["signed_substring"], signed)


@pytest.mark.parametrize("name", ["alipay-cert-sn-appCertPublicKey", "alipay-cert-sn-alipayCertPublicKey"])
def test_the_serial_number_of_a_certificate_is_the_published_one(name):
    assert certificate_serial(VECTORS[name]["pem"]) == VECTORS[name]["expected"]


def test_the_signature_of_stripe_is_that_of_the_vector():
    vector = VECTORS["stripe-computed"]
    assert (
        signature(vector["secret"], int(vector["timestamp"]), vector["body"].encode()) == vector["expected"]
    )


def test_the_signature_of_easypost_is_the_published_one():
    vector = VECTORS["easypost-v1"]
    assert easypost_signature(vector["secret"], vector["body"].encode()) == vector["expected"]


def test_keys_are_taken_with_and_without_armour():
    key = rsa_key("merchant")
    bare = "".join(public_text(key).splitlines()[1:-1])
    assert public_key(bare).public_numbers() == key.public_key().public_numbers()
    bare = "".join(private_text(key).splitlines()[1:-1])
    assert private_key(bare).private_numbers() == key.private_numbers()
    with pytest.raises(ValueError, match=r"Base64|ASN|key|base64|padding"):
        public_key("no key")
    assert not is_signed(key.public_key(), "text", "not Base64")
