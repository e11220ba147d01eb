"""VictoriaMetrics or Prometheus, read over HTTP.

Law: whatever goes wrong between here and there is a SourceError of one plain sentence, without URL, host,
credential or a word of what the source answered. aiohttp's own errors name all of these, so none is chained.

VictoriaMetrics leaves the last 30 s out of every query (`-search.latencyOffset`), unless told otherwise
(`FRESH`); Prometheus ignores what it is told. `/federate` has no such offset, is the only call of both
programs that tells when every sample was taken, and is the cheapest: 326 ms for 55,000 series, against 408 ms
for a query whose answer then takes seven times as long to read.
"""

import asyncio
import math
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress
from typing import Any, Final

import aiohttp
import orjson
import structlog
from yarl import URL

from realtime import deflate
from realtime.config import Cluster
from realtime.errors import ConfigError, SourceMalformed, SourcePartial, SourceUnavailable
from realtime.source.failures import JSON, failure, refusal
from realtime.source.history import matchers, query, selector
from realtime.state.grid import Grid

HISTORIES: Final = 2
"""Questions of history under way at once; on two cores VictoriaMetrics answers no more."""

CONNECTIONS: Final = HISTORIES + 1
"""One is the poll's, which asks one thing after the other, and waits for no history."""

FRESH: Final = {"nocache": "1", "latency_offset": "1ms"}
"""Lifts the 30 s: the first before VictoriaMetrics 1.85, both after (0 is refused before 1.88)."""

SINGLETONS: Final = ("pbs_node_count_free", "qstat_total_r_jobs")
"""One series each, in every dialect that counts, and set by two different commands of PBS."""

CROWDS: Final = ("pbs_node_state", "qstat_running_jobs_by_queue")
"""For exporters that count nothing: a series a node, hence 84 ms instead of 0.5 at 5,000 nodes."""

METRICS: Final = "(pbs_.*|qstat.*)"

_TEXT = "text/plain"

_BEGINS = re.compile(rb"[A-Za-z_:#\s]")
"""How the text format begins; HTML, JSON and binary do not."""

PIECE_BYTES: Final = 2**18
"""Unpacked between two turns of the event loop: 1 ms."""

log = structlog.get_logger()


