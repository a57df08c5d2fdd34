"""DHL, talk: subscribe, answer the handshake, pull, and hash the proof of delivery.

What is kept of a pull is a transcript: the answer, and a last line with the document's hash when one was
fetched. The same answer with and without a document are two messages, since they prove different things.

`GET /track/shipments` and `POST /tracking/push/v1/subscription…`, all with `DHL-API-Key`.
"""

import hashlib
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from carrier_gateway.adapters.bounded_http import BoundedHttp, judged, read_object
from carrier_gateway.adapters.dhl.mapping import Shipment, read_shipments
from carrier_gateway.adapters.dhl.webhook import TOKEN_HEADER
from carrier_gateway.adapters.guarded_urls import GuardedUrls
from carrier_gateway.adapters.words import word
from carrier_gateway.application.carrier_port import CarrierRefused, CarrierTrouble, Handshake, Pulled

TRACK_PATH: Final = "/track/shipments"
SUBSCRIPTION_PATH: Final = "/tracking/push/v1/subscription"
EVENTS: Final = ("Pre-Transit", "Transit", "Delivered", "Failure", "Unknown")
DOCUMENT_BYTES_MAX: Final = 5 * 1024 * 1024
REFERENCE_CHARS_MAX: Final = 100
NOT_FOUND: Final = 404


class DhlAccess(Struct, frozen=True):
    """Where DHL is and who we are there."""

    base_url: str
    api_key: str
    hosts: tuple[str, ...] = ()
    """Further hosts of DHL: for `self` of a handshake and for proofs of delivery."""
    service: str = ""
    """DHL's division, such as `express`; empty for all."""

    def __repr__(self) -> str:
        return f"DhlAccess({self.base_url})"


class DhlClient:
    """Talks to DHL. `hook_url` and `hook_token` are what DHL is asked to send its pushes with."""

    def __init__(self, access: DhlAccess, http: BoundedHttp, hook_url: str, hook_token: str) -> None:
        self._access = access
        self._http = http
        self._hook = {
            "uri": hook_url,
            "authentication": {"type": "ApiKeyAuthentication", "header": TOKEN_HEADER, "token": hook_token},
        }
        self._urls = GuardedUrls(access.base_url, access.hosts)

    async def subscribe(self, number: str) -> str:
        """Ask for pushes about one shipment; returns the id of the subscription."""
        wish = {
            "hook": self._hook,
            "format": "Default",
            "type": "Shipment",
            "events": EVENTS,
            "shipmentIDs": [number],
        } | ({"service": self._access.service} if self._access.service else {})
        answer = judged(
            await self._http.exchange(
                "POST", self._url(SUBSCRIPTION_PATH), headers=self._headers(), json=wish
            )
        )
        return word(read_object(answer.body).get("id"))[:REFERENCE_CHARS_MAX] if answer.body else ""

    async def confirm(self, handshake: Handshake) -> None:
        """`POST {self}` with the secret of the handshake, at DHL's own addresses only."""
        if not self._urls.allows(handshake.url, SUBSCRIPTION_PATH + "/"):
            raise CarrierRefused("FOREIGN_ADDRESS", "the handshake names an address that is not DHL's")
        if not handshake.secret.isascii() or not handshake.secret.isprintable():
            raise CarrierRefused("BAD_HANDSHAKE", "the secret of the handshake cannot stand in a header")
        headers = {**self._headers(), "DHL-API-Hook-Secret": handshake.secret}
        judged(await self._http.exchange("POST", handshake.url, headers=headers))

    async def pull(self, number: str) -> Pulled:
        """Ask for the shipment now; a shipment that DHL does not know is no observation."""
        params = {"trackingNumber": number, "language": "en"}
        if self._access.service:
            params["service"] = self._access.service
        answer = await self._http.exchange(
            "GET", self._url(TRACK_PATH), headers=self._headers(), params=params
        )
        if answer.status == NOT_FOUND:
            return Pulled(answer.body, None)
        shipments = read_shipments(judged(answer).body)
        if shipments is None:
            raise CarrierTrouble("the answer of DHL is not a JSON object")
        mine = [shipment for shipment in shipments if shipment.observation.number == number]
        return await self._with_document(answer.body, mine[0]) if mine else Pulled(answer.body, None)

    async def stop(self) -> None:
        await self._http.stop()

    async def _with_document(self, raw: bytes, shipment: Shipment) -> Pulled:
        """Hash the first proof that can be fetched. A delivery without one counts, for less."""
        allowed = [url for url in shipment.proof_urls if self._urls.allows(url)]
        delivered = any(scan.status == "delivered" for scan in shipment.observation.scans)
        for url in allowed if delivered else ():
            document = await self._document(url)
            if document:
                return Pulled(_transcript(raw, document), replace(shipment.observation, document=document))
        return Pulled(raw, shipment.observation, complete=not (allowed and delivered))

    async def _document(self, url: str) -> str | None:
        try:
            answer = judged(
                await self._http.exchange("GET", url, headers=self._headers(), bytes_max=DOCUMENT_BYTES_MAX)
            )
        except (CarrierTrouble, CarrierRefused):
            return None
        return hashlib.sha256(answer.body).hexdigest() if answer.body else None

    def _url(self, path: str) -> str:
        return self._access.base_url.rstrip("/") + path

    def _headers(self) -> dict[str, str]:
        return {"DHL-API-Key": self._access.api_key, "Accept": "application/json, */*;q=0.5"}


def _transcript(answer: bytes, document: str) -> bytes:
    return b"%s\nproof-of-delivery sha256:%s\n" % (answer, document.encode())
