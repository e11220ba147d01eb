"""What the documents say is what the code does: keys, routes, messages, fields, and every snippet."""

import ast
import asyncio
import inspect
import json
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from textwrap import dedent
from typing import Any, Final
from urllib.request import urlopen

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

import realtime
from realtime import errors
from realtime.cli import app
from realtime.config import Cluster, Settings
from realtime.loading import load
from realtime.pbs.faults import SENTENCES
from realtime.state.freshness import Quality
from realtime.state.store import Store
from realtime.state.view import TOPICS
from realtime.stream import messages
from realtime.web.routes import ROUTES
from tests.command import PATIENCE_SECONDS, Running, serving, until_ready
from tests.node import node, run_node
from tests.upstream import free_port

ROOT: Final = Path(realtime.__file__).parents[1]
EXAMPLE: Final = ROOT / "config" / "realtime.example.yaml"
README: Final = (ROOT / "README.md").read_text()
PROTOCOL: Final = (ROOT / "docs" / "protocol.md").read_text()
CLIENT: Final = (ROOT / "docs" / "client.md").read_text()
MODULE: Final = ROOT / "realtime" / "dashboard" / "src" / "realtime-client.js"

ADDRESS: Final = "localhost:3001"
"""Where the documents' snippets expect a server."""

CLOSE_CODES: Final = (1000, 1001, 1002, 1007, 1009, 1012, 1013, 4000, 4001, 4002, 4500, 4501, 4503, 4504)

DOCUMENTS: Final = [
    path.relative_to(ROOT).as_posix()
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
]

SETTING: Final = re.compile(r"^#(?=\S|  )", re.MULTILINE)
"""What makes a line of the example a comment that is a setting, not a sentence."""

Follow = Callable[[str], Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A demo that changes ten times a second."""
    folder = tmp_path_factory.mktemp("demo")
    with serving("demo", "--port", "0", folder=folder, POLL_INTERVAL_SECONDS="0.1") as server:
        until_ready(server.url)
        yield server


@pytest.fixture
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine's."""
    for name in [*Settings.model_fields]:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def uncommented() -> dict[str, Any]:
    """The example with every setting set."""
    content = yaml.safe_load(SETTING.sub("", EXAMPLE.read_text()))
    assert isinstance(content, dict)
    return content


def plain(value: object) -> object:
    """A default as YAML holds it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return list(value) if isinstance(value, tuple) else value


# -- the example of the configuration


@pytest.mark.parametrize("key", Settings.model_fields)
def test_every_key_is_in_the_example_at_its_default(key: str) -> None:
    """The example has every key, with its true default, below a sentence of its own or its group's."""
    content = uncommented()

    assert key in content
    if key != "clusters":
        assert content[key] == plain(Settings.model_fields[key].default)
    assert re.search(rf"^# .+\n(#\S.*\n)*#{key}:", EXAMPLE.read_text(), re.MULTILINE)


def test_the_example_has_no_other_key() -> None:
    """What the example sets, the server reads."""
    assert set(uncommented()) == set(Settings.model_fields)


@pytest.mark.parametrize("key", [key for key in Cluster.model_fields if key != "name"])
def test_every_key_of_a_cluster_is_in_the_example_at_its_default(key: str) -> None:
    """The example's first cluster has every key, with its true default."""
    assert uncommented()["clusters"][0][key] == plain(Cluster.model_fields[key].default)


@pytest.mark.usefixtures("nothing_configured")
def test_the_example_changes_nothing() -> None:
    """The file as it stands configures what no file does."""
    assert load(EXAMPLE).model_dump() == load().model_dump()


@pytest.mark.usefixtures("nothing_configured")
def test_the_example_with_every_setting_loads(tmp_path: Path) -> None:
    """With every line uncommented it is the default configuration with two clusters."""
    path = tmp_path / "all.yaml"
    path.write_text(SETTING.sub("", EXAMPLE.read_text()))

    settings = load(path)

    assert settings.model_dump(exclude={"clusters"}) == load().model_dump(exclude={"clusters"})
    assert [cluster.name for cluster in settings.feeds] == ["hopper", "vanda"]


# -- the README


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_in_the_readme(route: Any) -> None:
    """The table of endpoints is the table of URLs."""
    assert f"`{route.method} {route.path}`" in README


def test_the_readme_has_no_other_route() -> None:
    """An endpoint that the README lists is there."""
    listed = set(re.findall(r"`((?:GET|POST|PUT|DELETE) /\S*)`", README))

    assert listed == {f"{route.method} {route.path}" for route in ROUTES}


def test_every_variable_in_the_readme_is_a_key() -> None:
    """The README's table of variables names keys, with their true defaults where it tells any."""
    section = README[README.index("\n## Configuration") : README.index("\n## Moving over")]
    rows = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| ([^|]*) \|", section, re.MULTILINE)

    assert rows
    for names, defaults in rows:
        keys = [name.lower() for name in re.findall(r"`(\w+)`", names)]
        assert set(keys) <= Settings.model_fields.keys()
        told = re.findall(r"`([^`]*)`", defaults)
        assert [yaml.safe_load(text) for text in told] == [default(key) for key in keys][: len(told)]
        assert told or not any(default(key) for key in keys)


def default(key: str) -> object:
    """A key's default as the README's table writes it."""
    value = plain(Settings.model_fields[key].default)
    return ",".join(value) if isinstance(value, list) else value


def test_every_command_is_in_the_readme() -> None:
    """The README's table of commands is that of the command line."""
    names = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }

    assert set(re.findall(r"^\| `realtime (\w+)` \|", README, re.MULTILINE)) == names


