"""Sentences for what cannot be had from a real socket; test_victoria.py has the others."""

import errno
import os
import socket
import ssl

import aiohttp
import pytest

from realtime.errors import SourceUnavailable
from realtime.source.failures import failure, refusal
from tests.scarce import no_more_files

KEY = aiohttp.client_reqrep.ConnectionKey("h", 1, True, True, None, None, None)
UNKNOWN_NAME = aiohttp.ClientConnectorDNSError(
    KEY, socket.gaierror(socket.EAI_NONAME, "Name or service not known")
)


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (
            aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("h")),
            "the source's certificate is not trusted",
        ),
        (UNKNOWN_NAME, "the source cannot be found by name"),
        (OSError(errno.EPIPE, "Broken pipe"), "the source broke the connection"),
    ],
    ids=["certificate", "name", "broken"],
)
def test_every_failure_has_its_sentence(cause: Exception, sentence: str) -> None:
    """An untrusted certificate, an unknown name and a broken connection are told apart."""
    error = failure(cause, 10)

    assert (type(error), str(error)) == (SourceUnavailable, sentence)


@pytest.mark.parametrize(
    ("code", "whose"), [(errno.EMFILE, "this server"), (errno.ENFILE, "this host")], ids=["EMFILE", "ENFILE"]
)
def test_want_of_files_is_not_blamed_on_the_source(code: int, whose: str) -> None:
    """Where no file can be opened, that is said, and not that the source cannot be reached."""
    error = failure(aiohttp.ClientConnectorError(KEY, OSError(code, os.strerror(code))), 10)

    assert str(error).startswith(f"{whose} has no file descriptors left")


def test_a_name_that_could_not_be_looked_up_is_not_called_unknown() -> None:
    """Where no file can be opened no name can be looked up; that is said, and not that there is no such name."""
    with no_more_files():
        error = failure(UNKNOWN_NAME, 10)

    assert str(error).startswith("this server has no file descriptors left")


def test_a_refusal_says_its_status() -> None:
    """What the source answered is said with its status."""
    assert str(refusal(418, "text/plain")).endswith("(HTTP 418)")
