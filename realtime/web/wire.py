"""A connection as the hub's subscribers write to it: prepared bytes, straight to the transport.

Nothing is awaited and nothing is framed per reader. Back-pressure is the subscriber's: it asks how much is unsent before it writes.
"""

import socket
from abc import ABC, abstractmethod
from asyncio import Transport
from typing import Final

from aiohttp import WSCloseCode

from realtime.stream.messages import Encoding, Message
from realtime.web.site import Site
from realtime.web.tcp import acknowledged, reset, unacknowledged, unsent

BROKEN: Final = int(WSCloseCode.ABNORMAL_CLOSURE)
"""Stands for a close code where none was said (RFC 6455, section 7.4.1)."""


class Wire(ABC):
    """An outlet (see `stream/subscriber.py`) over one HTTP/1.1 connection."""

    __slots__ = ("_encode", "_ending", "_site", "_transport", "_written")

    def __init__(self, transport: Transport, encode: Encoding, site: Site) -> None:
        self._transport = transport
        self._encode = encode
        self._site = site
        self._written = 0
        self._ending = 0
        # With a limit of 0 uvloop writes at once, not at the end of the loop's turn, and draining before a close waits for the last byte.
        # Over TLS it is 1: at 0 both loops take an empty buffer for a full one, and would wait for ever.
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
        return unsent(self._transport)

    def taken(self) -> int:
        """Bytes that the other side has acknowledged; where the system does not tell, that the kernel has taken.

        The kernel takes 43 KiB at a time, a third of what it may hold, for which a reader at 1 KiB/s needs longer than a slow reader's timeout; and
        for a peer that vanished it takes hundreds of heartbeats. Its own limit (TCP_USER_TIMEOUT) ends readers that take little at a time (measured).
        """
        told = acknowledged(self._transport)
        if told is not None:
            # Of TLS these are its own bytes, more than were written: all that counts is whether they grow.
            return told
        return max(0, self._written - self.unsent() - unacknowledged(self._transport))

    def owed(self) -> bool:
        """Whether anything that it was given is unsent or unacknowledged. What TLS holds back it tells to nobody; the kernel is full then."""
        return self.unsent() > 0 or unacknowledged(self._transport) > 0

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
        """Drop the connection and what is unsent. If anything is, or is unacknowledged, the reader is sent a reset."""
        self._ending = self._ending or BROKEN
        if self.owed():
            reset(self._transport)
        else:
            self._transport.abort()

    @property
    def end_code(self) -> int:
        """The code with which this side ended the connection; 0 while it has not."""
        return self._ending
