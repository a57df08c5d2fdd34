"""The posting table (`docs/ledger.md`): one pure function per row in use, each giving one balanced journal.

All amounts are positive minor units; a row says which side they go to. Several tranches, refunds or
payouts of one cause stand in one journal, since a cause has at most one journal of a kind (I-08).
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from sps.ledger import accounts
from sps.ledger.journal import Journal, Posting, Unbalanced, journal

Parts = Sequence[tuple[str, int]]
"""(owner, minor units): tranches, refunds or payouts with their share; zero shares are left out."""


class Release(Struct, frozen=True, gc=False):
    """How a released gross amount is divided, in minor units."""

    net: int
    fee: int = 0
    tax: int = 0
    freight: int = 0
    reserve: int = 0


class Owners(Struct, frozen=True, gc=False):
    """Whose accounts a release touches."""

    contract: str
    seller: str
    currency: str
    plan: str
    tax_country: str
    carrier: str


def _transfer(kind: str, debit: str, credit: str, amount: int) -> Journal:
    if amount <= 0:
        raise Unbalanced(f"{kind}: {amount} from {credit} to {debit}")
    return Journal(kind, (Posting(debit, amount), Posting(credit, -amount)))


def _one_to_many(kind: str, debit: str, credits_: Iterable[tuple[str, int]]) -> Journal:
    lines: list[Posting] = []
    total = 0
    for account, amount in credits_:
        if amount < 0:
            raise Unbalanced(f"{kind}: {amount} to {account}")
        if amount:
            lines.append(Posting(account, -amount))
            total += amount
    if not total:
        raise Unbalanced(f"{kind}: nothing from {debit}")
    return Journal(kind, (Posting(debit, total), *lines))


# --- funding -----------------------------------------------------------------------------------


def p01(contract: str, currency: str, amount: int) -> Journal:
    """P01 (memo): the contract expects `amount`."""
    return _transfer("P01", *accounts.due(contract, currency), amount)


def p01_mirror(contract: str, currency: str, amount: int) -> Journal:
    """P01M (memo): `amount` of it is here, or will not come."""
    debit, credit = accounts.due(contract, currency)
    return _transfer("P01M", credit, debit, amount)


def p02(payment: str, currency: str, amount: int) -> Journal:
    """P02 (memo): a payment attempt over `amount` is under way."""
    return _transfer("P02", *accounts.authorised(payment, currency), amount)


def p02_mirror(payments: Parts, currency: str) -> Journal:
    """P02M (memo): these attempts are over."""
    lines: list[tuple[str, int]] = []
    for payment, amount in payments:
        debit, credit = accounts.authorised(payment, currency)
        lines += ((credit, amount), (debit, -amount))
    return journal("P02M", lines)


def _receive(kind: str, provider: str, contract: str, currency: str, held: Parts, extra: int) -> Journal:
    """1000 to the tranches' 2000, in order, and what is too much to 2020."""
    lines = [(accounts.held(contract, tranche, currency), amount) for tranche, amount in held]
    if extra:
        lines.append((accounts.surplus(contract, currency), extra))
    return _one_to_many(kind, accounts.psp_clearing(provider, currency), lines)


def p03(provider: str, contract: str, currency: str, held: Parts) -> Journal:
    """P03: cleared exactly; the tranches are held."""
    return _receive("P03", provider, contract, currency, held, 0)


def p04(provider: str, currency: str, fee: int) -> Journal:
    """P04: the provider kept its fee; it is our expense, never the contract's money."""
    return _transfer(
        "P04", accounts.provider_fee(provider, currency), accounts.psp_clearing(provider, currency), fee
    )


def p05(provider: str, contract: str, currency: str, held: Parts) -> Journal:
    """P05: a part of the price; held against the tranches in order, nothing releasable."""
    return _receive("P05", provider, contract, currency, held, 0)


def p06(provider: str, contract: str, currency: str, held: Parts) -> Journal:
    """P06: short by no more than the tolerance; the seller bears it, so less is held for him."""
    return _receive("P06", provider, contract, currency, held, 0)


def p07(contract: str, currency: str, tranches: Parts) -> Journal:
    """P07: what is held for these tranches is owed to the buyer."""
    credit = accounts.buyer_refundable(contract, currency)
    lines = [
        Posting(accounts.held(contract, tranche, currency), amount) for tranche, amount in tranches if amount
    ]
    total = sum(line.amount for line in lines)
    if total <= 0:
        raise Unbalanced(f"P07: {tranches}")
    return Journal("P07", (*lines, Posting(credit, -total)))


def p08(provider: str, contract: str, currency: str, held: Parts, extra: int) -> Journal:
    """P08: more than is due; the rest is never income."""
    return _receive("P08", provider, contract, currency, held, extra)


def p09(provider: str, contract: str, currency: str, amount: int) -> Journal:
    """P09: a payment on a contract that takes none; it is parked."""
    return _receive("P09", provider, contract, currency, (), amount)


def p10(provider: str, currency: str, amount: int) -> Journal:
    """P10: a payment that no contract knows."""
    return _transfer(
        "P10", accounts.psp_clearing(provider, currency), accounts.suspense_credit(provider, currency), amount
    )


def p11(provider: str, contract: str, currency: str, amount: int) -> Journal:
    """P11: a payment in a currency that is not the contract's; it is parked, never held."""
    return _receive("P11", provider, contract, currency, (), amount)


def p12(provider: str, sweep: str, currency: str, net: int, fee: int) -> Journal:
    """P12: the provider sends `net` to our bank and keeps `fee` that was not booked before."""
    return journal(
        "P12",
        (
            (accounts.transfer_in_transit(provider, sweep, currency), net),
            (accounts.provider_fee(provider, currency), fee),
            (accounts.psp_clearing(provider, currency), -(net + fee)),
        ),
    )


