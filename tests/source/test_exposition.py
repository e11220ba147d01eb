import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from realtime.errors import SourceMalformed
from realtime.source.exposition import SLICE_LINES, SLICE_NEW, Exposition, Reading
from realtime.source.sample import Sample
from tests.steps import finish

CAPTURES = sorted((Path(__file__).parent.parent / "data" / "metrics").rglob("*.txt"))


def read(text: str | bytes, exposition: Exposition | None = None, at: int = 5) -> Reading:
    body = text.encode() if isinstance(text, str) else text
    return finish((exposition or Exposition()).read(body, at))


def one(text: str) -> Sample:
    (sample,) = read(text).changed
    return sample


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@given(
    labels=st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.text(st.characters(codec="utf-8"))
    ),
    value=st.floats(),
    at=st.none() | st.integers(1, 10**15),
)
def test_what_is_written_is_what_is_read(labels: dict[str, str], value: float, at: int | None) -> None:
    """Any labels, any value and any timestamp survive, also on the second reading, which takes the short way."""
    inner = ",".join(f'{name}="{escape(text)}"' for name, text in labels.items())
    line = f"m{{{inner}}} {value!r}" + ("" if at is None else f" {at}")
    exposition = Exposition()

    first = read(line, exposition)
    again = read(line, exposition)

    (sample,) = first.changed
    assert sample.labels == labels
    assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))
    assert sample.at == (5 if at is None else at)
    assert again == Reading([], [], 1, sample.at, 0)


STAMP = 1_794_166_412_000


@given(
    bodies=st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from([f'm{{n="{i} 1"}}' for i in range(4)] + ["m", "k{}"]), st.integers(0, 2)
            ),
            st.sampled_from(["scrape", "two stamps", "none", "malformed"]),
        ),
        max_size=8,
    )
)
def test_what_is_reported_adds_up_to_what_is_there(bodies: list[tuple[dict[str, int], str]]) -> None:
    """Whatever bodies follow each other, of one timestamp or several, what changed and what is gone add up to the last body."""
    exposition = Exposition()
    held: dict[int, float] = {}
    for number, (series, kind) in enumerate(bodies):
        stamps = {
            "scrape": (STAMP, STAMP),
            "two stamps": (STAMP, STAMP + 1),
            "none": (0, 0),
            "malformed": (STAMP, STAMP),
        }
        lines = ["# HELP m of no meaning"]
        for index, (prefix, value) in enumerate(series.items()):
            at = stamps[kind][index % 2] + number * 1000
            lines.append(f"{prefix} {value}" + (f" {at}" if kind != "none" else ""))
        if kind == "malformed":
            with pytest.raises(SourceMalformed):
                read(
                    "\n".join([*lines, f"garbage {STAMP + number * 1000} {STAMP + number * 1000} 3", ""]),
                    exposition,
                )
            continue

        reading = read("\n".join([*lines, ""]), exposition, at=number)

        held.update((id(sample), sample.value) for sample in reading.changed)
        for sample in reading.gone:
            held.pop(id(sample), None)
        alive = list(exposition._known.values())
        assert sorted(held.values()) == sorted(series.values())
        assert {id(sample) for sample in alive} == held.keys()
        assert reading.series == len(series)
        newest = max((sample.at for sample in alive), default=None)
        assert reading.newest == newest


def test_a_scrape_without_changes_makes_every_sample_younger() -> None:
    """Where all lines have one timestamp it is that of every sample, also of those whose line was not looked into."""
    exposition = Exposition()
    first = read(f"a 1 {STAMP}\nb 2 {STAMP}\n", exposition)

    second = read(f"a 1 {STAMP + 15_000}\nb 2 {STAMP + 15_000}\n", exposition)

    assert second == Reading([], [], 2, STAMP + 15_000, 0)
    assert {sample.at for sample in first.changed} == {STAMP + 15_000}


@pytest.mark.parametrize(
    ("lines", "stray"),
    [
        ([("a", "x", 2), ("b", "x", 2)], 0),
        ([("a", "x", 2), ("b", "x", 1), ("c", "x", 1)], 1),
        # A rule's is newer than the scrape that it is made of.
        ([("a", "x", 1), ("b", "x", 1), ("c", "x", 2), ("d", "x", 1)], 1),
        # Two exporters are scraped at times of their own.
        ([("a", "x", 2), ("a", "y", 1), ("b", "x", 2), ("b", "y", 1)], 0),
        ([("a", "x", 2), ("a", "y", 1), ("b", "x", 1), ("b", "y", 1)], 1),
    ],
)
def test_samples_that_are_not_of_their_origins_scrape_are_stray(
    lines: list[tuple[str, str, int]], stray: int
) -> None:
    """A sample is stray if most of its origin have another timestamp, be it older or newer; what another origin has says nothing."""
    text = "".join(f'{name}{{instance="{origin}"}} 1 {STAMP + at}\n' for name, origin, at in lines)

    assert read(text).stray == stray


