"""The gateways of a town of contract-api: small real HTTP servers that say on the chain what they vouch for."""

import hashlib
from typing import Any

from chain_kit import CARRIER
from fastapi import FastAPI

from sps import identifiers
from sps.runtime.http import Problem, create_app
from sps.runtime.ids import new_id
from sps.transactions.vocabulary import BookParcel


def gateways_of(town: Any) -> FastAPI:
    """Both gateways in one; what they are told is kept in `town.seen`."""
    app = create_app("gateways of the tests", service="gateways")

    @app.post("/internal/payments")
    async def pay(body: dict[str, Any]) -> dict[str, str]:
        town.seen.append(("payments", body))
        return {"payment": new_id(identifiers.PAYMENT), "url": "https://pay.example/checkout"}

    @app.post("/internal/beneficiaries")
    async def beneficiary(body: dict[str, str]) -> dict[str, str]:
        town.seen.append(("beneficiaries", body))
        return {"beneficiary": hashlib.sha256(repr(sorted(body.items())).encode()).hexdigest()}

    @app.post("/internal/parcels")
    async def book(body: dict[str, str]) -> dict[str, str]:
        town.seen.append(("parcels", body))
        number = body["tracking_number"]
        tag = hashlib.sha256(number.encode()).hexdigest()
        if number in town.used:
            raise Problem(409, "TRACKING_NUMBER_USED", "Used", "this number belongs to another parcel")
        town.used.add(number)
        booking = BookParcel(town.event(), body["contract"], body["parcel"], body["carrier"], tag)
        await town.chain.say(CARRIER, booking)
        return {"parcel": body["parcel"], "carrier": body["carrier"], "tag": tag}

    return app
