"""EasyPost, talk: create a tracker and read it. Basic authentication with the API key as the user's name."""

import base64
import hashlib
import re
from typing import Final

from carrier_gateway.adapters.bounded_http import BoundedHttp, judged, read_object
from carrier_gateway.adapters.easypost.mapping import read_tracker
from carrier_gateway.adapters.words import word
from carrier_gateway.application.carrier_port import CarrierRefused, CarrierTrouble, Pulled

TRACKERS_PATH: Final = "/v2/trackers"
NOT_FOUND: Final = 404
_TRACKER_ID: Final = re.compile(r"trk_[A-Za-z0-9_]{1,96}", re.ASCII)


class EasyPostClient:
    """Talks to EasyPost at `base_url`, which is all before `/v2`."""

    def __init__(self, base_url: str, api_key: str, http: BoundedHttp) -> None:
        self._trackers = base_url.rstrip("/") + TRACKERS_PATH
        credentials = base64.b64encode(f"{api_key}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
        self._http = http

    async def subscribe(self, number: str) -> str:
        """Create a tracker; EasyPost gives the old one back when there is one. Returns its id."""
        wish = {"tracker": {"tracking_code": number}}
        answer = judged(await self._http.exchange("POST", self._trackers, headers=self._headers, json=wish))
        return _tracker_id(word(read_object(answer.body).get("id")))

    async def pull(self, number: str, reference: str) -> Pulled:
        """Read the tracker. Its answer names who signed, so its hash is the proof when there is one."""
        if not reference:
            raise CarrierRefused("NO_TRACKER", "there is no tracker to ask for yet")
        url = f"{self._trackers}/{_tracker_id(reference)}"
        answer = await self._http.exchange("GET", url, headers=self._headers)
        if answer.status == NOT_FOUND:
            return Pulled(answer.body, None)
        tracker = read_object(judged(answer).body)
        observation = read_tracker(tracker, hashlib.sha256(answer.body).hexdigest())
        mine = observation is not None and observation.number == number
        return Pulled(answer.body, observation if mine else None)

    async def stop(self) -> None:
        await self._http.stop()


def _tracker_id(text: str) -> str:
    """An id that may stand in a path: it came from outside."""
    if not _TRACKER_ID.fullmatch(text):
        raise CarrierTrouble("the id of the tracker is not one of EasyPost's")
    return text