def test_a_line_twice_does_not_hide_that_another_is_gone() -> None:
    """A series that left is reported also where another stands twice."""
    exposition = Exposition()
    read(f"a 1 {STAMP}\nb 2 {STAMP}\n", exposition)

    reading = read(f"a 1 {STAMP + 1}\na 1 {STAMP + 1}\n", exposition)

    assert [sample.name for sample in reading.gone] == ["b"]


def test_numbers_that_end_every_line_are_not_mistaken_for_a_timestamp() -> None:
    """A body without timestamps whose values are all the same is a body without timestamps."""
    reading = read("a 5\nb 5\n", at=7)

    assert [(sample.name, sample.value, sample.at) for sample in reading.changed] == [
        ("a", 5.0, 7),
        ("b", 5.0, 7),
    ]


@pytest.mark.parametrize(
    ("raw", "value"), [("+Inf", math.inf), ("-Inf", -math.inf), ("1e3", 1000.0), ("0.5", 0.5), ("-7", -7.0)]
)
def test_values_are_those_of_the_format(raw: str, value: float) -> None:
    """Infinities and exponents are numbers."""
    assert one(f"m {raw} 1").value == value


def test_a_stale_marker_is_not_a_number() -> None:
    """A stale marker is written as NaN, and is one."""
    assert math.isnan(one('m{node="a"} NaN 1').value)


def test_spaces_braces_and_numbers_in_a_label_are_text() -> None:
    """A label that looks like the rest of a line is still one label."""
    assert one('m{a="x} 5 6",b="{,}"} 1 2').labels == {"a": "x} 5 6", "b": "{,}"}


def test_a_line_without_timestamp_is_not_mistaken_for_one_with() -> None:
    """The last number of a label is never taken for the value, whatever the line before was."""
    exposition = Exposition()
    read('m{a="x"} 5 6', exposition)

    reading = read('m{a="x 7"} 8', exposition)

    assert [(s.labels["a"], s.value, s.at) for s in reading.changed] == [("x 7", 8.0, 5)]
    assert [s.labels["a"] for s in reading.gone] == ["x"]


def test_only_what_changed_is_reported() -> None:
    """A second body reports the series whose value is another, those that are new and those that are gone."""
    exposition = Exposition()
    read('m{n="same"} 1 1\nm{n="other"} 1 1\nm{n="gone"} 1 1\n', exposition)

    reading = read('m{n="same"} 1 9\nm{n="other"} 2 9\nm{n="new"} 1 9\n', exposition)

    assert [s.labels["n"] for s in reading.changed] == ["other", "new"]
    assert [s.labels["n"] for s in reading.gone] == ["gone"]
    assert (reading.series, reading.newest, reading.stray) == (3, 9, 0)


def test_what_comes_back_is_new() -> None:
    """A series that went and returned with its old value is reported again."""
    exposition = Exposition()
    read("m 1 1", exposition)
    read("", exposition)

    assert [s.value for s in read("m 1 2", exposition).changed] == [1.0]


@pytest.mark.parametrize(
    "body",
    [
        "<html>502</html>",
        "m 1_0 1",
        "m one 1",
        'm{a="x} 1 1',
        "m{a=x} 1 1",
        'm{a="x"}',
        "{} 1",
        b"\x00\xff 1 1",
        'm{a="1"b="2"} 1 1',
        "m 1 1.5",
    ],
)
def test_one_bad_line_makes_the_body_malformed(body: Any) -> None:
    """A body with a line that cannot be read is refused, and the refusal quotes none of it."""
    text = body.encode() if isinstance(body, str) else body
    with pytest.raises(SourceMalformed) as refusal:
        read(b"ok 1 1\n" + text)

    assert str(refusal.value).startswith("the source's answer")


def test_a_malformed_body_loses_no_change() -> None:
    """What a refused body had changed by then is reported with the next good one."""
    exposition = Exposition()
    read("a 1 1\nb 1 1", exposition)
    with pytest.raises(SourceMalformed):
        read("a 2 2\nb 2 2\ngarbage", exposition)

    reading = read("a 2 3\nb 2 3", exposition)

    assert sorted((s.name, s.value) for s in reading.changed) == [("a", 2.0), ("b", 2.0)]


def test_a_timestamp_that_is_no_number_is_refused_on_the_short_way_too() -> None:
    """A series that is known is not trusted with a timestamp that cannot be read."""
    exposition = Exposition()
    read("m 1 1", exposition)

    with pytest.raises(SourceMalformed):
        read("m 1 1.5", exposition)


SCRAPE = f" {STAMP}\n"
LATER = f" {STAMP + 15_000}\n"


def test_a_line_that_was_refused_is_refused_again() -> None:
    """A value that cannot be read does not pass for the one before because its line was seen once."""
    exposition = Exposition()
    read(f"m 1{SCRAPE}", exposition)
    for _ in range(2):
        with pytest.raises(SourceMalformed):
            read(f"m one{SCRAPE}", exposition)


