import pytest

from payment_gateway.adapters.alipay import mapping as alipay
from payment_gateway.adapters.stripe import mapping as stripe
from payment_gateway.core.units import UnitRefused, from_provider, to_provider
from payment_gateway.core.words import is_reference, reason_name
from sps.currencies import currency_of
from sps.money import Money


@pytest.mark.parametrize(
    ("money", "units"),
    [
        (Money(12345, "USD"), 12345),
        (Money(12345, "JPY"), 12345),
        (Money(12340, "KWD"), 12340),
        (Money(500, "ISK"), 50000),
        (Money(500, "UGX"), 50000),
        (Money(5000, "MGA"), 50),
    ],
)
def test_stripe_counts_in_its_own_units_and_back(money, units):
    assert to_provider(money, stripe.UNITS.pay_in) == units
    assert from_provider(units, money.currency, stripe.UNITS.pay_in) == money


@pytest.mark.parametrize(
    ("money", "code"),
    [
        (Money(12345, "KWD"), "AMOUNT_NOT_EXACT"),
        (Money(5001, "MGA"), "AMOUNT_NOT_EXACT"),
        (Money(49, "USD"), "AMOUNT_OUT_OF_RANGE"),
        (Money(100_000_000, "USD"), "AMOUNT_OUT_OF_RANGE"),
        (Money(100, "KPW"), "CURRENCY_NOT_OFFERED"),
    ],
)
def test_an_amount_that_cannot_be_paid_exactly_is_refused(money, code):
    with pytest.raises(UnitRefused) as refusal:
        to_provider(money, stripe.UNITS.pay_in)
    assert refusal.value.code == code


def test_a_refund_has_no_smallest_charge():
    assert to_provider(Money(1, "USD"), stripe.UNITS.refund) == 1


def test_some_payouts_go_in_whole_units_only():
    with pytest.raises(UnitRefused, match="steps of 100"):
        to_provider(Money(12345, "HUF"), stripe.UNITS.payout)


@pytest.mark.parametrize("units", [alipay.UNITS, stripe.UNITS])
def test_every_declared_currency_is_of_iso_4217_and_its_bounds_are_sane(units):
    for table in (units.pay_in, units.refund, units.payout):
        for code, unit in table.items():
            assert currency_of(code) is not None
            assert 0 < unit.minimum <= unit.maximum
            assert unit.step > 0


def test_yuan_have_two_places():
    assert alipay.yuan(Money(8888, "CNY")) == "88.88"
    assert alipay.yuan(Money(1, "CNY")) == "0.01"
    assert alipay.read_yuan("0.10") == Money(10, "CNY")
    assert alipay.read_yuan("7") == Money(700, "CNY")


@pytest.mark.parametrize("text", ["", "1.234", "-1.00", "1e3", "01.00", "1,00", "NaN", "\uff11.00"])
def test_what_is_no_amount_in_yuan_is_not_read(text):
    with pytest.raises(alipay.BadAnswer):
        alipay.read_yuan(text)


def test_a_transfer_below_ten_fen_is_refused():
    with pytest.raises(UnitRefused):
        alipay.yuan(Money(9, "CNY"), payout=True)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("ACQ.TRADE_NOT_EXIST", "acq.trade_not_exist"),
        ("", "unknown"),
        ("余额不足", "unknown"),
        ("_x y/z", "x_y_z"),
        ("A" * 99, "a" * 40),
    ],
)
def test_a_strangers_word_becomes_a_name(word, name):
    assert reason_name(word) == name


@pytest.mark.parametrize("text", ["", "x" * 129, "a\nb", "支付", None, 7])
def test_what_cannot_stand_in_a_transaction_is_no_reference(text):
    assert not is_reference(text)
