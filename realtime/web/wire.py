"""A connection as the hub's subscribers write to it: prepared bytes, straight to the transport.

Nothing is awaited and nothing is framed per reader. Back-pressure is the subscriber's: it asks how much is unsent before it writes.
"""

import fcntl
import socket
import struct
import sys
import termios
from abc import ABC, abstractmethod
from asyncio import Transport
from typing import Final

from aiohttp import WSCloseCode

from realtime.stream.messages import Encoding, Message
from realtime.web.site import Site

BROKEN: Final = int(WSCloseCode.ABNORMAL_CLOSURE)
"""Stands for a close code where none was said (RFC 6455, section 7.4.1)."""

AT_ONCE: Final = struct.pack("ii", 1, 0)
"""struct linger: on, for no time. Closing then sends a reset (RFC 9293, section 3.10.5)."""

BYTES_ACKED: Final = 120
"""Where struct tcp_info has tcpi_bytes_acked, 64 bits (linux/tcp.h, since 4.1)."""


class Wire(ABC):
    """An outlet (see `stream/subscriber.py`) over one HTTP/1.1 connection."""

    __slots__ = ("_encode", "_ending", "_site", "_transport", "_written")

    def __init__(self, transport: Transport, encode: Encoding, site: Site) -> None:
        self._transport = transport
        self._encode = encode
        self._site = site
        self._written = 0
        self._ending = 0
        # uvloop then writes at once instead of at the end of the loop's turn; and who drains before closing waits for the last byte.
        # asyncio's and uvloop's TLS call 0 bytes full where 0 is the limit, and would wait for ever.
        encrypted = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(high=int(encrypted), low=0)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, site.settings.send_buffer_kib * 1024)

    @abstractmethod
    async def close(self, code: int) -> None:
        """Close, after everything was written."""

    def send(self, message: Message) -> int:
        """Hand over a message, and return what is unsent then. asyncio logs each write to a closing transport, so those are left out."""
        transport = self._transport
        if self._ending or transport.is_closing():
            return 0
        data = self._encode(message)
        self._written += len(data)
        transport.write(data)
        return transport.get_write_buffer_size()

    def unsent(self) -> int:
        """Bytes in the transport's buffer."""
        try:
            return self._transport.get_write_buffer_size()
        except AttributeError:
            return 0  # so says asyncio's TLS of a connection that was closed twice

    def taken(self) -> int:
        """Bytes that the other side has acknowledged; where the system does not tell, that the kernel has taken.

        The kernel takes 43 KiB at a time, a third of what it may hold, for which a reader at 1 KiB/s needs longer than a slow reader's timeout; and
        for a peer that vanished it takes hundreds of heartbeats. Its own limit (TCP_USER_TIMEOUT) ends readers that take little at a time (measured).
        """
        try:
            told = self._transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_ACKED + 8
            )
        except (AttributeError, OSError, ValueError):
            told = b""  # closed (each loop has its own word for that), or another system
        if len(told) == BYTES_ACKED + 8:
            # Of TLS these are its own bytes, more than were written: all that counts is whether they grow.
            return int.from_bytes(told[BYTES_ACKED:], sys.byteorder)
        return max(0, self._written - self.unsent() - self._unacknowledged())

    def owed(self) -> bool:
        """Whether anything that it was given is unsent or unacknowledged. What TLS holds back it tells to nobody; the kernel is full then."""
        return self.unsent() > 0 or self._unacknowledged() > 0

    def _unacknowledged(self) -> int:
        try:
            number = self._transport.get_extra_info("socket").fileno()
            held = fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4))
        except (AttributeError, OSError, ValueError):
            return 0  # closed, or not a system that tells
        return int.from_bytes(held, sys.byteorder)

    def handed_over(self) -> int:
        """Bytes of messages that were written."""
        return self._written

    def end(self, message: Message, code: int) -> None:
        """Say a last message and close. A second end does nothing."""
        if not self._ending:
            self.send(message)
            self._ending = code
            self._site.in_background(self.close(code))

    def abort(self) -> None:
        """Drop the connection and what is unsent. If anything is, or is unacknowledged, then also what the kernel holds: else a peer that reads
        nothing would never hear of the end, and its bytes would stay (those of 1,000 such, 137 MB, measured).
        """
        self._ending = self._ending or BROKEN
        connection = self._transport.get_extra_info("socket") if self.owed() else None
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self._transport.abort()

    @property
    def end_code(self) -> int:
        """The code with which this side ended the connection; 0 while it has not."""
        return self._ending
