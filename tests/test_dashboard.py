"""The browser side's own tests, those that need no browser: what is pure, and the client module against a clock and a network of its own."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.node import run_node

FOLDER: Final = Path(__file__).parents[1] / "realtime" / "dashboard"


@pytest.mark.parametrize("path", sorted((FOLDER / "test").glob("*.test.js")), ids=lambda path: path.name)
def test_module(path: Path) -> None:
    """Every test in the file passes, and there are some."""
    said = run_node("--test", "--test-reporter=tap", str(path), folder=FOLDER)

    assert re.search(r"^# pass [1-9]", said, re.MULTILINE), said
    assert re.search(r"^# skipped 0$", said, re.MULTILINE), said


def test_the_client_depends_on_nothing() -> None:
    """The module that others import is one file."""
    assert not re.search(
        r"^import\b|\bimport\(", (FOLDER / "src" / "realtime-client.js").read_text(), re.MULTILINE
    )
