import re
from inspect import getsource
from typing import get_args

import pytest

from contract_api.core import narration
from contract_api.core.narration import REPORTED, lines, sentences, speaker, summary
from contract_api.entrypoints.showing import ACCOUNTS
from sps.chain.receipt import Receipt
from sps.ledger import accounts, postings
from sps.ledger.journal import Journal, Posting
from sps.transactions.codec import encode
from sps.transactions.values import ParcelStatus
from sps.transactions.vocabulary import ParcelEvidence, Transaction

KINDS = [str(kind.__struct_config__.tag) for kind in get_args(Transaction)]
MEMO = {"P01", "P01M", "P02", "P02M", "P30", "P30M"}
AT_GENESIS = {"P84"}
EVENT, CONTRACT = "evt_01jd3k7m2n3p4q5r6s7t8v9w0x", "ctr_01jd3k7m2n3p4q5r6s7t8v9w0x"


def rows() -> set[str]:
    """Every posting row in use: the kinds that the functions of the posting table give."""
    return set(re.findall(r'"(P\d\dM?)"', getsource(postings)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_transaction_has_a_speaker_and_a_sentence(kind):
    assert kind in narration._SAID
    receipt = Receipt(1, 0, kind, "OK", "ctr_1")
    assert summary(receipt)
    assert speaker(receipt) in {"seller", "buyer", "carrier", "provider", "settlement", "operator"}


def test_there_are_no_sentences_for_kinds_that_do_not_exist():
    assert set(narration._SAID) == set(KINDS)


def test_every_row_that_moves_money_has_a_sentence_and_no_other():
    assert rows() > MEMO | AT_GENESIS
    assert set(narration._EFFECTS) == rows() - MEMO - AT_GENESIS


def test_every_word_of_a_carrier_has_a_sentence():
    assert set(REPORTED) == set(get_args(ParcelStatus))


def test_every_account_that_holds_money_has_words():
    made = set(re.findall(r'f"(\d{4})/', getsource(accounts)))
    assert {code for code in made if not code.startswith("9")} == set(ACCOUNTS)


def evidence(status, document=None):
    raw = "ab" * 32
    return encode(
        ParcelEvidence(EVENT, CONTRACT, "p1", "dhl", raw, status, "pulled", 1, raw, document=document)
    )


def test_a_carriers_word_is_told_by_what_it_says():
    receipt = Receipt(1, 0, "parcel.evidence.v1", "OK", "ctr_1")
    assert summary(receipt, evidence("in_transit")) == "carries the parcel"
    assert summary(receipt, evidence("delivered")) == "delivered the parcel"
    assert summary(receipt, evidence("delivered", "cd" * 32)) == "delivered the parcel against a signature"
    assert summary(receipt) == "reported on the parcel"


def test_a_deadline_is_the_clocks():
    receipt = Receipt(1, 0, "deadline.pay", "OK", "ctr_1")
    assert (speaker(receipt), summary(receipt)) == ("clock", "a deadline passed")


def test_a_refused_step_names_its_code_and_a_repeat_says_that_nothing_changed():
    assert summary(Receipt(1, 0, "contract.cancel.v1", "WRONG_STATE", "ctr_1")).endswith(
        ": refused (WRONG_STATE)"
    )
    assert summary(Receipt(1, 0, "contract.cancel.v1", "DUPLICATE", "ctr_1")).endswith(
        ": a repeat, nothing changed"
    )


def test_effects_are_told_once_each_and_memo_accounts_are_no_money():
    held = Journal("P05", (Posting("1000/alipay/CNY", 5), Posting("2000/ctr_1/t1/CNY", -5)))
    memo = Journal("P01M", (Posting("9001/ctr_1/CNY", 5), Posting("9000/ctr_1/CNY", -5)))
    receipt = Receipt(1, 0, "payment.cleared.v1", "OK", "ctr_1", journals=(held, held, memo))
    assert summary(receipt) == "confirmed the payment; a part of the money is held"
    assert {line.account[0] for line in lines(receipt)} == {"1", "2"}
    assert sum(line.minor for line in lines(receipt)) == 0


def test_every_part_of_a_summary_is_listed_for_translation():
    assert {summary(Receipt(1, 0, kind, "OK", "x")) for kind in KINDS} <= sentences()
