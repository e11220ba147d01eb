"""REST over a real socket: the old backend's bodies, their headers, and every way of asking wrongly."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from realtime.state.freshness import Freshness
from realtime.web import shapes
from tests.web.served import AGE_MS, DATA, Serve, Served, node, real_state, small_state

LIVE = ("/api/jobs", "/api/nodes", "/api/nodes/hopper-01", "/api/queues", "/api/stats/cluster", "/api/state")

# Of these the old backend told no truth, or the three minutes between its answer and our state changed it.
MOVED_NODES = {"hopper-01", "hopper-22", "hopper-33"}
MOVED_QUEUES = {"interactive", "AISG_debug"}


def old(name: str) -> Any:
    """What the old backend answered."""
    return json.loads((DATA / "reference" / f"{name}.json").read_text())["body"]


def kinds(row: dict[str, Any]) -> dict[str, str]:
    """Each field and its JSON type."""
    names = {int: "number", float: "number", str: "string", bool: "boolean", list: "array", dict: "object"}
    return {field: names[type(value)] for field, value in row.items()}


@pytest.fixture
async def real(serve: Serve) -> Served:
    """A server of what a real exporter said."""
    server = await serve()
    server.publish(real_state())
    return server


# -- the bodies, against the old ones


async def test_jobs_are_the_old_ones(real: Served) -> None:
    """`/api/jobs` has every field of the old answer with its type, and its values where three minutes changed nothing."""
    was, now = old("api_jobs"), (await real.get("/api/jobs")).json

    assert list(now) == list(was)
    assert kinds(was["summary"]).items() <= kinds(now["summary"]).items()
    assert {field: now["summary"][field] for field in ("queued", "hold")} == {"queued": 35, "hold": 6}
    assert now["summary"]["total"] == sum(now["summary"][field] for field in ("running", "queued", "hold"))
    for rows in ("byUser", "byQueue"):
        assert {tuple(kinds(row).items()) for row in now[rows]} == {
            tuple(kinds(row).items()) for row in was[rows]
        }
    queues = {row["queue"]: row for row in now["byQueue"]}
    assert [queues[row["queue"]] for row in was["byQueue"] if row["queue"] not in MOVED_QUEUES] == [
        row for row in was["byQueue"] if row["queue"] not in MOVED_QUEUES
    ]
    counts = [row["count"] for row in now["byUser"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == now["summary"]["running"]


async def test_nodes_are_the_old_ones(real: Served) -> None:
    """`/api/nodes` has every old field with its type and every old node in its order, with true states, memory and numbers of jobs."""
    was, now = old("api_nodes"), (await real.get("/api/nodes")).json

    assert [row["id"] for row in now] == [row["id"] for row in was]
    for before, after in zip(was, now, strict=True):
        assert kinds(before).items() <= kinds(after).items()
        if before["id"] not in MOVED_NODES:
            counts = ("name", "totalCpus", "usedCpus", "totalGpus", "usedGpus", "properties")
            assert {field: after[field] for field in counts} == {field: before[field] for field in counts}
            assert len(after["jobs"]) == len(before["jobs"]) == after["jobCount"]
        assert set(after["jobs"]) <= {None}
    assert now[0]["state"] == "free"
    assert (now[0]["totalMemory"], now[0]["usedMemory"]) == ("2048GiB", "1024GiB")


async def test_queues_are_the_old_ones(real: Served) -> None:
    """`/api/queues` has the old names and running jobs, and leaves out what no metric says."""
    was, now = old("api_queues"), (await real.get("/api/queues")).json

    invented = {"enabled", "started", "priority"}
    assert {tuple(sorted(kinds(row).items())) for row in now} == {
        tuple(sorted((field, kind) for field, kind in kinds(row).items() if field not in invented))
        for row in was
    }
    running = {row["name"]: row["runningJobs"] for row in now}
    assert set(running) == {row["name"] for row in was}
    assert all(running[row["name"]] == row["runningJobs"] for row in was if row["name"] not in MOVED_QUEUES)
    assert all(row["totalJobs"] == row["runningJobs"] + row["queuedJobs"] for row in now)


async def test_stats_are_the_old_ones(real: Served) -> None:
    """`/api/stats/cluster` has every old field as a number; full nodes are busy and no longer down."""
    was, now = old("api_stats_cluster"), (await real.get("/api/stats/cluster")).json

    assert kinds(was).items() <= kinds(now).items()
    still = ("totalNodes", "freeNodes", "queuedJobs", "totalGpus", "totalCpus")
    assert {field: now[field] for field in still} == {field: was[field] for field in still}
    assert (now["busyNodes"], now["downNodes"]) == (6, 10)
    assert now["busyNodes"] + now["downNodes"] == was["downNodes"]
    assert now["gpuUtilization"] == round(100 * now["usedGpus"] / now["totalGpus"], 1)
    assert now["cpuUtilization"] == round(100 * now["usedCpus"] / now["totalCpus"], 1)
    reported = {f"reported{state}Nodes" for state in ("Free", "Busy", "Offline", "Down")}
    assert set(now) - set(was) == {"offlineNodes", "unknownNodes", "heldJobs", "memoryUtilization"} | reported


async def test_one_node_is_its_row_of_all(real: Served) -> None:
    """`/api/nodes/{id}` answers with the same row as `/api/nodes`."""
    rows = (await real.get("/api/nodes")).json

    assert [(await real.get(f"/api/nodes/{row['id']}")).json for row in rows[:3]] == rows[:3]


async def test_state_is_what_a_subscriber_would_hold(server: Served) -> None:
    """`/api/state` holds the view's state and cursor, and how fresh they are."""
    async with server.socket("?topics=nodes,users&nodes=hopper-*") as socket:
        _, snapshot, _ = await socket.take("hello", "snapshot", "heartbeat")

    body = (await server.get("/api/state?topics=nodes,users&nodes=hopper-*")).json
    assert body == {
        "cluster": "hopper",
        "cursor": snapshot["cursor"],
        "quality": "live",
        "dataAgeMs": AGE_MS,
        "state": snapshot["state"],
    }
    assert list(body["state"]["nodes"]) == ["hopper-01", "hopper-02"]
    everything = (await server.get("/api/state")).json
    assert everything["state"] == small_state()


