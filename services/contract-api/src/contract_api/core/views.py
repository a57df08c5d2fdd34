"""What the API shows of a contract, a payout, a quote: JSON values, amounts as strings of minor units."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from contract_api.core.narration import lines, speaker, summary
from sps.chain.receipt import Receipt
from sps.escrow.state import Contract, Payout, Quote
from sps.transactions.terms import Terms

BALANCE_CODES: Final = {"2100": "payable", "2110": "reserve"}
"""Accounts of the chart that are a seller's, and what people call them."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def amount(minor: int, currency: str) -> dict[str, str]:
    """Money as on every wire."""
    return {"minor": str(minor), "currency": currency}


def moment(unix_ms: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    time = _EPOCH + timedelta(milliseconds=unix_ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def contract_view(contract: Contract, state: str, outcome: str, height: int) -> dict[str, Any]:
    """The public part: everything of it stands on the chain."""
    currency = contract.terms.currency
    deadlines = [
        {"kind": each.kind, "subject": each.subject or None, "due_at": moment(each.due_ms)}
        for each in sorted(contract.deadlines)
    ]
    return {
        "contract": contract.id,
        "state": state,
        "outcome": outcome or None,
        "version": contract.version,
        "height": height,
        "seller": contract.seller,
        "amount": amount(int(contract.terms.price), currency),
        "received": amount(contract.received, currency),
        "surplus": amount(contract.surplus, currency),
        "terms_hash": contract.terms_hash,
        "terms": msgspec.to_builtins(contract.terms),
        "rules": _rules(contract.terms),
        "tranches": [_tranche(each, currency) for each in contract.tranches],
        "parcels": [_parcel(each) for each in contract.parcels],
        "payments": [_payin(each) for each in contract.payins],
        "refunds": [_refund(each) for each in contract.refunds],
        "deadlines": deadlines,
        "next_deadline": deadlines[0] if deadlines else None,
        "created_at": moment(contract.opened_ms),
    }


def event_view(time_ms: int, receipt: Receipt, body: bytes | None = None) -> dict[str, Any]:
    """One line of the timeline: who said what, in which block, and the money."""
    return {
        "version": receipt.version,
        "height": receipt.height,
        "index": receipt.index,
        "block_time": moment(time_ms),
        "kind": receipt.kind,
        "by": speaker(receipt),
        "summary": summary(receipt, body),
        "code": receipt.code,
        "rules": list(receipt.rules),
        "postings": [msgspec.to_builtins(each) | {"minor": str(each.minor)} for each in lines(receipt)],
        "transaction": receipt.transaction or None,
        "message": receipt.message or None,
    }


def payout_view(payout: Payout) -> dict[str, Any]:
    """A payout and where it is."""
    return {
        "payout": payout.id,
        "state": payout.state,
        "amount": amount(payout.amount, payout.currency),
        "provider": payout.provider,
        "beneficiary": payout.beneficiary,
        "contract": payout.contract or None,
        "reference": payout.reference or None,
        "reason": payout.reason or None,
    }


def quote_view(quote: Quote) -> dict[str, Any]:
    """A rate and what it gives; nothing of it is rounded but the amounts."""
    locked = quote.den > 0
    return {
        "quote": quote.id,
        "state": quote.state,
        "amount": amount(quote.amount, quote.source),
        "to": quote.target,
        "rate": {"num": str(quote.num), "den": str(quote.den)} if locked else None,
        "spread_bp": quote.spread_bp if locked else None,
        "spread": amount(quote.spread, quote.source) if locked else None,
        "out": amount(quote.out, quote.target) if locked else None,
        "document": quote.document or None,
        "expires_at": moment(quote.expires_ms) if locked else None,
    }


def balance_view(rows: list[tuple[str, str, int]], in_transit: dict[str, int]) -> list[dict[str, str]]:
    """Per currency what may be taken out, what is on its way, what is kept as reserve."""
    found: dict[str, dict[str, int]] = {}
    for code, currency, minor in rows:
        name = BALANCE_CODES.get(code)
        if name:
            found.setdefault(currency, {})[name] = -minor
    for currency, minor in in_transit.items():
        found.setdefault(currency, {})["in_transit"] = minor
    names = ("payable", "in_transit", "reserve")
    return [
        {"currency": currency} | {name: str(found[currency].get(name, 0)) for name in names}
        for currency in sorted(found)
    ]


def _rules(terms: Terms) -> dict[str, Any]:
    """What the terms mean with every default written out; `terms` holds exactly what was signed."""
    clocks, fees = terms.clocks, terms.fees
    return {
        "release": terms.release,
        "min_level": terms.min_level,
        "tolerance": terms.tolerance,
        "clocks": {name: getattr(clocks, name) for name in clocks.__struct_fields__},
        "fees": {name: getattr(fees, name) for name in fees.__struct_fields__},
    }


def _tranche(each: Any, currency: str) -> dict[str, Any]:
    parts = ("amount", "held", "released", "refunded", "fee")
    return {
        "tranche": each.id,
        "state": each.state,
        "rule": each.rule or None,
        "currency": currency,
    } | {part: str(getattr(each, part)) for part in parts}


def _parcel(each: Any) -> dict[str, Any]:
    return {
        "parcel": each.id,
        "state": each.state,
        "carrier": each.carrier or None,
        "tag": each.tag or None,
        "level": each.level,
        "delivered_at": moment(each.delivered_ms) if each.delivered_ms else None,
    }


def _payin(each: Any) -> dict[str, Any]:
    return {
        "payment": each.id,
        "provider": each.provider,
        "state": each.state,
        "amount": amount(each.amount, each.currency) if each.currency else None,
        "reference": each.reference or None,
    }


def _refund(each: Any) -> dict[str, Any]:
    return {
        "refund": each.id,
        "payment": each.payment,
        "provider": each.provider,
        "state": each.state,
        "amount": amount(each.amount, each.currency),
    }