def test_what_only_a_refused_body_had_was_never_there() -> None:
    """A series of a malformed body is not reported as gone by the next, which does not have it."""
    for end in ("\n", SCRAPE):
        exposition = Exposition()
        with pytest.raises(SourceMalformed):
            read(f"ghost 1{end}m one{end}", exposition)

        reading = read(f"m 1{end}", exposition)

        assert [sample.name for sample in reading.changed] == ["m"]
        assert reading.gone == []


@pytest.mark.parametrize("end", ["\n", " 7\n", SCRAPE])
def test_of_a_series_that_stands_twice_the_last_is_believed(end: str) -> None:
    """However often a body that names a series twice is read, its last value counts."""
    exposition = Exposition()
    reading = read(f"m 1{end}m 2{end}", exposition)
    (sample,) = {id(each): each for each in reading.changed}.values()
    assert sample.value == 2
    for _ in range(3):
        again = read(f"m 1{end}m 2{end}", exposition)

        assert sample.value == 2
        assert (again.gone, again.series) == ([], 1)


def test_a_series_twice_with_two_values_does_not_hide_that_another_is_gone() -> None:
    """As many lines as there were series are not the same series."""
    exposition = Exposition()
    read(f"a 1{SCRAPE}b 2{SCRAPE}", exposition)

    reading = read(f"a 1{LATER}a 2{LATER}", exposition)

    assert [sample.name for sample in reading.gone] == ["b"]


@pytest.mark.parametrize(
    "body",
    [
        "m 1 5\r\nn 2 5\r\n",
        "m  5\n",
        'm 1 5\nm {a="1"} 5\n',
        f"# a comment that ends as the lines do{SCRAPE}m 1{SCRAPE}",
        f"m 1{SCRAPE}n{SCRAPE}",
    ],
)
def test_what_can_be_read_once_can_be_read_again(body: str) -> None:
    """The short way for known series takes no line for malformed that the long way reads."""
    exposition = Exposition()
    first = read(body, exposition)
    held = [(sample.name, sample.value, sample.at) for sample in first.changed]

    again = read(body, exposition)

    assert (again.changed, again.gone) == ([], [])
    assert [(sample.name, sample.value, sample.at) for sample in first.changed] == held


@pytest.mark.parametrize("line", ["m 1\r", "m 1 5", "m 1\x0b", "m one"])
def test_the_short_way_takes_no_line_that_the_long_way_refuses(line: str) -> None:
    """What stands before the one timestamp is read together with it, whether the series is known or not."""
    exposition = Exposition()
    for _ in range(2):
        with pytest.raises(SourceMalformed):
            read(f"n 1{SCRAPE}{line}{SCRAPE}", exposition)
        read(f"n 1{SCRAPE}m 1{SCRAPE}", exposition)


def test_a_value_is_never_taken_from_a_series_that_could_not_be_read() -> None:
    """A series whose first value was malformed is not there without a value: two spaces are no value."""
    exposition = Exposition()
    with pytest.raises(SourceMalformed):
        read("m one 1", exposition)

    (sample,) = read("m  5", exposition).changed

    assert sample.value == 5


@pytest.mark.parametrize("number", ["5", str(STAMP)])
def test_nothing_between_two_spaces_is_no_value(number: str) -> None:
    """A line of a name, two spaces and a number is a value without a timestamp, also where the number could be one."""
    exposition = Exposition()
    for at in (7, 8):
        reading = read(f"m  {number}\n", exposition, at)

        assert (reading.series, reading.newest, reading.gone) == (1, at, [])
        assert [(sample.value, sample.at) for sample in reading.changed] == [(float(number), 7)] * (at == 7)


@pytest.mark.parametrize("stamp", [999_999_999_999_999_999, 2**53 + 1, -1, 0])
def test_a_timestamp_is_read_to_its_last_digit(stamp: int) -> None:
    """On every way a timestamp is the whole number that is written, and the newest is said to be that."""
    for body in (f"m 1 {stamp}\n", f"m 1 {stamp}\nn 1 {stamp} \n"):
        reading = read(body)

        assert {sample.at for sample in reading.changed} == {stamp}
        assert (reading.newest, reading.stray) == (stamp, 0)


@given(st.binary(max_size=80))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever arrives is read or refused."""
    with contextlib.suppress(SourceMalformed):
        read(body)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_real_exporter_output_is_read_line_by_line(path: Path) -> None:
    """Every line of the real exporter that is no comment is one sample."""
    lines = [line for line in path.read_bytes().split(b"\n") if line and not line.startswith(b"#")]

    assert read(path.read_bytes()).series == len(lines)


def test_a_long_body_gives_the_loop_its_turn() -> None:
    """A body is read in slices, and new series, which cost more, in smaller ones."""
    body = "\n".join(f'm{{n="{i}"}} 1 1' for i in range(SLICE_LINES * 3)).encode()
    exposition = Exposition()

    turns = [sum(1 for _ in exposition.read(body, 0)) for _ in range(2)]

    assert turns == [3 + SLICE_LINES * 3 // SLICE_NEW, 3]