class Victoria:
    """One cluster's metrics in VictoriaMetrics or Prometheus; a `Source`."""

    def __init__(self, cluster: Cluster, max_fetch_bytes: int) -> None:
        """Open nothing yet. Raises ConfigError for a URL that no request can be made of."""
        try:
            url = URL(cluster.prometheus_url)
        except ValueError:
            raise ConfigError("prometheus_url: allowed: http://HOST[:PORT][/PREFIX] or https://…") from None
        self._headers = {"Accept-Encoding": "gzip", **_login(cluster, url)}
        self._base = url.with_user(None)
        self._timeout_seconds = cluster.prometheus_timeout / 1_000
        self._max_bytes = max_fetch_bytes
        self._prefix = cluster.pbs_exporter_prefix
        job = cluster.pbs_exporter_job_name
        self._labels = {**({"job": job} if job else {}), **cluster.pbs_exporter_labels}
        self._session: aiohttp.ClientSession | None = None
        self._histories = asyncio.Semaphore(HISTORIES)
        self._closed = False
        self.partial = False
        """At the last probe a storage node of the source was missing: what is absent may well exist."""

    async def probe(self) -> int | None:
        """The newest sample's timestamp in epoch ms, cheaply; None if there is no sample.

        For 5 minutes after scrapes began to fail VictoriaMetrics still tells the last one, Prometheus None.
        """
        return await self._newest(SINGLETONS) or await self._newest(CROWDS)

    async def fetch(self) -> bytes:
        """Every current sample, in the Prometheus text format with timestamps; empty if there is none.

        Raises SourceMalformed for a body that is cut off, of another format, or larger than `max_fetch_bytes`
        when unpacked.
        """
        labels = f",{matchers(self._labels)}" if self._labels else ""
        match = f'{{__name__=~"{self._prefix}{METRICS}"{labels}}}'
        body = await self._get("federate", {"match[]": match}, _TEXT)
        if body and not _BEGINS.match(body):
            raise SourceMalformed("the source answered with something else than metrics")
        if body and not body.endswith(b"\n"):
            # Without a Content-Length nothing else tells; half a number is a number too.
            raise SourceMalformed("the source's answer is cut off")
        return body

    async def history(self, fields: Collection[str], grid: Grid) -> dict[str, list[float | None]]:
        """Each field's mean over each step of the grid; None where nothing is known. One request for all.

        At most `HISTORIES` are under way. The timeout begins when the question is sent, so waiting for a turn does not count.
        """
        told: dict[str, list[float | None]] = {field: [None] * grid.rows for field in fields}
        if not told:
            return told
        expression = query(told, grid, prefix=self._prefix, labels=self._labels)
        span = {
            "start": str(grid.start_seconds),
            "end": str(grid.end_seconds),
            "step": str(grid.step_seconds),
        }
        async with self._histories:
            series, partial = await self._ask("api/v1/query_range", {"query": expression, **span})
        if partial:
            raise SourceUnavailable("a part of the source's storage is missing: its history would be too low")
        row_of = {instant: row for row, instant in enumerate(grid.instants)}
        try:
            for one in series:
                values = told[one["metric"]["field"]]
                for instant, value in one["values"]:
                    number = float(value)
                    values[row_of[instant]] = number if math.isfinite(number) else None
        except (KeyError, TypeError, ValueError):
            raise SourceMalformed("the source's history is not the one that was asked for") from None
        return told

    async def groups(self) -> list[dict[str, str]]:
        """The `cluster` and `job` labels under which exporters report now."""
        metrics = " or ".join(
            selector(metric, prefix=self._prefix, labels=self._labels) for metric in (*SINGLETONS, *CROWDS)
        )
        series, partial = await self._ask("api/v1/query", {"query": f"count by (cluster, job) ({metrics})"})
        if partial:
            raise SourcePartial("part of the source's storage is missing; who reports cannot be told")
        with suppress(AttributeError, KeyError, TypeError):
            groups = [{label: one["metric"].get(label, "") for label in ("cluster", "job")} for one in series]
            if all(isinstance(text, str) for group in groups for text in group.values()):
                return groups
        raise SourceMalformed("the source answered with something else than labels")

    async def close(self) -> None:
        """Give back the connections. Who asks from now on, or waits for a turn, hears that it is over."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _newest(self, metrics: Iterable[str]) -> int | None:
        """The newest timestamp (epoch ms) of any of the metrics."""
        # `or` drops a series whose labels it has seen, and timestamp() drops the name: without a label of its
        # own each metric would hide the next one's, newer or not. One selector for all names is a 422 for
        # that reason.
        stamps = (
            f'label_replace(timestamp({series}), "of", "{metric}", "", "")'
            for metric in metrics
            for series in [selector(metric, prefix=self._prefix, labels=self._labels)]
        )
        series, self.partial = await self._ask("api/v1/query", {"query": f"max({' or '.join(stamps)})"})
        try:
            return round(float(series[0]["value"][1]) * 1_000) if series else None
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            raise SourceMalformed("the source answered the probe with something else than a time") from None

    async def _ask(self, path: str, params: dict[str, str]) -> tuple[list[Any], bool]:
        """A query's series, and whether they are only a part of what there is."""
        body = await self._get(path, params | FRESH, JSON)
        try:
            answer = orjson.loads(body)
            series, partial = answer["data"]["result"], answer.get("isPartial", False)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise SourceMalformed("the source's answer is not that of a query") from None
        if not isinstance(series, list):
            raise SourceMalformed("the source's answer is not that of a query")
        return series, partial is True

    async def _get(self, path: str, params: dict[str, str], media: str) -> bytes:
        """The body of an answer that is 200 and of the media type, both judged before it is read."""
        if self._closed:
            raise SourceUnavailable("this server no longer asks the source")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
                # aiohttp unpacks all that a read of the socket brought at once: 5,000 nodes, 25 ms (measured).
                auto_decompress=False,
            )
        log.debug("asking", path=path, params=params)
        url = self._base.joinpath(path).with_query(self._base.query)
        try:
            async with self._session.get(
                url, params=params, headers={"Accept": media}, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise refusal(answer.status, answer.content_type)
                if answer.content_type != media:
                    raise SourceMalformed(f"the source answered with another format than {media}")
                return await self._read(answer)
        # Connecting by a name that cannot be encoded is a UnicodeError.
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise failure(error, self._timeout_seconds) from None

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        """The whole unpacked body, never holding more than the limit and one piece, in slices between which the loop has its turn."""
        packed = answer.headers.get("Content-Encoding", "identity") != "identity"
        unpacker = deflate.Unpacker() if packed else None
        pieces, size = [], 0
        async for raw in answer.content.iter_any():
            async for piece in _unpacked(raw, unpacker):
                size += len(piece)
                if size > self._max_bytes:
                    raise SourceMalformed(f"the source's answer is larger than {self._max_bytes:,} bytes")
                pieces.append(piece)
        if unpacker is not None and not unpacker.is_whole:
            raise SourceMalformed("the source's answer is cut off or cannot be unpacked")
        return b"".join(pieces)


async def _unpacked(raw: bytes, unpacker: deflate.Unpacker | None) -> AsyncIterator[bytes]:
    """The pieces of what a read of the socket brought."""
    if unpacker is None:
        yield raw
        return
    try:
        for piece in unpacker.pieces(raw, PIECE_BYTES):
            yield piece
            await asyncio.sleep(0)
    except deflate.CORRUPT:
        raise SourceMalformed("the source's answer is cut off or cannot be unpacked") from None


def _login(cluster: Cluster, url: URL) -> dict[str, str]:
    """The header that says who we are: a token, a user with a password, or what the URL holds."""
    if token := cluster.prometheus_token.get_secret_value().strip():
        return {"Authorization": f"Bearer {token}"}
    if cluster.prometheus_username:
        user, password = cluster.prometheus_username, cluster.prometheus_password.get_secret_value()
    elif url.user is not None:
        user, password = url.user, url.password or ""
    else:
        return {}
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
