"""Logs: one JSON object a line in production, coloured in a terminal; secrets and persons are never in them.

Redaction goes by the name of the key, at any depth, so that a careless call cannot leak.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from sps.runtime.log_calm import LEFT_OUT, Calm

REDACTED: Final = "[redacted]"
DEPTH_MAX: Final = 6
SECRET_WORDS: Final = frozenset(
    {
        "authorization", "cookie", "token", "key", "secret", "password", "passphrase", "seed", "salt",
        "account", "iban", "card", "name", "phone", "email", "address", "postcode", "signature",
        "body", "raw",
    }
)  # fmt: skip
"""A key is redacted when one of its words (split at `_`, `-` and `.`) is one of these."""

OPEN_KEYS: Final = frozenset({"key_id", "topic_name", "loop_name"})
"""Keys that hold such a word and are harmless."""

CHATTY: Final = (
    "aiokafka", "aiosqlite", "alembic", "asyncio", "asyncpg", "httpcore", "httpx", "opentelemetry",
    "python_multipart", "sqlalchemy", "urllib3", "uvicorn",
)  # fmt: skip
"""Libraries that have nothing to say below a warning."""

Format = Literal["json", "console"]


def configure_logs(
    *, level: str = "info", form: Format = "json", service: str = "", version: str = ""
) -> None:
    """Set the process's logging once, at its start; stdlib loggers come out in the same form.

    `service` and `version`, when given, are in every line; the logger says which part of the service it was.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _said_by(service, version),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder((LEFT_OUT,)), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(form)],
        )
    )
    handler.addFilter(Calm())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(root.level, logging.WARNING))


def get_logger(service: str) -> FilteringBoundLogger:
    """The logger of a service; every line says whose it is."""
    if not structlog.is_configured():
        _configure_cautiously()
    return cast("FilteringBoundLogger", structlog.get_logger(service, service=service))


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: blank the values of all keys that may hold a secret or a person."""
    for key, value in event.items():
        event[key] = _clean(key, value, DEPTH_MAX)
    return event


def _said_by(service: str, version: str) -> Processor:
    """Every line says which process it is of, also a library's."""
    said = {name: value for name, value in (("service", service), ("version", version)) if value}

    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(said)
        return event

    return add


def is_secret(key: str) -> bool:
    """Tell whether a key's value stays out of the logs."""
    words = key.lower().replace("-", "_").replace(".", "_").split("_")
    return key not in OPEN_KEYS and not SECRET_WORDS.isdisjoint(words)


def _clean(key: str, value: Any, depth: int) -> Any:
    if is_secret(key):
        return REDACTED
    if isinstance(value, Mapping):
        if depth == 0:
            return REDACTED
        return {str(name): _clean(str(name), member, depth - 1) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", member, depth - 1) if depth else REDACTED for member in value]
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    return value


def _last(form: Format) -> list[Processor]:
    if form == "console":
        return [_console(colours=sys.stdout.isatty())]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        structlog.processors.JSONRenderer(),
    ]


def _console(*, colours: bool) -> Processor:
    # Plain: the pretty tracebacks print the locals, and those hold secrets and persons.
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)


def _configure_cautiously() -> None:
    """Before `configure_logs` (in tests, in a shell) lines are redacted as well."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            redact,
            _console(colours=False),
        ],
        cache_logger_on_first_use=False,
    )