# --- release -----------------------------------------------------------------------------------


def _release_lines(owners: Owners, held: Parts, parts: Release) -> list[tuple[str, int]]:
    currency = owners.currency
    lines: list[tuple[str, int]] = []
    for tranche, amount in held:
        if amount:
            lines.append((accounts.held(owners.contract, tranche, currency), amount))
    if parts.net:
        lines.append((accounts.seller_payable(owners.seller, currency), -parts.net))
    if parts.fee:
        lines.append((accounts.fee_income(owners.plan, currency), -parts.fee))
    if parts.tax:
        lines.append((accounts.tax_payable(owners.tax_country, currency), -parts.tax))
    if parts.freight:
        lines.append((accounts.carrier_payable(owners.carrier, currency), -parts.freight))
    if parts.reserve:
        lines.append((accounts.seller_reserve(owners.seller, currency), -parts.reserve))
    return lines


def _released(kind: str, owners: Owners, held: Parts, parts: Release) -> Journal:
    lines: list[Posting] = []
    total = 0
    for account, amount in _release_lines(owners, held, parts):
        lines.append(Posting(account, amount))
        total += amount
    if total:
        raise Unbalanced(f"{kind}: {lines}")
    return Journal(kind, tuple(lines))


def p20(owners: Owners, held: Parts, parts: Release) -> Journal:
    """P20: all that the contract holds is released: to the seller, less fee, tax, freight and reserve."""
    return _released("P20", owners, held, parts)


def p21(owners: Owners, held: Parts, parts: Release) -> Journal:
    """P21: a part of the contract is released; fees are cumulative, so that the parts sum exactly."""
    return _released("P21", owners, held, parts)


def p23(seller: str, currency: str, amount: int) -> Journal:
    """P23: the reserve of a release is free."""
    return _transfer(
        "P23", accounts.seller_reserve(seller, currency), accounts.seller_payable(seller, currency), amount
    )


def p24(owners: Owners, held: Parts, parts: Release, reverses: str) -> Journal:
    """P24: the mirror of a release, never an edit; `reverses` names the journal."""
    lines = _release_lines(owners, held, parts)
    return journal("P24", [(account, -amount) for account, amount in lines], reverses)


# --- conversion --------------------------------------------------------------------------------


def p30(quote: str, currency: str, amount: int) -> Journal:
    """P30 (memo): a rate is locked for `amount`."""
    return _transfer("P30", *accounts.quote_open(quote, currency), amount)


def p30_mirror(quote: str, currency: str, amount: int) -> Journal:
    """P30M (memo): the lock is used or expired."""
    debit, credit = accounts.quote_open(quote, currency)
    return _transfer("P30M", credit, debit, amount)


def p31(seller: str, source: tuple[str, int], target: tuple[str, int], spread: int) -> Journal:
    """P31: the seller sells the whole source amount, spread included, and gets the target amount."""
    (sold, net), (bought, out) = source, target
    return journal(
        "P31",
        (
            (accounts.seller_payable(seller, sold), net),
            (accounts.fx_position(sold), -(net - spread)),
            (accounts.spread_income(sold, bought, sold), -spread),
            (accounts.fx_position(bought), out),
            (accounts.seller_payable(seller, bought), -out),
        ),
    )


# --- refund ------------------------------------------------------------------------------------


def p40(source: str, currency: str, refunds: Parts) -> Journal:
    """P40: refunds are ordered out of `source`, the account 2200 or 2020 that owes them."""
    lines = [(accounts.refund_in_transit(refund, currency), amount) for refund, amount in refunds]
    return _one_to_many("P40", source, lines)


def p41(refund: str, provider: str, currency: str, amount: int) -> Journal:
    """P41: the provider gave the money back."""
    return _transfer(
        "P41", accounts.refund_in_transit(refund, currency), accounts.psp_clearing(provider, currency), amount
    )


def p42(refund: str, contract: str, currency: str, amount: int) -> Journal:
    """P42: the rail did not take it back; it is owed to the buyer without an order."""
    return _transfer(
        "P42",
        accounts.refund_in_transit(refund, currency),
        accounts.buyer_refundable(contract, currency),
        amount,
    )


# --- payout ------------------------------------------------------------------------------------


def p60(seller: str, currency: str, payouts: Parts) -> Journal:
    """P60: payouts are ordered out of what is free."""
    lines = [(accounts.payout_in_transit(payout, currency), amount) for payout, amount in payouts]
    return _one_to_many("P60", accounts.seller_payable(seller, currency), lines)


def p61(payout: str, provider: str, currency: str, amount: int) -> Journal:
    """P61: the provider debited us and pays the beneficiary."""
    return _transfer(
        "P61", accounts.payout_in_transit(payout, currency), accounts.psp_clearing(provider, currency), amount
    )


def p63(payout: str, seller: str, currency: str, amount: int) -> Journal:
    """P63: refused before debit; the money is the seller's again, unpaid."""
    return _transfer(
        "P63", accounts.payout_in_transit(payout, currency), accounts.seller_payable(seller, currency), amount
    )


def p64(seller: str, provider: str, currency: str, amount: int, arrived: int) -> Journal:
    """P64: came back after it was paid; what the provider kept is our expense."""
    return journal(
        "P64",
        (
            (accounts.psp_clearing(provider, currency), arrived),
            (accounts.provider_fee(provider, currency), amount - arrived),
            (accounts.seller_payable(seller, currency), -amount),
        ),
    )


# --- own money ---------------------------------------------------------------------------------


def p84(provider: str, currency: str, amount: int) -> Journal:
    """P84: our own money stands at a provider when the chain begins."""
    return _transfer("P84", accounts.psp_clearing(provider, currency), accounts.capital(currency), amount)
