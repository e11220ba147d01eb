"""Errors by blame.

RealtimeError
├── SourceError        the source's: it did not answer, or not with what was asked
│   ├── SourceUnavailable   unreachable, too slow, overloaded, or it refuses us
│   ├── SourceMalformed     it answered, but not in the format of the question
│   ├── SourceEmpty         it answered, but holds nothing about PBS that is current
│   └── SourcePartial       it answered, and says that part of its storage is missing
├── RequestError       the reader's: a parameter or command that cannot be served
├── ConfigError        the operator's: the server does not start
└── HostError          the host's: the server does not start now, and may later as it is configured

Anything else is our own bug and is loud. Messages of all of these reach clients or logs, so none of them holds an
upstream URL, a credential or a traceback.
"""


class RealtimeError(Exception):
    """Whatever this package raises on purpose."""


class SourceError(RealtimeError):
    """The source did not give what was asked; the last good state stays."""

    code = "POLL_FAILED"
    """The fault's code in `/api/health`."""


class SourceUnavailable(SourceError):  # noqa: N818 — the tree above says that it is one
    """Unreachable, too slow, overloaded, or refusing our credentials."""


class SourceMalformed(SourceError):  # noqa: N818
    """Answered, but not in the format of the question."""


class SourceEmpty(SourceError):  # noqa: N818
    """Answered, but holds nothing about PBS that is current: the exporter is down, or not scraped."""

    code = "EXPORTER_DOWN"


class SourcePartial(SourceError):  # noqa: N818
    """Answered, and says that part of its storage is missing: what it does not list may well exist."""

    code = "PARTIAL"


class RequestError(RealtimeError):
    """What a reader asked cannot be served.

    `code` is for programs (the `code` of a stream's `error` message), the text for people; `status` is the HTTP status where
    there is one to send.
    """

    def __init__(self, code: str, detail: str, *, status: int = 400) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status


class ConfigError(RealtimeError):
    """The configuration cannot be used; the text names the key, what was given and what is allowed."""


class HostError(RealtimeError):
    """The host does not give now what the configuration asks of it; the text says what holds it, and what to do."""
