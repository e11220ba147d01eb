"""Every target, by name."""

from importlib import import_module
from typing import Final

from tests.fuzz.target import Target

NAMES: Final = (
    "exposition", "scrape", "answers", "cursor", "asked", "address", "tokens", "requests", "access", "websocket",
)  # fmt: skip


def target(name: str) -> Target:
    """Imported when it is asked for: atheris watches what is imported then."""
    found: Target = import_module(f"tests.fuzz.{name}").TARGET
    return found
