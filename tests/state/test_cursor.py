import pytest
from hypothesis import given, strategies as st

from realtime.state.cursor import Cursor


@given(epoch=st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True), revision=st.integers(0, 10**17))
def test_a_cursor_survives_the_wire(epoch: str, revision: int) -> None:
    """What a client sends back is what it was given."""
    assert Cursor.parse(str(Cursor(epoch, revision))) == (epoch, revision)


@pytest.mark.parametrize(
    "text", ["", "-", "7", "-7", "k3f9-", "k3f9-x", "k3f9--", "k3f9-٣", "k3f9-" + "9" * 19, "k3f9-1.0"]
)
def test_garbage_is_no_cursor(text: str) -> None:
    """What we never gave out is no cursor, and no error either."""
    assert Cursor.parse(text) is None


@given(st.text())
def test_no_text_makes_the_parser_fail(text: str) -> None:
    """Any text is a cursor or is not; none raises."""
    cursor = Cursor.parse(text)

    assert cursor is None or cursor.revision >= 0
