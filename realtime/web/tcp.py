"""What TCP tells of a connection, and how one is ended at once."""

import fcntl
import socket
import struct
import sys
import termios
from asyncio import Transport
from typing import Final

AT_ONCE: Final = struct.pack("ii", 1, 0)
"""struct linger: on, for no time. Closing then sends a reset (RFC 9293, section 3.10.5)."""


BYTES_ACKED: Final = 120
"""Where struct tcp_info has tcpi_bytes_acked, 64 bits (linux/tcp.h, since 4.1)."""


def unsent(transport: Transport) -> int:
    """Bytes that were written and that the kernel has not taken."""
    try:
        return transport.get_write_buffer_size()
    except AttributeError:
        return 0  # so says asyncio's TLS of a connection that was closed twice


def acknowledged(transport: Transport) -> int | None:
    """Bytes that the other side has acknowledged since the connection began, of TLS its own bytes; None where the system does not tell."""
    try:
        connection = transport.get_extra_info("socket")
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_ACKED + 8)
    except (AttributeError, OSError, ValueError):
        return None  # closed (each loop has its own word for that), or another system
    return int.from_bytes(told[BYTES_ACKED:], sys.byteorder) if len(told) == BYTES_ACKED + 8 else None


def unacknowledged(transport: Transport) -> int:
    """Bytes that the kernel has taken and the other side has not acknowledged (SIOCOUTQ); 0 where the system does not tell."""
    try:
        number = transport.get_extra_info("socket").fileno()
        held = fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError, ValueError):
        return 0  # closed, or another system
    return int.from_bytes(held, sys.byteorder)


def reset(transport: Transport) -> None:
    """Drop the connection, what is unsent, and what the kernel holds: else a peer that reads nothing would never hear of the end, and its
    bytes would stay (those of 1,000 such, 137 MB, measured).
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    transport.abort()
