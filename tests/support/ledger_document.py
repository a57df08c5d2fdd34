"""The parts of docs/ledger.md that are made from the program. `python tests/support/ledger_document.py` writes them.

Between `<!-- made: NAME -->` and `<!-- end -->` nothing is written by hand; a test compares.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sps.escrow.clocks import QUOTE_LOCK_MS_MAX, QUOTE_REQUEST_MS
from sps.escrow.conversion import SPREAD_BP_MAX
from sps.ledger import accounts, fx, postings
from sps.ledger.accounts import GUARDS, Guard
from sps.ledger.journal import Journal
from sps.ledger.postings import Owners, Release

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "ledger.md"
PART: Final = re.compile(r"(<!-- made: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
GUARD_TEXT: Final = {
    Guard.ANY: "either sign",
    Guard.NEVER_NEGATIVE: "≥ 0",
    Guard.NEVER_POSITIVE: "≤ 0",
    Guard.NEGATIVE_IS_ALARM: "≥ 0, else alarm",
}
OWNERS: Final = Owners("K", "S", "ccy", "plan", "country", "carrier")
RELEASE: Final = Release(net=1, fee=1, tax=1, freight=1, reserve=1)
HELD: Final = (("t", 5),)

SAMPLES: Final[dict[str, Callable[[], Journal]]] = {
    "p01": lambda: postings.p01("K", "ccy", 1),
    "p01_mirror": lambda: postings.p01_mirror("K", "ccy", 1),
    "p02": lambda: postings.p02("payment", "ccy", 1),
    "p02_mirror": lambda: postings.p02_mirror((("payment", 1),), "ccy"),
    "p03": lambda: postings.p03("psp", "K", "ccy", HELD),
    "p04": lambda: postings.p04("psp", "ccy", 1),
    "p05": lambda: postings.p05("psp", "K", "ccy", HELD),
    "p06": lambda: postings.p06("psp", "K", "ccy", HELD),
    "p07": lambda: postings.p07("K", "ccy", HELD),
    "p08": lambda: postings.p08("psp", "K", "ccy", HELD, 1),
    "p09": lambda: postings.p09("psp", "K", "ccy", 1),
    "p10": lambda: postings.p10("psp", "ccy", 1),
    "p11": lambda: postings.p11("psp", "K", "another ccy", 1),
    "p12": lambda: postings.p12("psp", "sweep", "ccy", 1, 1),
    "p20": lambda: postings.p20(OWNERS, HELD, RELEASE),
    "p21": lambda: postings.p21(OWNERS, HELD, RELEASE),
    "p23": lambda: postings.p23("S", "ccy", 1),
    "p24": lambda: postings.p24(OWNERS, HELD, RELEASE, "h/i/P20"),
    "p30": lambda: postings.p30("quote", "src", 1),
    "p30_mirror": lambda: postings.p30_mirror("quote", "src", 1),
    "p31": lambda: postings.p31("S", ("src", 5), ("dst", 4), 1),
    "p40": lambda: postings.p40("2200/K/ccy or 2020/K/ccy", "ccy", (("refund", 1),)),
    "p41": lambda: postings.p41("refund", "psp", "ccy", 1),
    "p42": lambda: postings.p42("refund", "K", "ccy", 1),
    "p60": lambda: postings.p60("S", "ccy", (("payout", 1),)),
    "p61": lambda: postings.p61("payout", "psp", "ccy", 1),
    "p63": lambda: postings.p63("payout", "S", "ccy", 1),
    "p64": lambda: postings.p64("S", "psp", "ccy", 2, 1),
    "p84": lambda: postings.p84("psp", "ccy", 1),
}


def rows() -> dict[str, Callable[..., Journal]]:
    """Every posting row that the program has."""
    return {
        n: f
        for n, f in inspect.getmembers(postings, inspect.isfunction)
        if re.fullmatch(r"p\d\d(_mirror)?", n)
    }


def chart() -> str:
    """Accounts in use, with their guard."""
    lines = ["| code | address | guard | meaning |", "| --- | --- | --- | --- |"]
    return "\n".join(lines + sorted(_chart_lines())) + "\n"


def _chart_lines() -> Iterator[str]:
    for name, function in inspect.getmembers(accounts, inspect.isfunction):
        if name == "guard_of":
            continue
        made = function(*inspect.signature(function).parameters)
        codes, _, meaning = (inspect.getdoc(function) or "").partition(": ")
        for address in (made,) if isinstance(made, str) else made:
            code = address[: accounts.CODE_LENGTH]
            assert code in codes, f"{name} says {codes} and makes {address}"
            yield f"| {code} | `{address}` | {GUARD_TEXT[GUARDS[code]]} | {meaning} |"


def table() -> str:
    """The posting rows, with the accounts that a sample of each touches."""
    lines = ["| row | what happened | debit | credit |", "| --- | --- | --- | --- |"]
    for name, function in rows().items():
        journal = SAMPLES[name]()
        meaning = (inspect.getdoc(function) or "").partition(": ")[2].replace("\n", " ")
        debit = "<br>".join(f"`{p.account}`" for p in journal.postings if p.amount > 0)
        credit = "<br>".join(f"`{p.account}`" for p in journal.postings if p.amount < 0)
        lines.append(f"| {journal.kind} | {meaning} | {debit} | {credit} |")
    return "\n".join(lines) + "\n"


def bounds() -> str:
    """Numbers of the FX rules."""
    return (
        f"- A rate is rounded down to {fx.SIGNIFICANT_DIGITS} significant digits, once, when the lock is made.\n"
        f"- A request waits at most {QUOTE_REQUEST_MS // 60_000} minutes for a rate, "
        f"a lock lives at most {QUOTE_LOCK_MS_MAX // 60_000} minutes, both in block time.\n"
        f"- The spread of a lock is at most {SPREAD_BP_MAX} basis points.\n"
    )


def examples() -> str:
    """The worked examples, computed."""
    sold = fx.convert_sell(98_500, *fx.parse_rate("0.923150"), 50, 2, 2)
    num, den = fx.parse_rate("151.2345")
    bought = fx.convert_buy(100_000, den, num, 50, 0, 2)
    return f"""\