async def test_each_cluster_answers_for_itself(serve: Serve) -> None:
    """`cluster=` chooses whose truth is told; the first is told to whom names none."""
    server = await serve(clusters=("hopper", "vanda"))
    server.publish(small_state())
    server.publish({"queues": {"v": {"name": "v"}}}, "vanda")

    assert (await server.get("/api/queues?cluster=vanda")).json == [{"name": "v"}]
    assert (await server.get("/api/queues")).body == (await server.get("/api/queues?cluster=hopper")).body
    assert (await server.get("/api/nodes?cluster=vanda")).json == []


# -- the headers


@pytest.mark.parametrize("path", LIVE)
async def test_every_live_answer_says_how_old_it_is(server: Served, path: str) -> None:
    """Every live endpoint tells the data's age and quality, and is to be asked again each time; on 304 too. A body that tells its age is in no
    cache.
    """
    answer = await server.get(path)
    again = await server.get(path, If_None_Match=answer.tag)

    assert (answer.status, again.status) == (200, 304)
    for headers in (answer.headers, again.headers):
        assert headers["X-Data-Age"] == "4.1"
        assert headers["X-Data-Quality"] == "live"
        assert headers["Cache-Control"] == ("no-store" if path == "/api/state" else "no-cache")
        assert headers["ETag"] == answer.tag
    assert answer.headers["Content-Type"] == "application/json"
    assert again.body == b""


async def test_age_and_quality_move_with_the_clock(server: Served) -> None:
    """The age grows and the quality turns without a new body: the tag stays."""
    before = await server.get("/api/nodes")
    server.clock.ms += 200_000

    after = await server.get("/api/nodes", If_None_Match=before.tag)
    assert (after.status, after.headers["X-Data-Age"], after.headers["X-Data-Quality"]) == (
        304,
        "204.1",
        "stale",
    )


@pytest.mark.parametrize("path", LIVE)
@pytest.mark.parametrize("known", ["{tag}", "W/{tag}", '"other", {tag}', '"a",W/{tag},"b"', "*"])
async def test_who_has_it_is_not_sent_it_again(server: Served, path: str, known: str) -> None:
    """If-None-Match is understood as one tag, a weak one, one of several, and a star."""
    tag = (await server.get(path)).tag

    assert (await server.get(path, If_None_Match=known.format(tag=tag))).status == 304


