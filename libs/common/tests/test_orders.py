import pytest
from msgspec.structs import replace

from sps.signing import Signer
from sps.transactions.orders import (
    BadOrder,
    Order,
    decode_order,
    open_order,
    order_partition,
    seal_order,
)
from sps.transactions.values import WireMoney

CHAIN = bytes(range(32))
SETTLEMENT = Signer(b"s" * 32)
PAYOUT = Order(
    id="pyo_01jd0000000000000000000000",
    kind="payout",
    height=7,
    index=0,
    provider="alipay",
    amount=WireMoney("CNY", "8888"),
    beneficiary="ab" * 32,
)


def test_a_sealed_order_opens_to_itself():
    assert open_order(seal_order(PAYOUT, SETTLEMENT, CHAIN), SETTLEMENT.public_key, CHAIN) == PAYOUT


def test_the_record_is_canonical_json():
    raw = seal_order(PAYOUT, SETTLEMENT, CHAIN)
    assert raw.startswith(b'{"order":{"amount":{"currency":"CNY","minor":"8888"},"beneficiary":')
    with pytest.raises(BadOrder, match="canonical"):
        decode_order(raw.replace(b'"order":', b'"order": '))


def test_an_order_of_another_chain_or_key_is_refused():
    raw = seal_order(PAYOUT, SETTLEMENT, CHAIN)
    with pytest.raises(BadOrder, match="signature"):
        open_order(raw, SETTLEMENT.public_key, bytes(32))
    with pytest.raises(BadOrder, match="signature"):
        open_order(raw, Signer(b"x" * 32).public_key, CHAIN)


def test_a_changed_amount_is_refused():
    raw = seal_order(PAYOUT, SETTLEMENT, CHAIN).replace(b'"8888"', b'"9888"')
    with pytest.raises(BadOrder, match="signature"):
        open_order(raw, SETTLEMENT.public_key, CHAIN)


@pytest.mark.parametrize(
    "order",
    [
        replace(PAYOUT, beneficiary=None),
        replace(PAYOUT, payment="pay_01jd0000000000000000000000"),
        replace(PAYOUT, kind="refund"),
        replace(PAYOUT, id="rfd_01jd0000000000000000000000"),
    ],
)
def test_an_incomplete_order_is_not_sealed(order):
    with pytest.raises(BadOrder):
        seal_order(order, SETTLEMENT, CHAIN)


@pytest.mark.parametrize("raw", [b"", b"\xff", b"{}", b"[" * 9000])
def test_what_is_no_order_is_refused(raw):
    with pytest.raises(BadOrder):
        decode_order(raw)


def test_the_partition_of_an_order_never_changes():
    assert [order_partition(f"pyo_{i}", 12) for i in range(4)] == [
        order_partition(f"pyo_{i}", 12) for i in range(4)
    ]
    assert {order_partition(f"pyo_{i}", 12) for i in range(200)} == set(range(12))
