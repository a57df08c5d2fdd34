"""One service as an operating system's process, from environment variables alone.

Exit codes: 0 when it was asked to end (SIGTERM, SIGINT), 1 after a defect, 2 when it refuses to run and a
person has to change something. A broker or database that is not there yet is waited for: the process is
live and not ready. Asked to end, it ends within `GRACE_S` whatever hangs; a second signal ends it at once.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

import structlog
import uvloop
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import disable_created_metrics

from sps.eventlog.address import open_log
from sps.eventlog.port import EventLog, LogRefused
from sps.runtime.early import ENDING
from sps.runtime.errors import Refusal
from sps.runtime.lifecycle import Part, Service, run_parts
from sps.runtime.logs import configure_logs, get_logger
from sps.runtime.metrics import LogMetrics
from sps.runtime.monitor import version
from sps.runtime.settings import BadSettings, ProcessSettings, load_settings

Settings = TypeVar("Settings", bound=ProcessSettings)

GRACE_S: Final = 25.0
"""From the first signal to the end; what asks (Kubernetes, systemd) has to wait longer."""
SERVICE_STOP_S: Final = 14.0
LOG_STOP_S: Final = 4.0
MONITOR_STOP_S: Final = 2.0
LEFT_TASKS_S: Final = 1.0
"""How long tasks that nobody stopped may take to be cancelled."""
LEFT_THREADS_S: Final = 1.0
"""How long threads that nobody ended (a name that is being resolved) may hold up the end."""

ASKED: Final = 0
FAILED: Final = 1
REFUSED: Final = 2


def run(name: str, kind: type[Settings], build: Callable[..., Awaitable[Service]]) -> int:
    """Run a service until it is asked to end; the exit code.

    `build(settings, log=log)`, or `build(settings)` for settings that use no event log.
    """
    disable_created_metrics()
    logging.captureWarnings(True)
    try:
        settings = load_settings(kind)
        configure_logs(level=settings.log_level, form=settings.log_format, service=name, version=version())
        code = _run_loop(_main(name, settings, build))
    except (Refusal, LogRefused) as refusal:
        code = _refused(name, refusal)
    except Exception as error:  # noqa: BLE001 the last one who can say it
        get_logger(name).error("process.defect", error=repr(error), exc_info=error)
        code = FAILED
    _exit_soon(code, LEFT_THREADS_S)
    return code


async def _main(name: str, settings: Settings, build: Callable[..., Awaitable[Service]]) -> int:
    registry = CollectorRegistry()
    log = _open_log(settings, LogMetrics(registry))
    service = await _built(settings, build, log)
    gc.freeze()  # what was imported and built stays: a full collection that looks at it pauses for 40 ms
    monitor = service.monitor
    monitor.show(registry)
    parts = [Part("monitor", monitor.start, monitor.stop, MONITOR_STOP_S)]
    if log is not None:
        parts.append(Part("event_log", log.start, log.stop, LOG_STOP_S))
    parts.append(Part(name, service.start, service.stop, SERVICE_STOP_S, service.failed))
    end = asyncio.Event()
    with _signals(name, end, monitor.end):
        get_logger(name).info("process.starts", pid=os.getpid())
        asked = await run_parts(parts, end)
        get_logger(name).info("process.ends", asked=asked)
    return ASKED if asked else FAILED


def _open_log(settings: ProcessSettings, metrics: LogMetrics) -> EventLog | None:
    """The log of the settings, not started."""
    if not settings.uses_event_log:
        return None
    if not settings.event_log:
        prefix = settings.model_config.get("env_prefix", "")
        raise BadSettings("SETTING_MISSING", f"{prefix}EVENT_LOG: a process of its own needs it")
    return open_log(settings.event_log, settings.kafka_security(), metrics=metrics)


async def _built(
    settings: Settings, build: Callable[..., Awaitable[Service]], log: EventLog | None
) -> Service:
    """Building touches only local files; one that cannot be read is for a person to mend."""
    try:
        return await (build(settings) if log is None else build(settings, log=log))
    except OSError as error:
        raise Refusal("FILE_UNUSABLE", f"{error.filename}: {error.strerror}") from error


def _run_loop(main: Coroutine[Any, Any, int]) -> int:
    """The process's one event loop. Unlike `asyncio.run` it waits for nothing without a bound."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=LEFT_TASKS_S))
        loop.close()


@contextlib.contextmanager
def _signals(name: str, end: asyncio.Event, not_ready: Callable[[], None]) -> Iterator[None]:
    """The first signal asks to end. The second is the kernel's business, even when the loop hangs."""
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        for each in ENDING:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        get_logger(name).info("process.asked_to_end", signal=number.name)
        not_ready()
        end.set()
        _exit_soon(FAILED, GRACE_S - LEFT_THREADS_S, f"{name}: did not end within {GRACE_S:g} s")

    for number in ENDING:
        loop.add_signal_handler(number, asked, number)
    try:
        yield
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)


def _exit_soon(code: int, seconds: float, words: str = "") -> None:
    """End the process by force unless it has ended by then. The books are safe at any moment."""

    def leave() -> None:
        if words:
            os.write(sys.stderr.fileno(), f"{words}\n".encode())
        os._exit(code)

    sys.stdout.flush()
    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def _refused(name: str, refusal: Refusal | LogRefused) -> int:
    """One clear line for the person who started it; and one for whoever collects the logs."""
    code = getattr(refusal, "code", "EVENT_LOG_REFUSED")
    message = refusal.message if isinstance(refusal, Refusal) else str(refusal)
    if structlog.is_configured():
        get_logger(name).error("process.refused", code=code, reason=message)
    print(f"{name}: {message} ({code})", file=sys.stderr, flush=True)  # noqa: T201 for the person who started it
    return REFUSED