def test_every_make_target_in_the_readme_exists() -> None:
    """What the README says to make can be made."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"\bmake ([a-z]+)\b", README))

    assert {"demo", "test", "setup", "check"} <= told <= targets


@pytest.mark.parametrize("block", blocks(README, "yaml"))
@pytest.mark.usefixtures("nothing_configured")
def test_the_readmes_configuration_loads(block: str, tmp_path: Path) -> None:
    """The README's file is a configuration."""
    path = tmp_path / "readme.yaml"
    path.write_text(block)

    assert [cluster.prometheus_timeout for cluster in load(path).feeds] == [5_000, 5_000]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """A link to a file of the project leads to one, and to a heading that is there."""
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text())
    for file, anchor in links:
        target = (path.parent / file) if file else path
        assert target.exists(), file
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_document_is_in_the_readme() -> None:
    """Whoever has the README finds every other document."""
    linked = re.findall(r"\]\(([^)#]*\.md)", README)

    assert {name for name in DOCUMENTS if Path(name).parent == Path("docs")} <= set(linked)


# -- the protocol


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_in_the_protocol(topic: str) -> None:
    """Each topic has a section."""
    assert f"### `{topic}`\n" in PROTOCOL


def test_every_message_is_in_the_protocol() -> None:
    """Each type of message that the server can say has a heading and an example."""
    source = ast.parse(inspect.getsource(messages))
    types = {
        str(node.args[0].value)
        for node in ast.walk(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Message"
        and isinstance(node.args[0], ast.Constant)
    }
    headings = " ".join(re.findall(r"^### (.*)$", PROTOCOL, re.MULTILINE))

    assert {"hello", "snapshot", "diff", "heartbeat", "bye", "error", "pong"} <= types
    for kind in types:
        assert f"`{kind}`" in headings
        assert f'{{"type":"{kind}"' in PROTOCOL


def test_every_reason_is_in_the_protocol() -> None:
    """Each reason for a snapshot has a row."""
    reasons = {
        node.value
        for each in ast.walk(ast.parse(dedent(inspect.getsource(Store.why_snapshot))))
        if isinstance(each, ast.Return)
        for node in ast.walk(each)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert reasons == {"new", "epoch", "horizon"}
    for reason in reasons:
        assert f"\n| `{reason}` |" in PROTOCOL


@pytest.mark.parametrize("quality", Quality)
def test_every_quality_is_in_the_protocol(quality: Quality) -> None:
    """Each word for the data's quality has a row."""
    assert f"\n| `{quality.value}` |" in PROTOCOL


@pytest.mark.parametrize("code", CLOSE_CODES)
def test_every_close_code_is_in_the_protocol(code: int) -> None:
    """Each close code has a row, which says whether to come back by the rule of its number."""
    row = re.search(rf"^\| {code} \| [^|]* \| ([^|]*) \|", PROTOCOL, re.MULTILINE)

    assert row
    assert row[1].startswith("no") == (code >= 4500)


def test_every_close_code_in_the_code_is_documented() -> None:
    """A close code that the code names is one of those that are documented."""
    named = {
        node.value.value
        for path in (ROOT / "realtime").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, int)
        and (4000 <= node.value.value < 5000 or 1001 <= node.value.value < 1016)
    }

    assert {messages.RESTART, 4501} <= named <= set(CLOSE_CODES)


def test_every_error_code_is_in_the_protocol() -> None:
    """Each code of an error, on HTTP or on a stream, has a row; and none is made up."""
    said = set()
    for path in (ROOT / "realtime").rglob("*.py"):
        text = path.read_text()
        said.update(re.findall(r"(?:RequestError|messages\.error)\(\s*\"(\w+)\"", text))
        said.update(re.findall(r"\bcode=\"(\w+)\"", text))
        said.update(re.findall(r"Refusal\(\s*[\w.]+,\s*[\w.]+,\s*\"(\w+)\"", text))
    table = PROTOCOL[PROTOCOL.index("\n## Errors") : PROTOCOL.index("\n## Close codes")]

    assert "no_data_yet" in said
    assert set(re.findall(r"^\| `(\w+)` \| (?!status)", table, re.MULTILINE)) == said


@pytest.mark.parametrize("code", SENTENCES)
def test_every_fault_of_an_exporter_is_in_the_protocol(code: str) -> None:
    """Each fault that an exporter may have has a row in its topic's section."""
    assert f"\n| `{code}` |" in PROTOCOL.split("### `source`\n")[1].split("\n### ")[0]


def test_every_fault_of_polling_is_in_the_readme() -> None:
    """Each fault that polling may have is named where an operator looks."""
    codes = {
        error.code
        for _, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, errors.SourceError)
    }

    assert "POLL_FAILED" in codes
    for code in codes:
        assert f"`{code}`" in README


