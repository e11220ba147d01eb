"""What is logged, and how: to stderr, an event a line, in words for people or in JSON for a collector. What libraries log by Python's own
`logging` comes out the same way.

A traceback never tells the values of variables: settings are among them, and credentials among those.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter, add_logger_name

Event = MutableMapping[str, Any]

QUOTING: Final = ("aiohttp.websocket",)
"""Libraries' loggers whose warnings quote what a caller wrote: a handshake's `Sec-WebSocket-Protocol`, into which pages put tokens."""


def to_stderr(level: str, form: str = "console", stream: TextIO | None = None) -> None:
    """Log what is at least of this level; `form` is `console` or `json`. What libraries say below a warning is left out."""
    stream = stream or sys.stderr
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    rendered = _rendered(form, stream)
    structlog.configure(
        processors=shared + rendered,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    foreign = logging.StreamHandler(stream)
    foreign.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*shared, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[foreign], force=True)
    for name in QUOTING:
        logging.getLogger(name).setLevel(logging.ERROR)


def _rendered(form: str, stream: TextIO) -> list[Any]:
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_serialized),
        ]
    return [
        _harmless,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _serialized(event: Event, **options: Any) -> str:
    try:
        return orjson.dumps(event, **options).decode()
    except TypeError:
        # Text that is no Unicode, or a number beyond 64 bits: Python's own encoder says it all the same.
        return json.dumps(event, **options)


def _harmless(_logger: Any, _method: str, event: Event) -> Event:
    """What comes from callers and sources is text: no control character of it reaches a terminal."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode()
    return event
