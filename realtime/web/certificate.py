"""What connections are encrypted with.

A certificate that was renewed is taken up by the next handshake; one that cannot be used changes nothing but the log.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from realtime.config import Settings
from realtime.errors import ConfigError

log = structlog.get_logger()


def tls(settings: Settings) -> ssl.SSLContext | None:
    """What connections are encrypted with; None if they are not. Raises ConfigError."""
    if not settings.tls_cert:
        return None
    context = _context(settings)
    context.sni_callback = _renewing(settings, context)
    return context


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password OpenSSL asks whoever stands at the terminal for one, and at a renewal the event loop would wait for the answer.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=lambda: b"")
    except OSError as error:
        raise ConfigError(
            f"tls_cert {settings.tls_cert}, tls_key {settings.tls_key}: cannot be used: {_why(error)}"
        ) from None
    return context


def _why(error: OSError) -> str | None:
    if not isinstance(error, ssl.SSLError):
        return error.strerror
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    return "they must be a certificate and an unencrypted private key, in PEM"


def _renewing(settings: Settings, first: ssl.SSLContext) -> Callable[[ssl.SSLObject, str | None, Any], None]:
    """Asked at each handshake: a certificate that was renewed is taken up there and then."""
    read = _modified(settings)
    current = first

    def choose(connection: ssl.SSLObject, _name: str | None, _context_of: Any) -> None:
        nonlocal read, current
        found = _modified(settings)
        if found and found != read:
            read = found
            try:
                current = _context(settings)
                log.info("certificate reread")
            except ConfigError as error:
                log.warning(
                    "the renewed certificate cannot be used; the one before still is", problem=str(error)
                )
        if current is not first:
            connection.context = current

    return choose


def _modified(settings: Settings) -> tuple[int, int] | None:
    try:
        return Path(settings.tls_cert).stat().st_mtime_ns, Path(settings.tls_key).stat().st_mtime_ns
    except OSError:
        return None
