"""Pure work that yields between slices, run to its end."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def finish(steps: Generator[None, None, T]) -> T:
    """The value of a generator, as `realtime.source.poller.in_slices` awaits it."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value
