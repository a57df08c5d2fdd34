"""The chart of accounts (`docs/ledger.md`): one function per account in use, and the guard of each code.

Address: `code/owner…/currency`. Debit is positive, credit negative. A guard holds after every journal;
only 1000 may break its sign, since a provider's books can run ahead of ours: that is an alarm, no stop.
"""

from enum import IntEnum
from typing import Final


class Guard(IntEnum):
    """Which sign a balance may have after every journal."""

    ANY = 0
    NEVER_NEGATIVE = 1
    NEVER_POSITIVE = 2
    NEGATIVE_IS_ALARM = 3


GUARDS: Final[dict[str, Guard]] = {
    "1000": Guard.NEGATIVE_IS_ALARM,
    "1010": Guard.NEVER_NEGATIVE,
    "1020": Guard.NEVER_NEGATIVE,
    "1030": Guard.NEVER_NEGATIVE,
    "1100": Guard.NEVER_NEGATIVE,
    "1110": Guard.ANY,
    "1150": Guard.NEVER_NEGATIVE,
    "1300": Guard.NEVER_NEGATIVE,
    "1310": Guard.NEVER_NEGATIVE,
    "1320": Guard.NEVER_NEGATIVE,
    "1900": Guard.NEVER_NEGATIVE,
    "2000": Guard.NEVER_POSITIVE,
    "2010": Guard.NEVER_POSITIVE,
    "2020": Guard.NEVER_POSITIVE,
    "2100": Guard.NEVER_POSITIVE,
    "2105": Guard.NEVER_POSITIVE,
    "2110": Guard.NEVER_POSITIVE,
    "2120": Guard.NEVER_POSITIVE,
    "2130": Guard.NEVER_POSITIVE,
    "2140": Guard.NEVER_POSITIVE,
    "2200": Guard.NEVER_POSITIVE,
    "2300": Guard.NEVER_POSITIVE,
    "2310": Guard.NEVER_POSITIVE,
    "2400": Guard.ANY,
    "2500": Guard.NEVER_POSITIVE,
    "2600": Guard.NEVER_POSITIVE,
    "2700": Guard.ANY,
    "3000": Guard.ANY,
    "3010": Guard.ANY,
    "3020": Guard.ANY,
    "3030": Guard.ANY,
    "4000": Guard.ANY,
    "5000": Guard.ANY,
    "5100": Guard.ANY,
    "9000": Guard.ANY,
    "9001": Guard.ANY,
    "9100": Guard.ANY,
    "9101": Guard.ANY,
    "9200": Guard.ANY,
    "9201": Guard.ANY,
}

CODE_LENGTH: Final = 4


def guard_of(account: str) -> Guard:
    """The guard of an account's code; a code that is not in the chart is a `KeyError`, a defect."""
    return GUARDS[account[:CODE_LENGTH]]


def psp_clearing(provider: str, currency: str) -> str:
    """1000: confirmed by the provider, not yet settled to our bank."""
    return f"1000/{provider}/{currency}"


def transfer_in_transit(provider: str, sweep: str, currency: str) -> str:
    """1150: a sweep from the provider to our bank, under way."""
    return f"1150/{provider}/{sweep}/{currency}"


def held(contract: str, tranche: str, currency: str) -> str:
    """2000: held for a tranche."""
    return f"2000/{contract}/{tranche}/{currency}"


def surplus(contract: str, currency: str) -> str:
    """2020: paid too much, too late or in another currency; it goes back."""
    return f"2020/{contract}/{currency}"


def seller_payable(seller: str, currency: str) -> str:
    """2100: released, free to pay out."""
    return f"2100/{seller}/{currency}"


def seller_reserve(seller: str, currency: str) -> str:
    """2110: the part of releases that waits until its date."""
    return f"2110/{seller}/{currency}"


def carrier_payable(carrier: str, currency: str) -> str:
    """2120: freight that the terms give to the carrier."""
    return f"2120/{carrier}/{currency}"


def buyer_refundable(contract: str, currency: str) -> str:
    """2200: owed to the buyer of a contract, without an order under way."""
    return f"2200/{contract}/{currency}"


def payout_in_transit(payout: str, currency: str) -> str:
    """2300: a payout is ordered, its outcome open."""
    return f"2300/{payout}/{currency}"


def refund_in_transit(refund: str, currency: str) -> str:
    """2310: a refund is ordered, its outcome open."""
    return f"2310/{refund}/{currency}"


def tax_payable(country: str, currency: str) -> str:
    """2400: value added tax on our fees."""
    return f"2400/{country}/vat/{currency}"


def suspense_credit(provider: str, currency: str) -> str:
    """2500: money arrived, its owner unknown."""
    return f"2500/{provider}/{currency}"


def fee_income(plan: str, currency: str) -> str:
    """3000: our escrow fee."""
    return f"3000/{plan}/{currency}"


def spread_income(source: str, target: str, currency: str) -> str:
    """3010: the explicit spread of a conversion."""
    return f"3010/{source}-{target}/{currency}"


def provider_fee(provider: str, currency: str) -> str:
    """4000: what providers charge us."""
    return f"4000/{provider}/{currency}"


def fx_position(currency: str) -> str:
    """5000: credit when we are long in the currency, debit when short."""
    return f"5000/{currency}"


def capital(currency: str) -> str:
    """5100: our own money put in."""
    return f"5100/capital/{currency}"


def due(contract: str, currency: str) -> tuple[str, str]:
    """9000/9001 (memo): what the contract still expects, and its contra account."""
    return f"9000/{contract}/{currency}", f"9001/{contract}/{currency}"


def authorised(payment: str, currency: str) -> tuple[str, str]:
    """9100/9101 (memo): a payment under way at the provider, and its contra account."""
    return f"9100/{payment}/{currency}", f"9101/{payment}/{currency}"


def quote_open(quote: str, currency: str) -> tuple[str, str]:
    """9200/9201 (memo): an open rate lock, and its contra account."""
    return f"9200/{quote}/{currency}", f"9201/{quote}/{currency}"