**Release and conversion.** Held 1,000.00 USD, fee 1.5 %, rate 0.923150 EUR for one USD, spread 50 bp.

| row | account | minor units |
| --- | --- | ---: |
| P20 | `2000/K/t1/USD` | 100000 |
| P20 | `3000/plan/USD` | -1500 |
| P20 | `2100/S/USD` | -98500 |
| P31 | `2100/S/USD` | 98500 |
| P31 | `3010/USD-EUR/USD` | -{sold.spread} |
| P31 | `5000/USD` | -{sold.converted} |
| P31 | `5000/EUR` | {sold.out} |
| P31 | `2100/S/EUR` | -{sold.out} |

The spread is 98500 · 50 / 10000 = 492.5, upwards {sold.spread}. Exact proceeds are {sold.converted} · 0.923150 = 90475.16…,
downwards {sold.out}; the part of a cent stays in the position, there is nothing to post for it.

**Three tranches** of 333.33, 333.33 and 333.34 with 1.5 %: the fee of each release is the fee of everything released so
far less what was taken before: 500 + 500 + 500 = 1500 minor units, which is 1.5 % of the whole. However a price is
split, the parts sum to the fee of the whole.

**Price of a purchase** (the formula of P32, which no row uses yet): for 1,000.00 USD at 151.2345 JPY the middle is
{bought.mid} JPY upwards, the spread {bought.spread} JPY upwards, the buyer sees {bought.total} JPY.
"""


PARTS: Final[dict[str, Callable[[], str]]] = {
    "chart": chart,
    "table": table,
    "bounds": bounds,
    "examples": examples,
}


def remade(text: str) -> str:
    """The document with all its made parts as the program has them now."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[4]}", text)


if __name__ == "__main__":
    DOCUMENT.write_text(remade(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
