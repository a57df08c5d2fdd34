"""Carriers: parcels on their way, who is told about them, and who may ask."""

from typing import Any

from msgspec.structs import replace

from sandbox.application.errors import SandboxRefused
from sandbox.application.ports import Store, Unit
from sandbox.application.telling import Teller
from sandbox.application.world import World
from sandbox.core import parcels as words
from sandbox.core.parcels import CARRIERS, HANDOVERS, STATUSES, normal_number
from sandbox.core.records import Parcel, Scan, Subscription, Tracker


class Parcels:
    """What the carriers do: take parcels and move them."""

    def __init__(self, world: World, store: Store, teller: Teller) -> None:
        self._world = world
        self._store = store
        self._teller = teller

    async def register(self, carrier: str, number: str, country: str, postcode: str) -> Parcel:
        """A carrier takes a parcel; the same again changes nothing."""
        if carrier not in CARRIERS:
            raise SandboxRefused("UNKNOWN_CARRIER", f"carriers here: {', '.join(CARRIERS)}")
        number, country, postcode = normal_number(number), country.strip().upper(), postcode.strip().upper()
        async with self._store.transaction() as unit:
            known = await unit.find(Parcel, carrier=carrier, number=number)
            if known is None:
                return await unit.add(Parcel(carrier, number, country, postcode, self._world.now_ms()))
            if (known.country, known.postcode) != (country, postcode):
                raise SandboxRefused(
                    "OTHER_PARCEL", "the number belongs to a parcel with another destination"
                )
            return known

    async def move(self, carrier: str, number: str, wish: Scan) -> list[Scan]:
        """The next thing happens to a parcel. The same status again is told again and is no new scan."""
        if wish.status not in STATUSES or wish.handover not in HANDOVERS:
            raise SandboxRefused(
                "UNKNOWN_WORD", f"statuses: {', '.join(STATUSES)}; handovers: {', '.join(HANDOVERS)}"
            )
        async with self._store.transaction() as unit:
            parcel = await unit.find(Parcel, carrier=carrier, number=normal_number(number))
            if parcel is None:
                raise SandboxRefused("UNKNOWN_PARCEL", "the carrier knows no such parcel")
            scans = await history(unit, parcel)
            before = scans[-1] if scans else None
            if before is None or before.status != wish.status:
                earliest = before.occurred_ms + 1 if before else 0
                moment = max(earliest, self._world.now_ms())
                scan = replace(wish, carrier=carrier, number=parcel.number, occurred_ms=moment)
                scans.append(await unit.add(scan))
            await self._tell(unit, parcel, scans, before.status if before else "unknown")
            return scans

    async def tell_dhl(self, unit: Unit, subscription: Subscription) -> None:
        """What is known already, for a new subscriber."""
        parcel = await unit.find(Parcel, carrier="dhl", number=subscription.number)
        scans = await history(unit, parcel) if parcel else []
        if parcel and scans:
            await self._push(unit, subscription, self.dhl_shipment(parcel, scans))

    def dhl_shipment(self, parcel: Parcel, scans: list[Scan]) -> dict[str, Any]:
        """DHL's view of a parcel."""
        proof_url = self._world.url(f"/dhl/track/proof-of-delivery/{parcel.number}")
        return words.dhl_shipment(parcel, scans, proof_url)

    async def _tell(self, unit: Unit, parcel: Parcel, scans: list[Scan], before: str) -> None:
        if parcel.carrier == "easypost":
            await self.tell_easypost(unit, parcel, scans, before)
            return
        shipment = self.dhl_shipment(parcel, scans)
        for subscription in await unit.find_all(Subscription, number=parcel.number, state="ready"):
            await self._push(unit, subscription, shipment)

    async def _push(self, unit: Unit, subscription: Subscription, shipment: dict[str, Any]) -> None:
        message = {"scope": "subscription.push", "id": subscription.reference, "shipments": [shipment]}
        headers = {subscription.header: subscription.token}
        await self._teller.carrier(
            unit, "dhl", subscription.uri, message, headers, "subscription.push", subscription.number
        )

    async def tell_easypost(self, unit: Unit, parcel: Parcel, scans: list[Scan], before: str) -> None:
        """An event about the tracker of a parcel, when there is one."""
        tracker = await unit.find(Tracker, number=parcel.number)
        if tracker is None:
            return
        shape = words.easypost_tracker(tracker, parcel, scans)
        previous = STATUSES[before].easypost_status if before in STATUSES else "unknown"
        now = words.stamp(self._world.now_ms())
        event = words.easypost_event(shape, self._world.token("evt"), now, previous)
        url = self._world.carrier.easypost_webhook_url
        await self._teller.carrier(unit, "easypost", url, event, {}, "tracker.updated", parcel.number)


