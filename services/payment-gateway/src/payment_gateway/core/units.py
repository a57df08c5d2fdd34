"""What amounts a provider takes, per currency; an amount that it cannot pay exactly is refused, not rounded.

Source: `docs/ledger.md`, money arithmetic (provider units). ISO 4217 says how many decimals a currency
has; a provider may count in another unit (Stripe: ISK and UGX in hundredths, but whole units only).
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from payment_gateway.core.refusal import Refused
from sps.currencies import currency_of
from sps.money import Money, MoneyRefused, checked


class UnitRefused(Refused):
    """The provider cannot move exactly this amount, or not to this account."""


class ProviderUnit(Struct, frozen=True):
    """One currency at one provider. `exponent` is the provider's number of decimals.

    `minimum`, `maximum` and `step` are in the provider's smallest units.
    """

    currency: str
    exponent: int
    minimum: int
    maximum: int
    step: int = 1


class Units(Struct, frozen=True):
    """What one provider moves, by direction and currency."""

    pay_in: Mapping[str, ProviderUnit]
    refund: Mapping[str, ProviderUnit]
    payout: Mapping[str, ProviderUnit]


def unit_table(units: Iterable[ProviderUnit]) -> Mapping[str, ProviderUnit]:
    """Index units by currency."""
    return {unit.currency: unit for unit in units}


def unit_of(units: Mapping[str, ProviderUnit], currency: str) -> ProviderUnit:
    """The unit of a currency at this provider."""
    unit = units.get(currency)
    if unit is None:
        raise UnitRefused("CURRENCY_NOT_OFFERED", f"the provider does not take {currency}")
    return unit


def to_provider(money: Money, units: Mapping[str, ProviderUnit]) -> int:
    """Minor units to the provider's units, exactly and within its limits."""
    unit = unit_of(units, money.currency)
    amount = _rescale(money.minor, _iso_exponent(money.currency), unit.exponent)
    if amount % unit.step:
        raise UnitRefused(
            "AMOUNT_NOT_EXACT", f"{money.currency} goes in steps of {unit.step} of the provider's units"
        )
    if not unit.minimum <= amount <= unit.maximum:
        raise UnitRefused(
            "AMOUNT_OUT_OF_RANGE", f"the provider takes {unit.minimum} to {unit.maximum} units, not {amount}"
        )
    return amount


def from_provider(amount: int, currency: str, units: Mapping[str, ProviderUnit]) -> Money:
    """The provider's units to money. Limits do not apply: what has arrived has arrived."""
    unit = units.get(currency)
    exponent = _iso_exponent(currency)
    return checked(_rescale(amount, unit.exponent if unit else exponent, exponent), currency)


def _iso_exponent(currency: str) -> int:
    known = currency_of(currency)
    if known is None:
        raise MoneyRefused("UNKNOWN_CURRENCY", f"{currency!r} is not a code of ISO 4217")
    return known.exponent


def _rescale(amount: int, source: int, target: int) -> int:
    if target >= source:
        return amount * int(10 ** (target - source))
    whole, rest = divmod(amount, int(10 ** (source - target)))
    if rest:
        raise UnitRefused("AMOUNT_NOT_EXACT", "the amount has more decimals than the other side can hold")
    return int(whole)
