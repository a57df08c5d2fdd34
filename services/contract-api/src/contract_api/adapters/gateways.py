"""The gateways' internal calls over HTTP. A refusal of theirs is a refusal of ours with the same code."""

from typing import Any, Final

import httpx
from pydantic import SecretStr

from contract_api.application.ports import Booking
from sps.runtime.errors import Refusal, Trouble
from sps.runtime.internal_auth import internal_headers

ANSWER_BYTES_MAX: Final = 64 * 1024


class HttpGateways:
    """Talks to payment gateway and carrier gateway."""

    def __init__(
        self, client: httpx.AsyncClient, token: SecretStr, payment_url: str, carrier_url: str
    ) -> None:
        self._client = client
        self._headers = internal_headers(token)
        self._payment = payment_url.rstrip("/")
        self._carrier = carrier_url.rstrip("/")

    async def open_payment(
        self, contract: str, height: int, provider: str, return_url: str
    ) -> dict[str, Any]:
        body = {"contract": contract, "height": height, "provider": provider, "return_url": return_url}
        return await self._post(f"{self._payment}/internal/payments", body)

    async def book_parcel(self, booking: Booking) -> dict[str, Any]:
        body = {
            "contract": booking.contract,
            "parcel": booking.parcel,
            "carrier": booking.carrier,
            "tracking_number": booking.tracking_number,
            "country": booking.country,
            "postcode": booking.postcode,
            "ship_to_salt": booking.ship_to_salt.hex(),
        }
        return await self._post(f"{self._carrier}/internal/parcels", body)

    async def register_beneficiary(self, provider: str, account: str, name: str) -> str:
        body = {"provider": provider, "account": account, "name": name}
        answer = await self._post(f"{self._payment}/internal/beneficiaries", body)
        return str(answer["beneficiary"])

    async def _post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._client.post(url, json=body, headers=self._headers)
        except httpx.HTTPError as error:
            raise Trouble(f"the gateway did not answer: {error!r}") from error
        if answer.is_success and len(answer.content) <= ANSWER_BYTES_MAX:
            return dict(answer.json())
        raise _refused(answer)


def _refused(answer: httpx.Response) -> Exception:
    if answer.is_server_error or answer.status_code == httpx.codes.UNAUTHORIZED:
        return Trouble(f"the gateway answered {answer.status_code}")
    try:
        problem = answer.json()
        return Refusal(str(problem["code"]), str(problem.get("detail") or problem.get("title") or ""))
    except (ValueError, KeyError, TypeError):
        return Trouble(f"the gateway answered {answer.status_code} without a problem document")
