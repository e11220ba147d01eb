"""A connection as the hub's subscribers write to it: prepared bytes, straight to the transport.

Nothing is awaited and nothing is framed per reader. Back-pressure is the subscriber's: it asks how much is unsent before it writes.
"""

from abc import ABC, abstractmethod
from asyncio import Transport

from realtime.stream.messages import Message
from realtime.web.site import Site


class Wire(ABC):
    """An outlet (see `stream/subscriber.py`) over one HTTP/1.1 connection."""

    __slots__ = ("_ending", "_site", "_transport", "_written")

    def __init__(self, transport: Transport, site: Site) -> None:
        self._transport = transport
        self._site = site
        self._written = 0
        self._ending = False

    @abstractmethod
    def encode(self, message: Message) -> bytes:
        """The message's bytes on this transport."""

    @abstractmethod
    async def close(self, code: int) -> None:
        """Close, after everything was written."""

    def send(self, message: Message) -> None:
        """Hand over a message. asyncio logs each write to a closing transport, so those are left out."""
        if self._ending or self._transport.is_closing():
            return
        data = self.encode(message)
        self._written += len(data)
        self._transport.write(data)

    def unsent(self) -> int:
        """Bytes in the transport's buffer."""
        return self._transport.get_write_buffer_size()

    def taken(self) -> int:
        """Bytes that the kernel has taken."""
        return self._written - self._transport.get_write_buffer_size()

    def end(self, message: Message, code: int) -> None:
        """Say a last message and close. A second end does nothing."""
        if not self._ending:
            self.send(message)
            self._ending = True
            # So that who drains before closing waits for the last byte, not for the last 16 KiB.
            self._transport.set_write_buffer_limits(0)
            self._site.in_background(self.close(code))

    def abort(self) -> None:
        """Drop the connection and what is unsent."""
        self._ending = True
        self._transport.abort()
