"""Examples of the main answers in the documentation; a test holds them against the schemas."""

from typing import Any, Final

_SELLER: Final = "mer_01jd3k5r8w9x0y1z2a3b4c5d6e"
_ID: Final = "01jd3k7m2n3p4q5r6s7t8v9w0x"
_PRICE: Final = {"minor": "128000", "currency": "CNY"}
_HASH: Final = "ed4df40b0a5a91197e1f244094a421f5070146b27cd892d85648bef6aeaf7a33"
_TIME: Final = "2026-11-23T10:29:08.123Z"

CONTRACT: Final[dict[str, Any]] = {
    "contract": f"ctr_{_ID}",
    "state": "FUNDED",
    "outcome": None,
    "version": 4,
    "height": 29,
    "seller": _SELLER,
    "amount": _PRICE,
    "received": _PRICE,
    "surplus": {"minor": "0", "currency": "CNY"},
    "terms_hash": _HASH,
    "terms": {"currency": "CNY", "price": "128000", "release": "on_delivery"},
    "rules": {"release": "on_delivery", "min_level": 3, "tolerance": "0"},
    "tranches": [
        {
            "tranche": "t1",
            "state": "held",
            "rule": None,
            "currency": "CNY",
            "amount": "128000",
            "held": "128000",
            "released": "0",
            "refunded": "0",
            "fee": "0",
        }
    ],
    "parcels": [
        {"parcel": "p1", "state": "planned", "carrier": None, "tag": None, "level": 0, "delivered_at": None}
    ],
    "payments": [
        {
            "payment": f"pay_{_ID}",
            "provider": "alipay",
            "state": "cleared",
            "amount": _PRICE,
            "reference": "2026112322001",
        }
    ],
    "refunds": [],
    "deadlines": [{"kind": "ship", "subject": "p1", "due_at": "2026-11-27T10:29:08.123Z"}],
    "next_deadline": {"kind": "ship", "subject": "p1", "due_at": "2026-11-27T10:29:08.123Z"},
    "created_at": "2026-11-23T10:29:00.004Z",
    "description": "Ceramic tea set, 12 pieces",
    "ship_to": {
        "name": "Bob Example",
        "street": "Invalidenstrasse 1",
        "city": "Berlin",
        "postcode": "10115",
        "country": "DE",
    },
}

EVENT: Final[dict[str, Any]] = {
    "version": 4,
    "height": 29,
    "index": 0,
    "block_time": _TIME,
    "kind": "payment.cleared.v1",
    "by": "provider",
    "summary": "confirmed the payment; the money is held",
    "code": "OK",
    "rules": ["F9"],
    "postings": [
        {"journal": "P03", "account": "1000/alipay/CNY", "minor": "128000", "currency": "CNY"},
        {"journal": "P03", "account": f"2000/ctr_{_ID}/t1/CNY", "minor": "-128000", "currency": "CNY"},
    ],
    "transaction": _HASH,
    "message": None,
}

BALANCE: Final[dict[str, Any]] = {
    "currency": "CNY",
    "payable": "126720",
    "in_transit": "0",
    "reserve": "0",
}

QUOTE: Final[dict[str, Any]] = {
    "quote": f"quo_{_ID}",
    "state": "locked",
    "amount": {"minor": "126720", "currency": "CNY"},
    "to": "EUR",
    "rate": {"num": "127369064", "den": "1000000000"},
    "spread_bp": 50,
    "spread": {"minor": "634", "currency": "CNY"},
    "out": {"minor": "16059", "currency": "EUR"},
    "document": _HASH,
    "expires_at": "2026-11-23T10:31:08.123Z",
}

PAYOUT: Final[dict[str, Any]] = {
    "payout": f"pyo_{_ID}",
    "state": "paid",
    "amount": {"minor": "16059", "currency": "EUR"},
    "provider": "stripe",
    "beneficiary": _HASH,
    "contract": None,
    "reference": "po_1",
    "reason": None,
}

PROBLEM: Final[dict[str, Any]] = {
    "type": "/docs/problems#wrong_terms_hash",
    "title": "The rules do not allow this",
    "status": 409,
    "code": "WRONG_TERMS_HASH",
    "instance": f"req_{_ID}",
    "detail": "load the contract again and accept the terms hash it shows now",
}

EXAMPLES: Final = {
    "Contract": CONTRACT,
    "Event": EVENT,
    "Balance": BALANCE,
    "Quote": QUOTE,
    "Payout": PAYOUT,
    "Problem": PROBLEM,
}
