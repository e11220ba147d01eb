"""What went wrong between here and the source, in a sentence: without URL, host, credential or a word of what the source answered."""

import errno
from typing import Final

import aiohttp

from realtime.errors import SourceError, SourceMalformed, SourceUnavailable
from realtime.files import refuses_files

JSON: Final = "application/json"

_REFUSALS: Final = {
    401: "the source refused the credentials",
    403: "the source forbids this to these credentials",
    404: "the source has no such path: check the path prefix of its URL",
    422: "the source rejected the query",
    429: "the source is overloaded",
    502: "a proxy cannot reach the source",
    503: "the source is overloaded",
    504: "a proxy cannot reach the source",
}

_NETWORK: Final = {
    errno.ECONNREFUSED: "nothing listens at the source's address",
    errno.EHOSTUNREACH: "no network path leads to the source",
    errno.ENETUNREACH: "no network path leads to the source",
    errno.ETIMEDOUT: "the source's host does not answer",
    errno.EMFILE: "this server has no file descriptors left to reach the source with: raise its limit (LimitNOFILE)",
    errno.ENFILE: "this host has no file descriptors left to reach the source with",
}


def failure(error: Exception, timeout_seconds: float) -> SourceError:
    """What kept a question from being answered."""
    match error:
        case TimeoutError():
            return SourceUnavailable(f"the source did not answer within {timeout_seconds:g} s")
        case aiohttp.ClientConnectorDNSError() if code := refuses_files():
            # Names are looked up in files and over sockets; without either they are said to be unknown.
            return SourceUnavailable(_NETWORK[code])
        case aiohttp.ClientConnectorDNSError() | UnicodeError() | aiohttp.InvalidURL():
            return SourceUnavailable("the source cannot be found by name")
        case aiohttp.ClientConnectorCertificateError():
            return SourceUnavailable("the source's certificate is not trusted")
        case aiohttp.ClientConnectorSSLError():
            return SourceUnavailable("the source does not speak TLS: check http or https in its URL")
        case aiohttp.ClientConnectorError():
            sentence = _NETWORK.get(error.os_error.errno or 0, "the source cannot be reached")
            return SourceUnavailable(sentence)
        case aiohttp.ClientPayloadError():
            return SourceMalformed("the source's answer is cut off or cannot be unpacked")
        case aiohttp.ClientResponseError():
            return SourceMalformed("the source does not speak HTTP: check its URL")
        case _:
            return SourceUnavailable("the source broke the connection")


def refusal(status: int, media: str) -> SourceUnavailable:
    """What a status other than 200 means."""
    if sentence := _REFUSALS.get(status):
        pass
    elif status == 400:
        # Prometheus rejects a query so, in JSON; vmauth a token, and VictoriaMetrics a path, in text.
        rejected = media == JSON
        sentence = (
            "the source rejected the query"
            if rejected
            else "the source has no such path, or refused the credentials"
        )
    elif 300 <= status < 400:
        sentence = "the source answered with a redirect, which is not followed"
    elif status >= 500:
        sentence = "the source failed"
    else:
        sentence = "the source answered as neither VictoriaMetrics nor Prometheus would"
    return SourceUnavailable(f"{sentence} (HTTP {status})")
