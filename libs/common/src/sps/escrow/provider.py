"""What a provider keeps of payments and sends on to our bank (P04, P12); no contract's money moves."""

from msgspec.structs import replace

from sps.escrow.change import Change, Draft
from sps.escrow.payin import check_amount, payin_of, put_payin
from sps.escrow.refusals import CONFLICT, DUPLICATE, Refused
from sps.escrow.state import Sweep
from sps.escrow.view import ChainView
from sps.ledger import postings
from sps.transactions.vocabulary import ProviderFee, ProviderSettled


def provider_fee(view: ChainView, fact: ProviderFee, now_ms: int) -> Change:
    """P04: once per payment; our expense, never the contract's."""
    fee, currency = int(fact.amount.minor), fact.amount.currency
    check_amount(currency, fee)
    contract = view.contracts.get(view.payments.get(fact.payment, ""))
    orphan = view.orphans.get(fact.payment)
    known = payin_of(contract, fact.payment) if orphan is None and contract is not None else orphan
    if known is None or known.state != "cleared":
        raise Refused("UNKNOWN_PAYMENT")
    if known.fee or known.provider != fact.provider:
        same = (known.provider, known.fee, known.fee_currency) == (fact.provider, fee, currency)
        raise Refused(DUPLICATE if same else CONFLICT)
    posted = postings.p04(fact.provider, currency, fee)
    noted = replace(known, fee=fee, fee_currency=currency)
    if orphan is not None or contract is None:
        return Change(fact.payment, ("P04",), journals=(posted,), orphans=(noted,))
    draft = Draft(view, contract, now_ms)
    draft.rule("P04")
    draft.journals.append(posted)
    put_payin(draft, known, noted)
    return draft.finish()


def provider_settled(view: ChainView, fact: ProviderSettled, _now_ms: int) -> Change:
    """P12: a provider's transfer to our bank, once per sweep."""
    currency, net = fact.net.currency, int(fact.net.minor)
    check_amount(currency, net)
    sweep = Sweep(f"{fact.provider}/{fact.sweep}", currency, net, int(fact.fee))
    known = view.sweeps.get(sweep.id)
    if known is not None:
        raise Refused(DUPLICATE if known == sweep else CONFLICT)
    posted = postings.p12(fact.provider, fact.sweep, sweep.currency, sweep.net, sweep.fee)
    return Change(sweep.id, ("P12",), journals=(posted,), sweeps=(sweep,))
