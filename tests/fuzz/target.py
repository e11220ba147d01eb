"""What a target is, and inputs made of what real ones look like."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st
from structlog.testing import capture_logs

from realtime.logs import QUOTING

DATA: Final = Path(__file__).parents[1] / "data"

MOST_SEED_BYTES: Final = 1_500
"""Of a long file some lines are taken: mutation finds its way in a short seed sooner."""

Take = Callable[[bytes], None]
"""Takes one input; an AssertionError, or any other error, says that it has broken the law."""


class Target(NamedTuple):
    """Something that any bytes may be given to."""

    ready: Callable[[], AbstractContextManager[Take]]
    """Makes ready what takes the inputs, one after the other, and clears it away."""
    seeds: Sequence[bytes]
    """Inputs as they really come."""
    words: Sequence[bytes]
    """What inputs are made of."""
    made: st.SearchStrategy[bytes] | None = None
    """Inputs of the shape that is asked for, where words in any order hardly ever have it."""
    examples: int = 300
    """How many hypothesis tries: what all of them need together is some seconds a target."""


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Any bytes; the target's words in any order; and its seeds, each changed in a few places."""
    pieces = st.one_of(st.sampled_from(target.words), st.binary(max_size=3))
    return st.one_of(
        st.binary(max_size=200),
        st.lists(pieces, max_size=40).map(b"".join),
        _mutated(st.sampled_from(target.seeds), pieces),
        *([] if target.made is None else [target.made, target.made, _mutated(target.made, pieces)]),
    )


@st.composite
def _mutated(draw: st.DrawFn, seeds: st.SearchStrategy[bytes], pieces: st.SearchStrategy[bytes]) -> bytes:
    """A seed of which some stretches were taken out, said twice, or replaced."""
    text = draw(seeds)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 40)))
        new = draw(st.one_of(pieces, st.just(text[start:stop] * 2)))
        text = text[:start] + new + text[stop:]
    return text


def excerpt(path: Path) -> bytes:
    """Lines from all over a file, as a seed."""
    lines = path.read_bytes().splitlines(keepends=True)
    every = max(1, sum(map(len, lines)) // MOST_SEED_BYTES)
    return b"".join(lines[::every])


@contextmanager
def silence() -> Iterator[Callable[[], None]]:
    """Listen to the log; what is given fails if it told of a failure since it was last asked."""
    told: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name in QUOTING and record.levelno < logging.ERROR:
                return
            told.append(f"{record.name}: {record.getMessage()}\n{record.exc_text or record.exc_info}")

    def heard(events: list[Any]) -> None:
        loud = [
            event for event in events if event["log_level"] in ("error", "critical") or event.get("exc_info")
        ]
        events.clear()
        failures, told[:] = [*told, *map(str, loud)], []
        assert not failures, failures

    ear = Ear(logging.WARNING)
    logging.getLogger().addHandler(ear)
    try:
        with capture_logs() as events:
            yield lambda: heard(events)
    finally:
        logging.getLogger().removeHandler(ear)
