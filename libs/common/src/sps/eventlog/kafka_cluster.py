"""Who leads which partition, as last heard, and the connections that many questions share.

Nothing is asked in vain: the cluster is asked anew after an error and at no other time. A connection on which
a broker may keep a question waiting (reading on, appending) belongs to whoever asks, see `Line`.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from sps.eventlog.kafka_connection import Broker, Link, OneAtATime, kafka_error
from sps.eventlog.kafka_requests import (
    EARLIEST,
    LATEST,
    OFFSET_OUT_OF_RANGE,
    OK,
    LiveTopic,
    Metadata,
    ask_metadata,
    ask_offset,
    offset_answer,
)
from sps.eventlog.kafka_security import KafkaSecurity, connection_options
from sps.eventlog.port import LogTrouble

ANSWER_S: Final = 3.0
"""For a question that a broker answers at once."""
REFRESH_S: Final = 8.0
"""For asking one broker after the other who leads what."""
REQUEST_S: Final = 5.0
"""For a question to the leader of a partition, with all that is tried again meanwhile."""
RETRY_S: Final = 0.1
NOBODY: Final = -1


class Cluster:
    """One handle's view of the brokers; for one event loop."""

    def __init__(
        self, servers: Sequence[str], names: Sequence[str], security: KafkaSecurity, client_id: str
    ) -> None:
        self._servers: Final = [_broker(server) for server in servers]
        self._names: Final = list(names)
        self._security: Final = security
        self._client_id: Final = client_id
        self._options: dict[str, Any] = {}
        self._links: Final[dict[Broker, Link]] = {}
        self._opening: Final[dict[Broker, OneAtATime[Link]]] = {}
        self._refreshing: Final[OneAtATime[None]] = OneAtATime()
        self._metadata: Metadata | None = None
        self._stale = True
        self._running = False

    def start(self) -> None:
        """Read the certificate files; raises `LogRefused`. Connects to nobody yet."""
        self._options = connection_options(self._security)
        self._stale, self._running = True, True

    async def stop(self) -> None:
        """Cut every shared connection."""
        self._running = False
        await self._refreshing.stop()
        for opening in self._opening.values():
            await opening.stop()
        for link in self._links.values():
            link.cut()
        self._links.clear()
        await asyncio.sleep(0)  # the tasks that read from the connections end

    def stale(self) -> None:
        """Somebody met an error: ask anew before the next step."""
        self._stale = True

    def identity(self, topic: str) -> tuple[int, int] | None:
        """The topic's id as last heard, if it was; one that was deleted and made anew has another."""
        live = self._metadata.topics.get(topic) if self._metadata else None
        return live.id if live is not None and live.code == OK else None

    async def metadata(self) -> Metadata:
        """As last heard, asked anew if that may be wrong. Raises `LogTrouble`."""
        if self._stale or self._metadata is None:
            await self._refreshing.run(self._refresh)
        if self._metadata is None:
            raise LogTrouble("no broker has said who leads what")
        return self._metadata

    async def leader(self, topic: str, partition: int) -> Broker:
        """Who leads now; raises `LogTrouble` when nobody does."""
        metadata = await self.metadata()
        live = metadata.topics.get(topic) or LiveTopic(OK, (0, 0), {}, 0)
        broker = metadata.brokers.get(live.leaders.get(partition, NOBODY))
        if broker is None:
            self._stale = True
            why = f": {kafka_error(live.code)}" if live.code else ""
            raise LogTrouble(f"nobody leads {topic}/{partition} now{why}")
        return broker

    async def dial(self, broker: Broker) -> Link:
        """Open a connection of one's own."""
        self._check_running()
        try:
            link = await Link.open(broker, self._client_id, self._options)
        except LogTrouble:
            self._stale = True
            raise
        try:
            self._check_running()
        except LogTrouble:
            link.cut()
            raise
        return link

    async def ask(self, broker: Broker, request: Any, within_s: float = ANSWER_S) -> Any:
        """Ask on the shared connection to this broker, once."""
        link = self._links.get(broker)
        if link is None or not link.alive:
            link = await self._opening.setdefault(broker, OneAtATime()).run(lambda: self._shared(broker))
        return await link.ask(request, within_s)

    async def ask_any(self, request: Any, within_s: float) -> Any:
        """Ask one broker after the other, first those to whom there is a connection. Raises `LogTrouble`."""
        trouble = LogTrouble("no broker is known")
        brokers = (await self.metadata()).brokers.values()
        for broker in sorted(brokers, key=self._is_cold):
            try:
                return await self.ask(broker, request, within_s)
            except LogTrouble as error:
                trouble = error
        raise trouble

    async def ask_leader(
        self, topic: str, partition: int, request: Any, code_of: Callable[[Any], int]
    ) -> Any:
        """Ask until a leader gives an answer whose code is 0 or "out of range"; then `LogTrouble`."""
        trouble = LogTrouble(f"no leader of {topic}/{partition} answered within {REQUEST_S:g} s")
        try:
            async with asyncio.timeout(REQUEST_S):
                while True:
                    try:
                        answer = await self.ask(await self.leader(topic, partition), request)
                        code = code_of(answer)
                    except LogTrouble as error:
                        trouble = error
                    else:
                        if code in {OK, OFFSET_OUT_OF_RANGE}:
                            return answer
                        trouble = LogTrouble(f"the leader of {topic}/{partition} says {kafka_error(code)}")
                    self._check_running()
                    self._stale = True
                    await asyncio.sleep(RETRY_S)
        except TimeoutError as error:
            raise trouble from error

    def _is_cold(self, broker: Broker) -> bool:
        """There is no open connection to it that questions share."""
        link = self._links.get(broker)
        return link is None or not link.alive

    def _check_running(self) -> None:
        if not self._running:
            raise LogTrouble("the event log is not running")

    async def _shared(self, broker: Broker) -> Link:
        link = await self.dial(broker)
        self._links[broker] = link
        return link

    async def _refresh(self) -> None:
        """Ask whoever answers first."""
        trouble = LogTrouble("no broker answers")
        known = list(self._metadata.brokers.values()) if self._metadata else []
        random.shuffle(known)
        known.sort(key=self._is_cold)
        try:
            async with asyncio.timeout(REFRESH_S):
                for broker in dict.fromkeys((*known, *self._servers)):
                    try:
                        metadata = await self.ask(broker, ask_metadata(self._names))
                    except LogTrouble as error:
                        trouble = error
                        continue
                    if metadata.brokers:
                        self._metadata, self._stale = metadata, False
                        return
        except TimeoutError:
            pass
        raise trouble


