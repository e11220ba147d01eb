"""Whatever JSON, or other bytes, a source answers to a query, what is asked of it is answered as its type says, or is a SourceError of one sentence; no word of the answer is part of that."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import orjson
from aiohttp import web
from hypothesis import strategies as st

from realtime.config import Cluster
from realtime.errors import SourceError
from realtime.source.victoria import Victoria
from realtime.state.grid import grid_of
from tests.faulty import Answer, faulty
from tests.fuzz.target import DATA, Take, Target, excerpt, silence

FIELDS: Final = ("runningJobs", "gpuUtilization")
GRID: Final = grid_of("1h", 1_794_166_412)
MOST_BYTES: Final = 100_000


def answering(body: bytes) -> Answer:
    """This, as the kind that was asked for."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=request.headers["Accept"])

    return answer


async def ask(question: Awaitable[Any], body: bytes) -> Any:
    """The answer; None if it is a SourceError."""
    try:
        return await question
    except SourceError as problem:
        words = str(problem)
        assert 10 < len(words) < 120
        assert words.isprintable()
        assert not any(
            len(word) > 16 and word in words for word in body.decode("utf-8", "replace").split('"')
        )
        return None


async def look(source: Victoria, body: bytes) -> None:
    newest = await ask(source.probe(), body)
    assert newest is None or type(newest) is int, newest
    assert type(source.partial) is bool
    groups = await ask(source.groups(), body) or []
    for group in groups:
        assert group.keys() == {"cluster", "job"}
        assert all(type(value) is str for value in group.values()), group
    history = await ask(source.history(FIELDS, GRID), body)
    for column in (history or {}).values():
        assert len(column) == GRID.rows
        # As JSON has it: NaN and Inf would be null, and no row of a chart is made of text.
        assert all(value is None or type(value) is float for value in column)
        assert orjson.loads(orjson.dumps(column)) == column
    fetched = await ask(source.fetch(), body)
    assert fetched is None or fetched == body


@contextmanager
def ready() -> Iterator[Take]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        assert_silent = stack.enter_context(silence())
        serving = faulty()
        upstream = runner.run(serving.__aenter__())
        stack.callback(lambda: runner.run(serving.__aexit__(None, None, None)))
        cluster: Cluster = upstream.cluster()
        source = Victoria(cluster, MOST_BYTES)
        stack.callback(lambda: runner.run(source.close()))

        def take(data: bytes) -> None:
            upstream.otherwise = answering(data)
            upstream.asked.clear()
            runner.run(look(source, data))
            assert_silent()

        yield take


def result(*series: object, **more: object) -> bytes:
    """A query's answer."""
    return orjson.dumps({"status": "success", **more, "data": {"resultType": "vector", "result": series}})


INSTANTS: Final = [*GRID.instants]

odd: Final = st.sampled_from(
    [None, True, 0, -1, 2**63, 1e300, "", "a", "1_0", " 5 ", "NaN", "-Inf", "1e306", [], {}, [1], {"a": 1}]
)


def mostly(value: object) -> st.SearchStrategy[Any]:
    """This, or something odd in its place."""
    return st.one_of(st.just(value), odd)


probed: Final = st.fixed_dictionaries({"value": mostly(1) | st.tuples(mostly(1), mostly("1794166411.5"))})
grouped: Final = st.fixed_dictionaries(
    {"metric": odd | st.dictionaries(st.sampled_from(["cluster", "job"]), mostly("hopper"))}
)
past: Final = st.fixed_dictionaries(
    {
        "metric": st.fixed_dictionaries({"field": st.sampled_from(FIELDS) | odd}),
        "values": odd
        | st.lists(st.tuples(st.sampled_from(INSTANTS) | odd, mostly("98.5")) | odd, max_size=3),
    }
)
made: Final = st.builds(
    lambda series, partial: result(*series, isPartial=partial),
    st.one_of(*(st.lists(shape, min_size=1, max_size=3) for shape in (probed, grouped, past))),
    mostly(value=False),
)


TARGET = Target(
    ready,
    (
        result(),
        result({"metric": {}, "value": [1_794_166_412, "1794166411.5"]}),
        result({"metric": {}, "value": [1_794_166_412, "NaN"]}, isPartial=True),
        result({"metric": {"cluster": "hopper", "job": "pbs"}, "value": [1, "1"]}, {"metric": {"job": "pbs"}, "value": [1, "1"]}),
        result({"metric": {"field": FIELDS[0]}, "values": [[INSTANTS[0], "1"], [INSTANTS[-1], "+Inf"]]}),
        result({"metric": {"field": FIELDS[1]}, "values": [[INSTANTS[0], "98.5"]]}, isPartial=False),
        b'{"status":"error","errorType":"bad_data","error":"no"}',
        excerpt(DATA / "metrics" / "at-1794166412.txt"),
    ),
    (
        b'{"status":"success","data":{"result":[', b"]}}", b'{"metric":', b'"value":', b'"values":', b'"cluster":', b'"job":', b'"field":',
        b'"runningJobs"', b'"isPartial":', b"true", b"null", b"1", b"-1", b"1e308", b"1e-5", b'"1e306"', b'"1_0"', b'"0x1"', b'" 5 "', b'"Infinity"',
        b'"nan"', b"[", b"]", b"{", b"}", b",", b":", b'""', b'"a"', b"9" * 30, b"\xff", str(INSTANTS[0]).encode(), b'[1,"9e99"]', b"[" * 1000,
        result({"metric": {"cluster": 5}, "value": [1, "1"]}), result({"metric": [], "values": 1}), b'{"metric":{"job":[]}}',
    ),
    made,
    examples=400,
)  # fmt: skip