def test_every_field_of_the_state_is_in_the_protocol(demo: Running) -> None:
    """Whatever field a real state has, its topic's section tells."""
    with urlopen(f"{demo.url}/api/state", timeout=PATIENCE_SECONDS) as answer:
        state = json.load(answer)["state"]
    for topic, entities in state.items():
        section = PROTOCOL.split(f"### `{topic}`\n")[1].split("\n### ")[0].split("\n## ")[0]
        for key, entity in entities.items():
            assert topic != "summary" or re.search(rf"^\| [^|]*`{key}`", section, re.MULTILINE)
            for field in entity:
                assert f"`{field}`" in section, f"{topic}: {field}"


@pytest.mark.parametrize("block", blocks(PROTOCOL, "json"))
def test_examples_are_json(block: str) -> None:
    """Each line of an example is JSON."""
    for line in block.splitlines():
        assert isinstance(json.loads(line), dict)


# -- the wall display


KIOSK: Final = (ROOT / "docs" / "kiosk.md").read_text()
PAGES: Final = ROOT / "realtime" / "dashboard" / "src"


def test_the_address_of_a_wall_is_documented() -> None:
    """Each parameter of a wall display's address has a row, each page too, and nothing else has one."""
    (known,) = re.findall(
        r"^const KNOWN = (\[.*\]);$", (PAGES / "kiosk" / "address.js").read_text(), re.MULTILINE
    )
    pages = (
        (PAGES / "kiosk" / "pages.js").read_text().partition("export const PAGES = {")[2].partition("};")[0]
    )

    parameters = KIOSK.partition("\n## The address")[2].partition("\n## ")[0]
    shown = KIOSK.partition("\n## What it shows")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", parameters, re.MULTILINE)) == set(json.loads(known))
    assert re.findall(r"^\| `(\w+)` \|", shown, re.MULTILINE) == re.findall(r"^  (\w+):", pages, re.MULTILINE)


def test_every_word_on_a_wall_is_documented() -> None:
    """Each word for what to make of the numbers is in the wall display's document."""
    kinds = (PAGES / "freshness.js").read_text().partition("export const KINDS = {")[2].partition("};")[0]

    words = re.findall(r"word: \"([^\"]+)\"", kinds)
    assert "live" in words
    for word in words:
        assert f"`{word}`" in KIOSK


# -- snippets that run


CURLS: Final = [
    line
    for document in (README, PROTOCOL)
    for block in blocks(document, "sh")
    for line in block.splitlines()
    if line.startswith("curl ")
]