class Line:
    """A connection for one purpose to whoever leads one partition; opened when it is needed."""

    def __init__(self, cluster: Cluster, topic: str, partition: int) -> None:
        self._cluster: Final = cluster
        self._topic: Final = topic
        self._partition: Final = partition
        self._link: Link | None = None

    async def ready(self) -> Link:
        """The open connection. Raises `LogTrouble`."""
        link = self._link
        if link is None or not link.alive:
            if link is not None:
                self._cluster.stale()  # whoever answers now may be another
            self.cut()
            broker = await self._cluster.leader(self._topic, self._partition)
            link = self._link = await self._cluster.dial(broker)
        return link

    async def ask(self, request: Any, within_s: float) -> Any:
        """The leader's answer; opening a connection first has a bound of its own. Raises `LogTrouble`."""
        return await (await self.ready()).ask(request, within_s)

    def cut(self) -> None:
        """Throw the connection away with all that was not sent; the next question opens another."""
        if self._link is not None:
            self._link.cut()
            self._link = None


async def ask_bounds(cluster: Cluster, topic: str, partition: int) -> tuple[int, int]:
    """(oldest kept offset, next offset to be written), as the leader says now. Raises `LogTrouble`."""

    async def one(which: int) -> int:
        request = ask_offset(topic, partition, which)
        answer = await cluster.ask_leader(topic, partition, request, lambda answer: offset_answer(answer)[0])
        return offset_answer(answer)[1]

    start = await one(EARLIEST)
    return start, max(start, await one(LATEST))


def _broker(server: str) -> Broker:
    host, _, port = server.rpartition(":")
    return Broker(host.strip("[]"), int(port))
