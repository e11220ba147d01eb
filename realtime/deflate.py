"""Compression as of RFC 1950 to 1952: zlib's, or that of isal where the `speed` extra brought it. Both make and read the same formats.

For 5,000 nodes (700 KB of JSON) isal takes 0.5 ms, zlib 1.9 at its quickest and 5.5 by default (measured).
"""

import zlib
from collections.abc import Iterator
from typing import Any, Final

try:
    import isal.isal_zlib
except ImportError:
    QUICKEST: Any = zlib
else:
    QUICKEST = isal.isal_zlib

CORRUPT: Final[tuple[type[Exception], ...]] = (zlib.error, QUICKEST.error)
"""What an unpacker raises on input that is no compressed data."""

THOROUGH_BYTES: Final = 65_536
"""Up to here zlib takes its default care (0.5 ms for so much); beyond, time is worth more than the quarter of the bytes that it saves."""

ANY_HEADER: Final = 32
"""Added to zlib's window bits: gzip or zlib, whichever it is."""

GZIP_HEADER: Final = 16
"""Added to zlib's window bits: gzip and nothing else."""

SYNC_TAIL: Final = b"\x00\x00\xff\xff"
"""What ends a flushed block, and what a WebSocket message leaves out (RFC 7692, section 7.2.1)."""


class Unpacker:
    """gzip or zlib data, unpacked piece by piece. gzip data may have several members, whose contents follow each other (RFC 1952, section 2.2)."""

    def __init__(self, using: Any = QUICKEST) -> None:
        self._using = using
        self._member = using.decompressobj(zlib.MAX_WBITS | ANY_HEADER)

    @property
    def is_whole(self) -> bool:
        """Whether what was unpacked so far has come to an end."""
        return bool(self._member.eof)

    def pieces(self, packed: bytes, most_bytes: int) -> Iterator[bytes]:
        """What the next part of the data holds, so many bytes at a time at most. Raises one of CORRUPT, also for what follows a member and is none."""
        while True:
            piece = self._member.decompress(packed, most_bytes)
            yield piece
            if not self._member.eof:
                packed = self._member.unconsumed_tail
                # Behind a full piece may be more though all is read: isal reads ahead, to the end of zlib's trailer.
                if not packed and len(piece) < most_bytes:
                    return
            elif packed := self._member.unused_data:
                self._member = self._using.decompressobj(zlib.MAX_WBITS | GZIP_HEADER)
            else:
                return


def squeeze(data: bytes, window_bits: int, using: Any = QUICKEST) -> bytes:
    """`data` as the payload of a compressed WebSocket message that needs nothing of those before it, for a window of 2 to the
    `window_bits` (9 to 15): whoever negotiated as much can read it, with or without context takeover.
    """
    level = 2 if using is not zlib else 6 if len(data) <= THOROUGH_BYTES else 1
    compressor = using.compressobj(level, zlib.DEFLATED, -window_bits)
    packed: bytes = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(SYNC_TAIL)