@pytest.mark.parametrize("line", CURLS)
def test_curl_is_answered(line: str, demo: Running) -> None:
    """Every `curl` of the documents is answered with data; those that listen hear messages until they stop."""
    assert ADDRESS in line
    command = line.replace(ADDRESS, demo.url.removeprefix("http://"))
    command = command.replace("curl ", "curl --silent --show-error --fail --max-time 1 ", 1)
    heard = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )

    if "/api/events" in line:
        assert heard.returncode == 28, heard.stderr  # time is up: the stream had not ended
        for kind in ("hello", "snapshot", "heartbeat", "diff"):
            assert f"event: {kind}\n" in heard.stdout
    else:
        assert heard.returncode == 0, heard.stderr
        assert json.loads(heard.stdout.splitlines()[-1])


@pytest.mark.parametrize("block", [*blocks(PROTOCOL, "js"), *blocks(CLIENT, "js")])
def test_javascript_is_javascript(block: str, tmp_path: Path) -> None:
    """Every snippet in JavaScript is a module that could be loaded."""
    (tmp_path / "snippet.mjs").write_text(block)

    run_node("--check", "snippet.mjs", folder=tmp_path)


def test_the_javascript_client_hears_the_server(demo: Running, tmp_path: Path) -> None:
    """The snippet for Node.js, with the module that the server serves, tells of a snapshot and of diffs."""
    (block,) = (block for block in blocks(CLIENT, "js") if "console.log" in block)
    with urlopen(f"{demo.url}/client.js", timeout=PATIENCE_SECONDS) as answer:
        (tmp_path / "client.js").write_bytes(answer.read())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "snippet.js").write_text(block.replace(f"http://{ADDRESS}", demo.url))
    with subprocess.Popen(
        [node(), "snippet.js"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(4)]
        process.kill()

    told = r" [0-9a-f]+-\d+: \d+ jobs run, \d+ wait; by \w+\n"
    assert re.fullmatch(f"snapshot{told}(diff{told}){{3}}", "".join(heard))


def test_react_renders_what_changed(tmp_path: Path) -> None:
    """The snippet for React gives a component its own part of the state, and asks it again when something has changed."""
    (block,) = (block for block in blocks(CLIENT, "js") if "react" in block)
    (tmp_path / "realtime-client.mjs").write_text(MODULE.read_text())
    (tmp_path / "react.mjs").write_text(REACT)
    (tmp_path / "snippet.mjs").write_text(
        block.replace('"react"', '"./react.mjs"').replace("client.js", "client.mjs") + USE
    )

    assert run_node("snippet.mjs", folder=tmp_path).splitlines() == [
        "undefined connecting",
        "free connecting",
    ]


REACT: Final = """
export function useSyncExternalStore(subscribe, snapshot) {
  return { now: snapshot, leave: subscribe(() => globalThis.render?.()) };
}
"""
"""The part of React's contract that the snippet uses."""

USE: Final = """
const [node, status] = [useNode("n1"), useStatus()];
globalThis.render = () => console.log(node.now()?.state, status.now().link);
render();
feed.state = { nodes: { n1: { state: "free" } } };
feed.dispatchEvent(new Event("change"));
node.leave();
feed.dispatchEvent(new Event("change"));
process.exit();
"""


@pytest.fixture
def follow() -> Follow:
    """The protocol's client in Python."""
    (block,) = blocks(PROTOCOL, "python")
    namespace: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(block, "docs/protocol.md", "exec"), namespace)
    found: Follow = namespace["follow"]
    return found


async def test_the_python_client_holds_what_the_server_has(follow: Follow, demo: Running) -> None:
    """The protocol's client, after a snapshot and some diffs, holds the state that the server tells."""
    diffs = 0
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(follow(f"{demo.url}/api/ws")) as told:
        async for message, state in told:
            diffs += message["type"] == "diff"
            if diffs < 5:
                continue
            now = await state_of(demo)
            if now["cursor"] == message.get("cursor"):
                assert now["state"] == state
                return


async def test_the_python_client_survives_a_restart(follow: Follow, tmp_path: Path) -> None:
    """After a restart the protocol's client comes back by itself and gets a snapshot, since the epoch is another."""
    port = str(free_port())
    told = follow(f"http://localhost:{port}/api/ws")
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(told):
        for reason in ("new", "epoch"):
            with serving(
                "demo", "--port", port, "--nodes", "4", folder=tmp_path, RETRY_MAX_MS="1000"
            ) as server:
                assert (await next_of(told, "snapshot"))["reason"] == reason
                server.process.terminate()
                assert (await next_of(told, "bye"))["code"] == messages.RESTART


