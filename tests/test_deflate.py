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
@settings(max_examples=60)
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


def unpacked(packed: bytes, using: Any, *, part_bytes: int, most_bytes: int) -> tuple[bytes, bool]:
    """What data holds that comes in parts, and whether it is whole; no piece is larger than asked for."""
    unpacker = deflate.Unpacker(using)
    pieces = [
        piece
        for start in range(0, len(packed), part_bytes)
        for piece in unpacker.pieces(packed[start : start + part_bytes], most_bytes)
    ]
    assert max(map(len, pieces), default=0) <= most_bytes
    return b"".join(pieces), unpacker.is_whole


@BOTH
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize(
    ("data", "most_bytes"), [(bytes(range(256)) * 4_000, 50_000), (b"ab" * 50, 90), (b"ab" * 50, 50)]
)
def test_gzip_and_zlib_are_unpacked_piece_by_piece(
    using: Any, pack: Any, data: bytes, most_bytes: int
) -> None:
    """An unpacker tells by the header which of the two it reads, and gives no more at a time than it is asked for, to the end."""
    assert unpacked(pack(data), using, part_bytes=2**20, most_bytes=most_bytes) == (data, True)


@BOTH
@given(
    contents=st.lists(st.binary(max_size=200).map(lambda data: data * 9), min_size=1, max_size=5),
    level=st.integers(0, 9),
    part_bytes=st.integers(1, 200),
    most_bytes=st.integers(1, 300),
)
@settings(max_examples=300)
def test_every_member_is_unpacked(
    using: Any, contents: list[bytes], level: int, part_bytes: int, most_bytes: int
) -> None:
    """gzip data of several members holds what all of them hold, in order, wherever it is parted."""
    packed = b"".join(gzip.compress(data, level) for data in contents)
    sizes = {"part_bytes": part_bytes, "most_bytes": most_bytes}
    assert unpacked(packed, using, **sizes) == (b"".join(contents), True)


@BOTH
@given(
    contents=st.lists(st.binary(max_size=50), min_size=1, max_size=3),
    part_bytes=st.integers(1, 100),
    data=st.data(),
)
@settings(max_examples=100)
def test_a_cut_member_is_not_whole(
    using: Any, contents: list[bytes], part_bytes: int, data: st.DataObject
) -> None:
    """Data that ends within a member, be it the last of several, is not whole."""
    packed = [gzip.compress(content) for content in contents]
    cut = b"".join(packed)[: -data.draw(st.integers(1, len(packed[-1]) - 1))]
    assert not unpacked(cut, using, part_bytes=part_bytes, most_bytes=1_000)[1]


@BOTH
@pytest.mark.parametrize("part_bytes", [1, 10, 2**20])
@pytest.mark.parametrize(
    "behind",
    [
        b"pbs_node_count_free 1 1794166412000\n",
        b"\0" * 512,
        zlib.compress(b"no member"),
        b"\x1f\x8bno member",
    ],
    ids=["text", "zeros", "zlib", "almost"],
)
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_what_follows_a_member_and_is_none_is_corrupt(
    using: Any, pack: Any, behind: bytes, part_bytes: int
) -> None:
    """Whatever stands behind whole data is either more of it, or an error: never dropped."""
    with pytest.raises((*deflate.CORRUPT, using.error)):
        unpacked(pack(b"whole") + behind, using, part_bytes=part_bytes, most_bytes=1_000)


@BOTH
def test_garbage_is_told_as_such(using: Any) -> None:
    """What is no compressed data raises one of the errors that callers catch."""
    with pytest.raises((*deflate.CORRUPT, using.error)):
        list(deflate.Unpacker(using).pieces(b"this is text", 1_000))
