"""Rates and quotes (S2; P30, P31): a locked rate is the formula over a published snapshot, used once.

Who wins the rounding is the position account. An expired quote never falls back to its old rate: the
money stays in its currency. States of a quote: requested, locked, used, expired.
"""

from typing import Final

from msgspec.structs import replace

from sps import identifiers
from sps.currencies import currency_of
from sps.escrow import clocks
from sps.escrow.change import Change
from sps.escrow.payout import free_balance
from sps.escrow.refusals import CONFLICT, DUPLICATE, Refused, check_prefix
from sps.escrow.state import Quote, RateSnapshot
from sps.escrow.terms_check import AMOUNT_MAX, check_currency
from sps.escrow.view import ChainView
from sps.ledger import fx, postings
from sps.transactions.vocabulary import AcceptQuote, LockQuote, PublishRates, RequestQuote

SPREAD_BP_MAX: Final = 1_000
"""Largest spread of a lock: 10 percent."""


# --- rates -------------------------------------------------------------------------------------


def publish(view: ChainView, fact: PublishRates, now_ms: int) -> Change:
    """A snapshot of reference rates becomes the newest one, unless it is old or jumps (I-23)."""
    rates = tuple((rate.quote, int(rate.num), int(rate.den)) for rate in fact.rates)
    snapshot = RateSnapshot(fact.source, fact.base, fact.as_of_ms, fact.document, rates)
    known = view.rates
    if known is not None and known.document == fact.document:
        raise Refused(DUPLICATE if known == snapshot else CONFLICT)
    _check_snapshot(view, snapshot, now_ms)
    if known is not None:
        _check_successor(view, known, snapshot, now_ms)
    return Change(fact.document, ("S2",), rates=snapshot)


def _check_snapshot(view: ChainView, snapshot: RateSnapshot, now_ms: int) -> None:
    codes = [code for code, _, _ in snapshot.rates]
    if len(set(codes)) != len(codes) or snapshot.base in codes:
        raise Refused("RATE_TWICE")
    if any(currency_of(code) is None for code in (snapshot.base, *codes)):
        raise Refused("UNKNOWN_CURRENCY")
    if not -clocks.QUOTE_LOCK_MS_MAX <= now_ms - snapshot.as_of_ms <= view.fx.max_rate_age_ms:
        raise Refused("RATES_TOO_OLD")


def _check_successor(view: ChainView, known: RateSnapshot, snapshot: RateSnapshot, now_ms: int) -> None:
    if snapshot.as_of_ms <= known.as_of_ms:
        raise Refused("RATES_NOT_NEWER")
    if snapshot.base != known.base:
        raise Refused("RATE_BASE_DIFFERS")
    # A snapshot that is itself too old for quotes is no measure of a jump any more; by then nobody has
    # been able to convert for the whole of that age.
    if now_ms - known.as_of_ms > view.fx.max_rate_age_ms:
        return
    before = {code: (num, den) for code, num, den in known.rates}
    for code, num, den in snapshot.rates:
        if code in before and fx.jump_bp(before[code], (num, den)) > view.fx.max_jump_bp:
            raise Refused("JUMP_NEEDS_APPROVAL", f"{code} jumped")


def ratio_of(snapshot: RateSnapshot, code: str) -> fx.Ratio:
    """Units of `code` for one unit of the base."""
    if code == snapshot.base:
        return (1, 1)
    for known, num, den in snapshot.rates:
        if known == code:
            return (num, den)
    raise Refused("RATE_MISSING", f"no rate of {code}")


def rate_for(snapshot: RateSnapshot, source: str, target: str) -> fx.Ratio:
    """The published formula: the cross rate through the base, rounded once to 12 digits."""
    return fx.cross_rate(ratio_of(snapshot, source), ratio_of(snapshot, target))


# --- quotes ------------------------------------------------------------------------------------


def request(view: ChainView, fact: RequestQuote, now_ms: int) -> Change:
    """S2: the seller asks for a rate for money that is free."""
    amount, source = int(fact.amount.minor), fact.amount.currency
    expires_ms = now_ms + clocks.QUOTE_REQUEST_MS
    known = view.quotes.get(fact.quote)
    if known is not None:
        same = (known.seller, known.source, known.amount, known.target)
        raise Refused(DUPLICATE if same == (fact.seller, source, amount, fact.to) else CONFLICT)
    check_prefix(fact.quote, identifiers.QUOTE)
    if source == fact.to:
        raise Refused("SAME_CURRENCY")
    check_currency(fact.to, now_ms)
    if amount > AMOUNT_MAX:
        raise Refused("AMOUNT_OUT_OF_BOUNDS")
    if amount > free_balance(view, fact.seller, source):
        raise Refused("INSUFFICIENT_FUNDS")
    quote = Quote(fact.quote, fact.seller, source, amount, fact.to, expires_ms=expires_ms)
    return Change(quote.id, ("S2",), quotes=(quote,))