async def test_the_python_client_begins_anew_by_another_login(follow: Follow) -> None:
    """Where `hello` lists other topics than before, the protocol's client forgets what it holds, and comes back without its cursor."""
    asked: list[str | None] = []

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        asked.append(request.query.get("since"))
        people = ["users"] if len(asked) == 1 else []
        await socket.send_json({"type": "hello", "heartbeatSeconds": 1, "topics": ["nodes", *people]})
        if asked[-1] is None:
            state = {topic: {"n": {"name": "n"}} for topic in ("nodes", *people)}
            await socket.send_json({"type": "snapshot", "cursor": f"e-{len(asked)}", "state": state})
        await socket.send_json({"type": "bye", "code": 1012, "retryMs": 1})
        await socket.close()
        return socket

    site = web.Application()
    site.router.add_get("/api/ws", answer)
    held: list[tuple[str, list[str]]] = []
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        TestServer(site) as server,
        aclosing(follow(str(server.make_url("/api/ws")))) as told,
    ):
        while len(asked) < 3 or held[-1][0] != "snapshot":
            message, state = await anext(told)
            held.append((message["type"], sorted(state)))

    assert asked == [None, "e-1", None]
    both = ["nodes", "users"]
    assert held == [("hello", []), ("snapshot", both), ("bye", both), ("hello", []), ("snapshot", ["nodes"])]


def test_the_javascript_client_begins_anew_by_another_login(tmp_path: Path) -> None:
    """So does the protocol's client in JavaScript."""
    (block,) = (block for block in blocks(PROTOCOL, "js") if "function follow" in block)
    (tmp_path / "snippet.mjs").write_text(block + ANOTHER_LOGIN)

    assert run_node("snippet.mjs", folder=tmp_path).splitlines() == [
        "ws://server/api/ws",
        "hello {}",
        'snapshot {"nodes":{},"users":{}}',
        "ws://server/api/ws?since=e-1",
        "ws://server/api/ws",
        "hello {}",
    ]


ANOTHER_LOGIN: Final = """
const links = [];
globalThis.setTimeout = (run, ms) => { if (run.name === "connect") queueMicrotask(run); };
globalThis.clearTimeout = () => {};
globalThis.WebSocket = class {
  constructor(url) { console.log(url); links.push(this); }
  close() {}
};
const say = (message) => links.at(-1).onmessage?.({ data: JSON.stringify({ heartbeatSeconds: 1, ...message }) });
const turn = () => new Promise(setImmediate);
follow("ws://server/api/ws", ({ type }, state) => console.log(type, JSON.stringify(state)));
say({ type: "hello", topics: ["nodes", "users"] });
say({ type: "snapshot", cursor: "e-1", state: { nodes: {}, users: {} } });
links.at(-1).onclose({ code: 1006 });
await turn();
say({ type: "hello", topics: ["nodes"] });
say({ type: "diff", from: "e-1", cursor: "e-2", patch: {} });
await turn();
say({ type: "hello", topics: ["nodes"] });
await turn();
"""
"""A browser whose cookie becomes another login's while it is away."""


async def next_of(told: AsyncIterator[tuple[dict[str, Any], Any]], kind: str) -> dict[str, Any]:
    async for message, _ in told:
        if message["type"] == kind:
            return message
    raise AssertionError("the client gave up")


async def state_of(server: Running) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        with urlopen(f"{server.url}/api/state", timeout=PATIENCE_SECONDS) as answer:
            state: dict[str, Any] = json.load(answer)
            return state

    return await asyncio.to_thread(read)


def test_every_fault_that_is_documented_is_in_a_test() -> None:
    """Each row of docs/resilience.md names a file of tests, where it is; and each file that injects faults is named."""
    told = (ROOT / "docs" / "resilience.md").read_text()
    rows = re.findall(r"^\| .*\|$", told, re.MULTILINE)
    faults = [row for row in rows if not row.startswith("| what happens ")]
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", told))
    files = {ROOT / ("" if "/" in name else "tests/resilience") / name for name in named}
    there = set((ROOT / "tests" / "resilience").glob("test_*.py"))

    assert len(faults) > 30
    for row in faults:
        assert re.search(r"`(?:\w+/)*test_\w+\.py`[^|]*\|$", row), row
    assert {path.name for path in there - files} == {"test_oracle.py", "test_soak.py"}
    assert [path for path in files if not path.exists()] == []