@pytest.mark.parametrize("known", ['"other"', "garbage", '""', 'W/"x", "y"'])
async def test_who_has_something_else_is_sent_it(server: Served, known: str) -> None:
    """An If-None-Match of other tags, or that is no tag, is answered in full."""
    assert (await server.get("/api/nodes", If_None_Match=known)).status == 200


async def test_a_tag_changes_only_with_what_is_shown(server: Served) -> None:
    """A change of the users changes the tags of what shows users, and no others."""
    before = {path: (await server.get(path)).tag for path in LIVE}
    server.publish({"users": {"ann": {"name": "ann", "runningJobs": 5}}})

    after = {path: (await server.get(path)).tag for path in LIVE}
    assert {path for path in LIVE if after[path] != before[path]} == {"/api/jobs", "/api/state"}
    assert after["/api/jobs"] == f'"{server.cursor}"'
    queues = await server.get("/api/state?topics=queues", If_None_Match=before["/api/state"])
    assert queues.status == 304


async def test_a_body_is_built_once_a_revision(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten readers of one revision cost one body; the next revision costs one more."""
    built = []
    make: Callable[..., Any] = shapes.nodes

    def counting(entities: Any) -> Any:
        built.append(1)
        return make(entities)

    monkeypatch.setattr(shapes, "nodes", counting)
    bodies = {(await server.get("/api/nodes")).body for _ in range(10)}
    assert (len(bodies), len(built)) == (1, 1)

    await server.ask("HEAD", "/api/nodes")
    await server.get("/api/nodes", If_None_Match="*")
    assert len(built) == 1

    server.publish({"nodes": {"a": node("a")}})
    assert [row["id"] for row in (await server.get("/api/nodes")).json] == ["a"]
    assert len(built) == 2


async def test_a_change_elsewhere_builds_nothing(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision that changed no queue does not make the queues' body again."""
    await server.get("/api/queues")
    server.publish({"users": {}})
    monkeypatch.setattr(shapes, "queues", None)

    assert (await server.get("/api/queues")).status == 200


@pytest.mark.parametrize("path", [*LIVE, "/api/health", "/api/analytics/jobs"])
async def test_head_is_get_without_a_body(server: Served, path: str) -> None:
    """HEAD has the headers of GET and no body."""
    got, head = await server.get(path), await server.ask("HEAD", path)

    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.body))
    assert head.headers.get("ETag") == got.headers.get("ETag")


# -- parts of it


async def test_pages_follow_each_other(real: Served) -> None:
    """Whoever follows `next` from the first page sees every node once, in order, and the way back and to both ends."""
    everything = (await real.get("/api/nodes")).json
    seen, path, pages = [], "/api/nodes?limit=20", []
    while path:
        answer = await real.get(path)
        assert answer.headers["X-Total-Count"] == "46"
        seen += answer.json
        links = {
            part.split("; rel=")[1].strip('"'): part.split(">")[0].lstrip("<")
            for part in answer.headers["Link"].split(", ")
        }
        pages.append(links)
        path = links.get("next", "")

    assert seen == everything
    assert [set(links) for links in pages] == [
        {"first", "next", "last"},
        {"first", "prev", "next", "last"},
        {"first", "prev", "last"},
    ]
    assert {links["first"] for links in pages} == {"/api/nodes?limit=20&offset=0"}
    assert {links["last"] for links in pages} == {"/api/nodes?limit=20&offset=40"}
    assert pages[1]["prev"] == "/api/nodes?limit=20&offset=0"


@pytest.mark.parametrize(
    ("query", "links"),
    [
        ("limit=3", {"first": 0, "last": 0}),
        ("limit=4", {"first": 0, "last": 0}),
        ("limit=1&offset=2", {"first": 0, "prev": 1, "last": 2}),
        ("limit=2&offset=1", {"first": 0, "prev": 0, "last": 2}),
        ("limit=2&name=none", {"first": 0, "last": 0}),
    ],
)
async def test_there_is_no_page_beyond_the_ends(server: Served, query: str, links: dict[str, int]) -> None:
    """No link leads beyond the last node or before the first, be the last page full or not."""
    header = (await server.get(f"/api/nodes?{query}")).headers["Link"]

    assert {
        part.split('rel="')[1].strip('"'): int(part.split("offset=")[1].split(">")[0].split("&")[0])
        for part in header.split(", ")
    } == links


