import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError

from payment_gateway.bootstrap import configured_providers
from payment_gateway.settings import Settings
from sps.runtime.clock import ManualClock

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = base64.b64encode(KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ALIPAY = {
    "alipay_app_id": "app1",
    "alipay_seller_id": "seller1",
    "alipay_private_key": PRIVATE,
    "alipay_public_key": PUBLIC,
}
STRIPE = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secrets": ("whsec_1",)}


def settings(**changes):
    base = {"database_url": "sqlite+aiosqlite://", "genesis": "g", "key": "k", "internal_token": "t" * 16}
    return Settings(**base, **changes)


@pytest.mark.parametrize(
    ("changes", "names"),
    [({}, set()), (ALIPAY, {"alipay"}), (STRIPE, {"stripe"}), (ALIPAY | STRIPE, {"alipay", "stripe"})],
)
async def test_a_provider_exists_when_its_account_is_configured(changes, names):
    providers = configured_providers(settings(**changes), ManualClock())
    assert set(providers) == names
    for provider in providers.values():
        await provider.stop()


@pytest.mark.parametrize(
    "changes",
    [
        {"alipay_gateway": "http://alipay.example/gateway.do"},
        {"stripe_base_url": "http://stripe.example"},
        {"alipay_app_id": "app1"},
        {"stripe_secret_key": "sk_test_1"},
        {"provider_timeout_s": 31},
        {"checkout_ttl_s": 1},
        {"surprise": 1},
    ],
)
def test_settings_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValidationError):
        settings(**changes)


def test_a_sandbox_on_this_machine_is_just_another_address():
    made = settings(
        alipay_gateway="http://127.0.0.1:8090/alipay/gateway.do",
        stripe_base_url="http://127.0.0.1:8090/stripe",
    )
    assert made.stripe_base_url.endswith("/stripe")


async def test_a_key_may_lie_in_a_file(tmp_path):
    (tmp_path / "private").write_text(PRIVATE)
    (tmp_path / "public").write_text(PUBLIC)
    files = {"alipay_private_key": str(tmp_path / "private"), "alipay_public_key": str(tmp_path / "public")}
    providers = configured_providers(settings(**(ALIPAY | files)), ManualClock())
    assert set(providers) == {"alipay"}
    await providers["alipay"].stop()


def test_no_secret_is_shown():
    shown = repr(settings(**(ALIPAY | STRIPE)))
    assert PRIVATE not in shown
    assert "sk_test_1" not in shown
    assert "whsec_1" not in shown