class Dhl:
    """DHL's interface: pull, subscriptions with their handshake, proofs of delivery."""

    def __init__(self, world: World, store: Store, teller: Teller, parcels: Parcels) -> None:
        self._world = world
        self._store = store
        self._teller = teller
        self._parcels = parcels

    async def pull(self, number: str) -> dict[str, Any] | None:
        """The answer to a pull; None when DHL does not know the number."""
        async with self._store.reading() as unit:
            parcel = await unit.find(Parcel, carrier="dhl", number=number.upper())
            if parcel is None:
                return None
            return words.dhl_answer(self._parcels.dhl_shipment(parcel, await history(unit, parcel)))

    async def proof(self, number: str) -> str | None:
        """The document about a delivery that somebody signed for."""
        async with self._store.reading() as unit:
            parcel = await unit.find(Parcel, carrier="dhl", number=number)
            scans = await history(unit, parcel) if parcel else []
        delivered = next((scan for scan in reversed(scans) if scan.status == "delivered"), None)
        return (
            words.proof_document(parcel, delivered) if parcel and delivered and delivered.signed_by else None
        )

    async def subscribe(self, uri: str, header: str, token: str, numbers: list[str]) -> Subscription:
        """Store the wish and ask the subscriber whether it is his."""
        if len(numbers) != 1:
            raise SandboxRefused("ONE_NUMBER", "this DHL takes one shipment in a subscription")
        async with self._store.transaction() as unit:
            subscription = await unit.add(
                Subscription(
                    reference=self._world.token("sub"),
                    number=numbers[0].upper(),
                    uri=uri,
                    header=header,
                    token=token,
                    secret=self._world.token("secret"),
                    state="validating",
                    created_ms=self._world.now_ms(),
                )
            )
            more = {"self": self.address(subscription), "secret": subscription.secret}
            await self._say(unit, subscription, "subscription.validate", more)
        return subscription

    async def activate(self, reference: str, secret: str) -> bool:
        """The subscriber answers the handshake; True when the secret is the right one."""
        async with self._store.transaction() as unit:
            subscription = await unit.find(Subscription, reference=reference)
            if subscription is None or subscription.state == "deleted" or subscription.secret != secret:
                return False
            if subscription.state != "ready":
                subscription = await unit.save(replace(subscription, state="ready"))
                await self._say(unit, subscription, "subscription.ready", {})
            await self._parcels.tell_dhl(unit, subscription)
        return True

    async def find(self, reference: str) -> Subscription | None:
        async with self._store.reading() as unit:
            found = await unit.find(Subscription, reference=reference)
        return None if found is None or found.state == "deleted" else found

    async def all(self) -> list[Subscription]:
        """The newest subscriptions that live."""
        async with self._store.reading() as unit:
            return await unit.find_all(Subscription, newest_first=True, limit=100, state="ready")

    async def delete(self, reference: str) -> bool:
        async with self._store.transaction() as unit:
            found = await unit.find(Subscription, reference=reference)
            if found is None or found.state == "deleted":
                return False
            await unit.save(replace(found, state="deleted"))
            await self._say(unit, found, "subscription.deleted", {})
        return True

    def address(self, subscription: Subscription) -> str:
        """`self` of a subscription."""
        return self._world.url(f"/dhl/tracking/push/v1/subscription/{subscription.reference}")

    async def _say(self, unit: Unit, subscription: Subscription, scope: str, more: dict[str, Any]) -> None:
        message = {
            "scope": scope,
            "id": subscription.reference,
            "format": "Default",
            "type": "Shipment",
            **more,
        }
        headers = {subscription.header: subscription.token}
        await self._teller.carrier(
            unit, "dhl", subscription.uri, message, headers, scope, subscription.number
        )


class EasyPost:
    """EasyPost's interface: trackers."""

    def __init__(self, world: World, store: Store, parcels: Parcels) -> None:
        self._world = world
        self._store = store
        self._parcels = parcels

    async def track(self, code: str) -> dict[str, Any]:
        """Create a tracker; the same number has one tracker for ever."""
        number = normal_number(code)
        async with self._store.transaction() as unit:
            tracker = await unit.find(Tracker, number=number)
            if tracker is None:
                reference = self._world.token("trk")
                tracker = await unit.add(Tracker(reference, number, self._world.now_ms()))
                await self._tell(unit, number)
            return await _tracker(unit, tracker)

    async def tracker(self, reference: str) -> dict[str, Any] | None:
        async with self._store.reading() as unit:
            tracker = await unit.find(Tracker, reference=reference)
            return await _tracker(unit, tracker) if tracker else None

    async def _tell(self, unit: Unit, number: str) -> None:
        """What had happened before somebody began to follow the number."""
        parcel = await unit.find(Parcel, carrier="easypost", number=number)
        scans = await history(unit, parcel) if parcel else []
        if parcel and scans:
            await self._parcels.tell_easypost(unit, parcel, scans, "unknown")


async def _tracker(unit: Unit, tracker: Tracker) -> dict[str, Any]:
    parcel = await unit.find(Parcel, carrier="easypost", number=tracker.number)
    return words.easypost_tracker(tracker, parcel, await history(unit, parcel) if parcel else [])


async def history(unit: Unit, parcel: Parcel) -> list[Scan]:
    """Everything that happened to a parcel, oldest first."""
    return await unit.find_all(Scan, carrier=parcel.carrier, number=parcel.number)