async def test_links_keep_the_filters_and_stay_on_their_line(server: Served) -> None:
    """A link repeats the rest of the query, and nothing in it can end the link or the header."""
    answer = await server.get("/api/nodes?state=free,down&limit=1&x=%3E%0d%0aSet-Cookie:%20a%22")

    assert answer.headers["X-Total-Count"] == "2"
    assert "Set-Cookie" not in answer.headers
    first = answer.headers["Link"].split(", ")[0]
    assert first == '</api/nodes?state=free,down&limit=1&x=%3E%0D%0ASet-Cookie:+a%22&offset=0>; rel="first"'


async def test_without_a_limit_there_are_no_pages(server: Served) -> None:
    """Without `limit` everything comes at once, from `offset` on, and without links."""
    answer = await server.get("/api/nodes")
    assert ([row["id"] for row in answer.json], answer.headers["X-Total-Count"]) == (
        ["gn-1", "hopper-01", "hopper-02"],
        "3",
    )
    assert "Link" not in answer.headers
    assert [row["id"] for row in (await server.get("/api/nodes?offset=2")).json] == ["hopper-02"]
    beyond = await server.get("/api/nodes?offset=99&limit=1")
    assert (beyond.status, beyond.json, beyond.headers["X-Total-Count"]) == (200, [], "3")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("state=free", ["hopper-02"]),
        ("state=free,busy", ["hopper-01", "hopper-02"]),
        ("state=free&state=down", ["gn-1", "hopper-02"]),
        ("state=unknown", []),
        ("name=hopper-*", ["hopper-01", "hopper-02"]),
        ("name=gn-?,*-02", ["gn-1", "hopper-02"]),
        ("name=hopper", []),
        ("name=hopper-*&state=busy", ["hopper-01"]),
        ("name=*", ["gn-1", "hopper-01", "hopper-02"]),
        ("limit=1&offset=1", ["hopper-01"]),
        ("limit=100000", ["gn-1", "hopper-01", "hopper-02"]),
    ],
)
async def test_nodes_can_be_filtered(server: Served, query: str, ids: list[str]) -> None:
    """`state` and `name` choose nodes, several of each if asked, before the pages are cut."""
    assert [row["id"] for row in (await server.get(f"/api/nodes?{query}")).json] == ids


async def test_jobs_can_be_limited(server: Served) -> None:
    """`limit` cuts the users of `/api/jobs` and nothing else."""
    body = (await server.get("/api/jobs?limit=1")).json

    assert body["byUser"] == [{"user": "ann", "count": 1}]
    assert len(body["byQueue"]) == 2


# -- asked wrongly


@pytest.mark.parametrize(
    ("query", "named"),
    [
        *((f"limit={text}", "limit must be a whole number from 1 to 100000") for text in ("-1", "0", "abc")),
        *(
            (f"limit={text}", "limit must be")
            for text in ("", "1.5", "100001", "9" * 5000, "%D9%A3", "1e3", "+1", "%00")
        ),
        ("offset=-1", "offset must be a whole number from 0 to 100000"),
        ("offset=x", "offset must be"),
        ("state=bogus", "state must be one of free, busy, offline, down, unknown, not 'bogus'"),
        ("state=free,Busy", "not 'Busy'"),
        ("name=" + "x" * 129, "a glob has 1 to 128 printable characters"),
        ("name=a%0ab", "a glob has 1 to 128 printable characters"),
        ("name=" + ",".join(f"n{number}" for number in range(33)), "33 globs; allowed: at most 32"),
    ],
)
async def test_bad_parameters_are_named(server: Served, query: str, named: str) -> None:
    """A parameter that cannot be served is a 400 that names it and what is allowed, whatever its length."""
    answer = await server.get(f"/api/nodes?{query}")

    assert answer.status == 400
    assert named in answer.json["detail"]
    assert answer.json["error"] == answer.json["detail"]
    assert len(answer.body) < 1000


