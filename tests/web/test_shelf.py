from realtime.state.cursor import Cursor
from realtime.web.shelf import MAX_BYTES, Prepared, Shelf


def body(size: int, revision: int = 1) -> Prepared:
    cursor = Cursor("k3f9", revision)
    return Prepared(cursor, f'"{cursor}"', b"x" * size, {})


def test_a_body_replaces_the_one_before() -> None:
    """Under one key only the newest body is kept, and only its bytes count."""
    shelf, other = Shelf(), Shelf()
    shelf.put(("h", "/a"), body(10))
    shelf.put(("h", "/a"), body(3, 2))
    other.put(("h", "/a"), body(3))

    assert shelf.get(("h", "/a")) == body(3, 2)
    assert shelf.size == other.size


def test_long_paths_count_too() -> None:
    """Tiny bodies of long queries are bounded like large ones."""
    shelf = Shelf()
    for number in range(2 * MAX_BYTES // 9_000):
        shelf.put(("h", f"/a?{number:08000}"), body(2))

    assert shelf.size <= MAX_BYTES


def test_bodies_of_two_clusters_are_two() -> None:
    """The same path of another cluster is another body."""
    shelf = Shelf()
    shelf.put(("h", "/a"), body(1))

    assert shelf.get(("v", "/a")) is None


def test_bodies_are_bounded_by_their_bytes() -> None:
    """However many filters are asked for, what is kept stays below the bound, and the newest is kept."""
    shelf = Shelf()
    for number in range(50):
        shelf.put(("h", f"/a?{number}"), body(MAX_BYTES // 10))
        assert shelf.size <= MAX_BYTES
        assert shelf.get(("h", f"/a?{number}")) is not None
