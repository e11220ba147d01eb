"""Open files: how many this process may have, and whose they are."""

import errno
import resource
import subprocess
import sys
from typing import Any

import pytest
import structlog

from realtime.config import Settings
from realtime.files import allow_many_connections, for_connections, may_open, refuses_files, within
from tests.scarce import no_more_files

NOTHING_SAID: dict[str, Any] = {"_env_file": None}
DEFAULT = Settings(**NOTHING_SAID)


def test_the_soft_limit_of_descriptors_is_raised() -> None:
    """A server started with the usual soft limit may open as many connections as the hard one allows."""
    script = (
        "import resource; from realtime.files import allow_many_connections;"
        "print(allow_many_connections(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)

    def low() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, most))

    said = subprocess.run(
        [sys.executable, "-c", script], preexec_fn=low, capture_output=True, text=True, check=True
    )

    assert said.stdout.split() == [str(most), str(most)]
    assert allow_many_connections() == most


def test_what_the_system_would_refuse_is_known() -> None:
    """Whether another file could be opened is told without opening one for good."""
    assert refuses_files() == 0
    with no_more_files():
        assert refuses_files() == errno.EMFILE
        assert may_open() == 1
    assert refuses_files() == 0


def test_a_limit_that_is_none_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process may open any number of files every limit of ours is below that."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    assert may_open() == sys.maxsize


@pytest.mark.parametrize(("files", "connections"), [(20_000, 19_936), (1_024, 960), (100, 75), (4, 3)])
def test_the_last_files_are_the_servers_own(files: int, connections: int) -> None:
    """Connections leave 64 files, and of few files a quarter."""
    assert for_connections(files) == connections


@pytest.mark.parametrize(("files", "streams"), [(20_000, 19_872), (1_024, 896), (100, 50), (2, 1)])
def test_no_more_streams_are_let_in_than_there_are_files_for(files: int, streams: int) -> None:
    """Where `max_connections` asks for more files than there may be, fewer are let in, and a warning names both numbers and what to do."""
    with structlog.testing.capture_logs() as logs:
        settings = within(DEFAULT, files)

    assert settings.max_connections == streams
    assert streams < for_connections(files)
    assert [(each["log_level"], each["max_connections"], each["files"]) for each in logs] == [
        ("warning", 20_000, files)
    ]
    assert "LimitNOFILE" in logs[0]["do"]


def test_where_there_are_files_enough_nothing_is_said() -> None:
    """A limit that leaves room for `max_connections` changes nothing."""
    settings = DEFAULT.model_copy(update={"max_connections": 896})
    with structlog.testing.capture_logs() as logs:
        assert within(settings, 1_024) is settings

    assert logs == []
