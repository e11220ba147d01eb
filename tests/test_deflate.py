"""Compression, with zlib and with isal."""

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from isal import isal_zlib

from realtime import deflate

BOTH = pytest.mark.parametrize("using", [zlib, isal_zlib], ids=["zlib", "isal"])


@BOTH
@given(data=st.binary(max_size=3_000), times=st.integers(1, 60), bits=st.integers(9, 15))
@settings(max_examples=60, deadline=None)
def test_what_is_squeezed_is_read_by_whoever_has_the_window(
    using: Any, data: bytes, times: int, bits: int
) -> None:
    """A squeezed payload and the tail that a message leaves out inflate to the data, in a window of the size it was made for."""
    packed = deflate.squeeze(data * times, bits, using)

    inflater = zlib.decompressobj(-bits)

    assert inflater.decompress(packed + deflate.SYNC_TAIL) == data * times


@BOTH
def test_large_payloads_are_squeezed_too(using: Any) -> None:
    """Beyond the size up to which care is taken, the data still comes back, and is still much smaller."""
    data = b"".join(b'"node-%d":{"state":"busy","usedCpus":%d},' % (i, i % 97) for i in range(9_000))
    assert len(data) > deflate.THOROUGH_BYTES

    packed = deflate.squeeze(data, 15, using)

    assert zlib.decompressobj(-15).decompress(packed + deflate.SYNC_TAIL) == data
    assert len(packed) < len(data) / 4


@BOTH
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_gzip_and_zlib_are_unpacked_piece_by_piece(using: Any, pack: Any) -> None:
    """An unpacker tells by the header which of the two it reads, and gives no more at a time than it is asked for."""
    data = bytes(range(256)) * 4_000
    unpacker = deflate.unpacker(using)
    rest, pieces = pack(data), []
    while rest:
        pieces.append(unpacker.decompress(rest, 50_000))
        rest = unpacker.unconsumed_tail
    while not unpacker.eof:
        pieces.append(unpacker.decompress(b"", 50_000))

    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 50_000


@BOTH
def test_garbage_is_told_as_such(using: Any) -> None:
    """What is no compressed data raises one of the errors that callers catch."""
    with pytest.raises((*deflate.CORRUPT, using.error)):
        deflate.unpacker(using).decompress(b"this is text")