@pytest.mark.parametrize(
    "path", ["/api/jobs?limit=0", "/api/state?topics=jobs", "/api/state?nodes=" + "x" * 129]
)
async def test_other_endpoints_name_bad_parameters_too(server: Served, path: str) -> None:
    """`limit` of the jobs and the view of the state are checked like those of the nodes."""
    answer = await server.get(path)

    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("path", [*LIVE, "/api/analytics/jobs", "/api/changes", "/api/events"])
async def test_an_unknown_cluster_is_not_found(server: Served, path: str) -> None:
    """Asking for a cluster that is not watched is a 404 that lists those that are, on every endpoint."""
    answer = await server.get(f"{path}?cluster=%3Cb%3E")

    assert (answer.status, answer.json["code"]) == (404, "unknown_cluster")
    assert answer.json["detail"] == "unknown cluster '<b>'; allowed: hopper"


@pytest.mark.parametrize(
    "name",
    [
        "hopper-99",
        "a/b",
        "../nodes",
        "'\"",
        "nœud-日本",
        "<script>alert(1)</script>",
        "%",
        "x" * 4000,
        "a\r\nB: c",
    ],
)
async def test_an_unknown_node_is_not_found(server: Served, name: str) -> None:
    """A node that is not there is a 404 problem, however its name is spelt; no name reaches another route, a header or a page."""
    answer = await server.get(f"/api/nodes/{quote(name, safe='')}")

    assert (answer.status, answer.json["code"]) == (404, "unknown_node")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["detail"] == f"cluster hopper has no node {name[:64]!r}"
    assert "B" not in answer.headers


async def test_a_node_of_a_hostile_name_is_found(server: Served) -> None:
    """A node is found by its exact name, also one that needs escaping."""
    name = "a/b ☃\"'%2F"
    server.publish({"nodes": {name: node(name)}})

    assert (await server.get(f"/api/nodes/{quote(name, safe='')}")).json["id"] == name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/jobs/187566.hopper-m-02"),
        ("DELETE", "/api/jobs/187566.hopper-m-02"),
        ("POST", "/api/jobs/187566.hopper-m-02/hold"),
        ("POST", "/api/jobs/187566.hopper-m-02/release"),
        ("GET", "/api/jobs/1%5B%5D.x"),
    ],
)
async def test_single_jobs_are_not_implemented(server: Served, method: str, path: str) -> None:
    """What concerns a single job is a 501 that names the four commands which can do it."""
    answer = await server.ask(method, path)

    assert (answer.status, answer.json["title"]) == (501, "Not Implemented")
    assert answer.json["detail"].startswith(f"{method} /api/jobs/1")
    assert all(word in answer.json["error"] for word in ("qstat", "qdel", "qhold", "qrls"))


@pytest.mark.parametrize("path", [*LIVE, "/api/changes?wait=0"])
async def test_before_there_is_data_it_says_so(serve: Serve, path: str) -> None:
    """Before the first poll every live endpoint is a 503 with Retry-After, never an empty cluster."""
    server = await serve()

    answer = await server.get(path)
    assert (answer.status, answer.json["code"]) == (503, "no_data_yet")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["detail"] == "no data of cluster hopper yet"
    assert "ETag" not in answer.headers


async def test_before_there_is_data_it_says_why(serve: Serve) -> None:
    """The 503 repeats what the poller noted as its problem."""
    server = await serve()
    server.hub.freshen(Freshness(problem="the source does not answer", reachable=False))

    answer = await server.get("/api/nodes", If_None_Match="*")
    assert answer.status == 503
    assert answer.json["detail"] == "no data of cluster hopper yet: the source does not answer"


async def test_an_empty_cluster_is_an_answer(serve: Serve) -> None:
    """A cluster of which nothing is known but that it is there answers with what is empty, and invents no numbers."""
    server = await serve()
    server.publish({})

    assert (await server.get("/api/nodes")).json == []
    assert (await server.get("/api/queues")).json == []
    assert (await server.get("/api/jobs")).json == {"summary": {}, "byUser": [], "byQueue": []}
    assert (await server.get("/api/stats/cluster")).json == {}
