"""Whatever bodies follow each other, the reader of expositions says of each what a slow one says that knows no other body: the same series,
labels, values and timestamps, or that it is malformed; and what it reports as changed and gone adds up to that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hypothesis import strategies as st

from realtime.errors import SourceMalformed
from realtime.source.exposition import Exposition, Reading
from realtime.source.sample import Sample
from tests.fuzz import slow_exposition
from tests.fuzz.target import DATA, Take, Target, excerpt
from tests.steps import finish

BETWEEN: Final = b"\0\n"
"""Separates the bodies of one input."""

STAMPS: Final = (b" 1794166412000\n", b" 1794166427000\n", b" -179416641200\n", b" 999999999999999999\n")


class Held:
    """What a reader holds who adds up what was reported."""

    def __init__(self) -> None:
        self.samples: dict[int, Sample] = {}

    def hear(self, reading: Reading) -> None:
        for sample in reading.gone:
            assert id(sample) in self.samples, f"{sample} is gone, and never was there"
            del self.samples[id(sample)]
        for sample in reading.changed:
            self.samples[id(sample)] = sample


def plain(name: str, labels: tuple[tuple[str, str], ...], value: float, at: int) -> tuple[object, ...]:
    """A sample as what can be compared and sorted: NaN is NaN."""
    return name, labels, repr(value), at


def origin(series: slow_exposition.Series) -> tuple[str, str]:
    """Who was scraped."""
    labels = dict(series.labels)
    return labels.get("job", ""), labels.get("instance", "")


def rightly(body: bytes, at: int) -> list[tuple[str, slow_exposition.Series]] | None:
    """As the slow one reads it; None if it is malformed."""
    try:
        return slow_exposition.read(body, at)
    except slow_exposition.Malformed:
        return None


def read(exposition: Exposition, body: bytes, at: int) -> Reading | None:
    try:
        return finish(exposition.read(body, at))
    except SourceMalformed:
        return None


def take(data: bytes) -> None:
    exposition, held = Exposition(), Held()
    for at, body in enumerate(data.split(BETWEEN), 1):
        right, reading = rightly(body, at), read(exposition, body, at)
        assert (right is None) == (reading is None), body
        if right is None or reading is None:
            continue
        held.hear(reading)
        # Where a series stands twice, the last is believed.
        series = dict(right)
        said = sorted(
            plain(one.name, tuple(sorted(one.labels.items())), one.value, one.at)
            for one in held.samples.values()
        )
        assert said == sorted(plain(*one) for one in series.values()), body
        stamps = [(origin(one), one.at) for _, one in right]
        assert reading.series == len(series)
        assert reading.newest == max((at for _, at in stamps), default=None)
        most = {
            who: max(stamps.count((who, at)) for other, at in stamps if other == who) for who, _ in stamps
        }
        assert reading.stray == len(stamps) - sum(most.values())


@contextmanager
def ready() -> Iterator[Take]:
    yield take


def seeds() -> list[bytes]:
    """What real exporters said, once and again, with timestamps and without."""
    pages = [excerpt(path) for path in sorted((DATA / "metrics").rglob("*.txt"))]
    short = [b"".join(page.splitlines(keepends=True)[:12]) for page in pages]
    stamped = [
        b"".join(
            line if line.startswith(b"#") else line.rstrip() + STAMPS[0]
            for line in page.splitlines(keepends=True)
        )
        for page in short
    ]
    later = [page.replace(STAMPS[0], STAMPS[1]) for page in stamped]
    return [*pages, *map(BETWEEN.join, zip(short, stamped, later, later, strict=True))]


SERIES: Final = (b"m", b'm{a="1"}', b'm{a="x 1"}', b'm{job="p"}', b'n{job="p"}', b"n", b'm {a="1"}')

numbers: Final = st.sampled_from([b" 1", b" 2", b" 1", b" 2", b" 1.0", b"  1", b" 1\r", b" NaN", b" one"])
a_line: Final = st.builds(lambda series, number: series + number, st.sampled_from(SERIES), numbers)


@st.composite
def a_story(draw: st.DrawFn) -> bytes:
    """Bodies of few series, most of them as they were before; with one timestamp, several, or none."""
    lines = st.lists(st.one_of(a_line, a_line, a_line, st.just(b"# HELP m")), max_size=4)
    pages = draw(st.lists(lines, min_size=1, max_size=3))
    ends = st.sampled_from(
        [
            STAMPS[:1],
            STAMPS[1:2],
            STAMPS[:1],
            STAMPS[1:2],
            (b"\n",),
            (b"\r\n", b" 7\r\n"),
            STAMPS[:2],
            STAMPS[2:3],
            STAMPS[3:],
        ]
    )
    bodies = []
    for page in draw(st.lists(st.sampled_from(pages), min_size=1, max_size=6)):
        end = draw(ends)
        bodies.append(b"".join(line + end[number % len(end)] for number, line in enumerate(page)))
    return BETWEEN.join(bodies)


TARGET = Target(
    ready,
    seeds(),
    (
        BETWEEN, *STAMPS, b"m", b"n", b"pbs_node_state", b"{}", b'{a="1"}', b'{a="x 1"}', b'{a="\\"\\n",}', b"{", b"}", b'"', b"\\",
        b" ", b"\t", b"\r", b"\n", b" 1", b" 2", b" 5 6", b" NaN", b" +Inf", b" 1e5", b" 1_0", b"# HELP m\n", b"m 1 1794166412000\n",
        b"n 2 1794166412000\n", b"m 1\n", b"m 2 1794166427000\n",
    ),
    a_story(),
    examples=2_500,
)  # fmt: skip
