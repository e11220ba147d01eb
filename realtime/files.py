"""Open files: how many this process may have, and whose they are. A connection is one."""

import errno
import os
import resource
import sys
from typing import Final

import structlog

from realtime.config import Settings

SPARE_FILES: Final = 128
"""Files that no stream takes: 16 that a server has open itself (measured; 4 more for each further cluster), and those of requests."""

OWN_FILES: Final = 64
"""Of these, those that no connection takes, so that a source that was lost can be asked again."""

MORE_FILES: Final = "raise LimitNOFILE (systemd) or ulimit -n, or lower max_connections"
"""What to do about it."""

NO_FILES: Final = (errno.EMFILE, errno.ENFILE)
"""This process may open no more; the host has none."""

log = structlog.get_logger()


def allow_many_connections() -> int:
    """Take as many file descriptors as the system grants without asking, and say how many: a connection is one, and the usual soft limit is
    1,024.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return may_open()


def may_open() -> int:
    """How many files this process may have open now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def refuses_files() -> int:
    """Why the system would let this process open no file now: EMFILE, ENFILE; 0 if it would."""
    try:
        os.close(os.open(os.sep, os.O_RDONLY))
    except OSError as error:
        return error.errno if error.errno in NO_FILES else 0
    return 0


def for_connections(files: int) -> int:
    """How many of so many files connections may take; where there are few, the server keeps a quarter."""
    return files - min(OWN_FILES, files // 4)


def within(settings: Settings, files: int) -> Settings:
    """The configuration, with no more streams than can be had with so many files: one too many is then refused politely, and told when to come
    back. Says so if that is fewer than was asked for.
    """
    streams = files - min(SPARE_FILES, files // 2)
    if settings.max_connections <= streams:
        return settings
    log.warning(
        "max_connections lowered to fit the open-file limit",
        max_connections=settings.max_connections,
        files=files,
        connections=streams,
        do=MORE_FILES,
    )
    return settings.model_copy(update={"max_connections": streams})
