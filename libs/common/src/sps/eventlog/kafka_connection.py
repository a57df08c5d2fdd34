"""One connection to one broker. Every wait on it ends; cutting it throws away what was not sent yet.

The client library gives framing, versions, TLS, SASL and the shapes of requests. Its producer and consumer
are not used: they wait without bounds for brokers that are gone, and cost twice as much for a small record.
"""

import asyncio
import ssl
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError, for_code
from msgspec import Struct

from sps.eventlog.port import LogTrouble

CONNECT_S: Final = 3.0
"""TCP, TLS, the question for versions and SASL together."""
SAFETY_MS: Final = 60_000
"""The library's own bound; ours are always tighter."""

T = TypeVar("T")

_BROKEN: Final = (
    OSError,
    TimeoutError,
    EOFError,
    KafkaError,
    ValueError,
    AssertionError,  # the library asserts what a broker answers while one logs in
    NotImplementedError,  # aiokafka's word for a broker whose versions it does not speak
    struct.error,
)


class NotLetIn(LogTrouble):
    """The broker refuses name or password, or its certificate is not one that we trust."""


class Silent(LogTrouble):
    """A connected broker gave no answer in time."""


class Broker(Struct, frozen=True):
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """As a person writes it."""
        return f"{self.host}:{self.port}"


class Link:
    """An open connection."""

    def __init__(self, broker: Broker, connection: AIOKafkaConnection) -> None:
        self.broker: Final = broker
        self._connection: Final = connection

    @classmethod
    async def open(cls, broker: Broker, client_id: str, options: dict[str, Any]) -> "Link":
        """Raises `LogTrouble`, or `NotLetIn` where trying again is of little use."""
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await create_conn(
                    broker.host, broker.port, client_id=client_id, request_timeout_ms=SAFETY_MS, **options
                )
        except UnsupportedSaslMechanismError as error:
            raise NotLetIn(f"the broker {broker} does not know our SASL mechanism") from error
        except SaslAuthenticationFailed as error:
            raise NotLetIn(f"the broker {broker} does not let us in: {error}") from error
        except _BROKEN as error:
            kind = NotLetIn if _untrusted(_cause(error)) else LogTrouble
            raise kind(f"no connection to the broker {broker}: {_words(error)}") from error
        return cls(broker, connection)

    @property
    def alive(self) -> bool:
        """Not closed, as far as anybody has noticed."""
        return bool(self._connection.connected())

    async def ask(self, request: Any, within_s: float) -> Any:
        """The answer. Raises `LogTrouble`; after silence or an error the connection is cut."""
        try:
            async with asyncio.timeout(within_s):
                return await self._connection.send(request)
        except TimeoutError as error:
            self.cut()
            raise Silent(f"the broker {self.broker} gave no answer within {within_s:g} s") from error
        except _BROKEN as error:
            self.cut()
            raise LogTrouble(f"the connection to the broker {self.broker} broke: {_words(error)}") from error

    def cut(self) -> None:
        """Close at once: what waits for being sent is never sent, whoever waits gets an error."""
        writer = self._connection._writer  # noqa: SLF001 closing would still send what is buffered
        if writer is not None:
            writer.transport.abort()
        self._connection.close()


class OneAtATime(Generic[T]):
    """Work that several may want at once and one does: all get its outcome."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Join what is under way, else begin. Whoever is cancelled leaves the work to the others."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(work())
            self._task.add_done_callback(_heard)
        return await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Break off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def kafka_error(code: int) -> str:
    """The name of an error of the protocol."""
    return f"{for_code(code).__name__} ({code})"


def retriable(code: int) -> bool:
    """The protocol says that the same request may succeed later."""
    return bool(for_code(code).retriable)


def _heard(task: asyncio.Task[Any]) -> None:
    """Everybody who waited may be gone; an error that nobody took is no warning."""
    if not task.cancelled():
        task.exception()


def _untrusted(error: BaseException) -> bool:
    """Either side does not take the other's certificate."""
    return isinstance(error, ssl.SSLError) and "CERTIFICATE" in (error.reason or "")


def _cause(error: BaseException) -> BaseException:
    """What the library met, where it wrapped it."""
    return error.__cause__ if isinstance(error, KafkaError) and error.__cause__ else error


def _words(error: BaseException) -> str:
    cause = _cause(error)
    return str(cause) or type(cause).__name__