def lock(view: ChainView, fact: LockQuote, now_ms: int) -> Change:
    """S2, P30: the rate is offered; it has to be the one that the newest snapshot gives."""
    quote = _known(view, fact.quote)
    if quote.state != "requested":
        raise _lock_refusal(quote, fact)
    if not now_ms < fact.expires_ms <= now_ms + clocks.QUOTE_LOCK_MS_MAX:
        raise Refused("QUOTE_LIFE")
    snapshot = _usable(view, fact.document, now_ms)
    rate = (int(fact.num), int(fact.den))
    try:
        expected = rate_for(snapshot, quote.source, quote.target)
        sold = _sell(quote, rate, fact.spread_bp)
    except fx.RateRefused as refusal:
        raise Refused("RATE_DIFFERS", str(refusal)) from refusal
    if rate != expected or fact.spread_bp > SPREAD_BP_MAX:
        raise Refused("RATE_DIFFERS")
    if sold.out <= 0:
        raise Refused("NOTHING_LEFT")
    locked = replace(
        quote,
        state="locked",
        document=fact.document,
        num=rate[0],
        den=rate[1],
        spread_bp=fact.spread_bp,
        spread=sold.spread,
        out=sold.out,
        expires_ms=fact.expires_ms,
    )
    posted = postings.p30(quote.id, quote.source, quote.amount)
    return Change(quote.id, ("S2",), journals=(posted,), quotes=(locked,))


def _usable(view: ChainView, document: str, now_ms: int) -> RateSnapshot:
    snapshot = view.rates
    if snapshot is None or snapshot.document != document:
        raise Refused("UNKNOWN_RATES")
    if now_ms - snapshot.as_of_ms > view.fx.max_rate_age_ms:
        raise Refused("RATES_TOO_OLD")
    return snapshot


def _sell(quote: Quote, rate: fx.Ratio, spread_bp: int) -> fx.Sold:
    source, target = currency_of(quote.source), currency_of(quote.target)
    if source is None or target is None:
        raise Refused("UNKNOWN_CURRENCY")
    return fx.convert_sell(quote.amount, *rate, spread_bp, source.exponent, target.exponent)


def _lock_refusal(quote: Quote, fact: LockQuote) -> Refused:
    same = (quote.document, quote.num, quote.den, quote.spread_bp) == (
        fact.document,
        int(fact.num),
        int(fact.den),
        fact.spread_bp,
    )
    if same:
        return Refused(DUPLICATE)
    return Refused("QUOTE_EXPIRED" if quote.state == "expired" else CONFLICT)


def accept(view: ChainView, fact: AcceptQuote, now_ms: int) -> Change:
    """S2, P31: the seller takes the rate, for exactly its amount, before it is over."""
    quote = _known(view, fact.quote)
    if quote.state != "locked":
        code = {"used": DUPLICATE, "expired": "QUOTE_EXPIRED"}.get(quote.state, "QUOTE_STATE")
        raise Refused(code)
    if now_ms >= quote.expires_ms:
        raise Refused("QUOTE_EXPIRED")
    if quote.amount > free_balance(view, quote.seller, quote.source):
        raise Refused("INSUFFICIENT_FUNDS")
    journals = (
        postings.p30_mirror(quote.id, quote.source, quote.amount),
        postings.p31(quote.seller, (quote.source, quote.amount), (quote.target, quote.out), quote.spread),
    )
    return Change(quote.id, ("S2",), journals=journals, quotes=(replace(quote, state="used"),))


def expire(quote: Quote) -> Change:
    """A quote is over; it is never used at its old rate."""
    journals = (postings.p30_mirror(quote.id, quote.source, quote.amount),) if quote.state == "locked" else ()
    return Change(quote.id, ("S2",), journals=journals, quotes=(replace(quote, state="expired"),))


def _known(view: ChainView, quote_id: str) -> Quote:
    quote = view.quotes.get(quote_id)
    if quote is None:
        raise Refused("UNKNOWN_QUOTE")
    return quote
