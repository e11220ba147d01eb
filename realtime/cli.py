"""`realtime serve | demo | simulate | check | token new | version`.

The web stack is imported by the commands that need it: `realtime --help` answers at once.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from realtime import __version__, logs
from realtime.clock import now_ms
from realtime.config import Cluster, Settings
from realtime.errors import ConfigError, HostError, SourceError
from realtime.files import allow_many_connections, within
from realtime.loading import load
from realtime.pbs.summary import STATES
from realtime.process import cannot_listen, loop_factory, told_to_stop

if TYPE_CHECKING:
    from realtime.app import MakeSource
    from realtime.check import Finding
    from realtime.source.source import Source

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file; see config/realtime.example.yaml.", dir_okay=False),
]
Port = Annotated[int | None, typer.Option("--port", "-p", min=0, max=65_535, help="Instead of API_PORT.")]
Nodes = Annotated[int, typer.Option(min=1, max=50_000, help="Simulated nodes.")]
Seed = Annotated[int, typer.Option(help="Another seed is another cluster.")]
Pace = Annotated[float, typer.Option(min=0.0001, max=1.0, help="Share of the nodes that change each time.")]

T = TypeVar("T")

console = Console(stderr=True, highlight=False)


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def realtime(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Live state of PBS Pro clusters, from VictoriaMetrics to every screen."""


@app.command()
def serve(config: Config = None, port: Port = None) -> None:
    """Serve the configured clusters."""
    settings = _settings(config, port)
    _run(_serve(settings), settings.event_loop)


@app.command()
def demo(
    config: Config = None, port: Port = None, nodes: Nodes = 46, seed: Seed = 1, pace: Pace = 0.05
) -> None:
    """Serve a simulated cluster that needs nothing else."""
    from realtime.source.simulator import SimulatedCluster, SimulatedSource

    # What the operator says of the source, of the encoding of its states above all, is not true of a simulated one.
    defaults = Cluster(name="hopper").model_dump(exclude={"name"})
    settings = _settings(config, port, cluster_name="hopper", clusters=(), **defaults)

    def simulated(_: Cluster, __: Settings) -> SimulatedSource:
        cluster = SimulatedCluster(nodes, seed=seed, pace=pace)
        cluster.live_through(30 * 86_400, now_ms())
        return SimulatedSource(cluster, now_ms=now_ms)

    _run(_serve(settings, simulated), settings.event_loop)


@app.command()
def simulate(  # noqa: PLR0917 — typer passes them by name
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65_535, help="As pbs-exporter.")] = 8888,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "localhost",
    nodes: Nodes = 46,
    seed: Seed = 1,
    pace: Pace = 0.05,
    tick_seconds: Annotated[
        float, typer.Option(min=0.05, max=3600, help="How often the exporter runs PBS's commands.")
    ] = 15.0,
) -> None:
    """Serve a simulated cluster's metrics for a VictoriaMetrics to scrape."""
    from aiohttp import web

    from realtime.source.simulator import SimulatedCluster, simulated_exporter

    async def exporting() -> None:
        stop = told_to_stop()
        cluster = SimulatedCluster(nodes, seed=seed, pace=pace)
        runner = web.AppRunner(simulated_exporter(cluster, tick_seconds=tick_seconds), access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                raise cannot_listen(f"--host {host} --port {port}", error) from None
            console.print(f"simulated pbs-exporter: http://{host}:{runner.addresses[0][1]}/metrics")
            await stop.wait()
        finally:
            await runner.cleanup()

    logs.to_stderr("info")
    _run(exporting())


@app.command()
def check(config: Config = None) -> None:
    """Say what a server would find; exit with 1 if it could not serve."""
    from realtime.app import policy
    from realtime.check import inspect
    from realtime.state.freshness import Freshness
    from realtime.web.access import proofs_of
    from realtime.web.certificate import tls

    settings = _settings(config, None)

    async def checking() -> bool:
        # Files that would end the start of a server end this, too.
        proofs_of(settings)
        tls(settings)
        good = True
        for cluster in await _clusters(settings):
            async with _opened(cluster, settings) as source:
                finding = await inspect(
                    cluster.name,
                    source,
                    policy(cluster, settings),
                    stale_after_seconds=Freshness().stale_after_ms(settings.stale_after_seconds * 1000)
                    / 1000,
                    now_ms=now_ms(),
                )
            _tell(finding)
            good = good and not finding.faults
        return good

    if not _run(checking()):
        raise typer.Exit(1)


tokens = typer.Typer(help="Tokens, where `auth` is `tokens`.", no_args_is_help=True)
app.add_typer(tokens, name="token")


@tokens.command("new")
def new(
    role: Annotated[str, typer.Option(help="kiosk (no names of users), viewer, or admin.")] = "viewer",
    name: Annotated[str, typer.Option(help="Whose it is, for the log.")] = "",
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="When it ends; left out: never.")
    ] = None,
) -> None:
    """Make a token: itself, shown only now, and the line that lets it in."""
    from realtime.web.caller import Role
    from realtime.web.tokens import line_of, new_token

    if role not in list(Role):
        raise typer.BadParameter(f"one of {', '.join(Role)}", param_hint="--role")
    token = new_token()
    until = None if days is None else datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    console.print("the token, for who is to have it:")
    typer.echo(token)
    console.print("its line, for the file that auth_tokens_file names:")
    typer.echo(line_of(token, Role(role), name=name, until=until))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@asynccontextmanager
async def _opened(cluster: Cluster, settings: Settings) -> "AsyncIterator[Source]":
    from realtime.app import victoria

    source = victoria(cluster, settings)
    try:
        yield source
    finally:
        await source.close()


async def _clusters(settings: Settings) -> Sequence[Cluster]:
    """The clusters that a server would serve: configured, or found in the data."""
    from realtime.source.census import split

    (first, *_) = settings.feeds
    if not settings.looks_for_clusters:
        return settings.feeds
    async with _opened(first, settings) as source:
        try:
            return split(first, await source.groups()) or settings.feeds
        except SourceError:
            return settings.feeds  # whose own inspection says what is wrong


def _tell(finding: "Finding") -> None:
    """One cluster's findings, for a tired operator: the verdict first, then what to do."""
    out = Console(highlight=False)
    good, bad = ("can be served", "green"), ("cannot be served", "red")
    _line(out, finding.cluster, "bold", ": ", bad if finding.faults else good)
    if finding.age_seconds is not None:
        nodes, jobs = finding.summary["nodes"], finding.summary["jobs"]
        _line(
            out,
            "  series   ",
            "",
            f"{finding.series}, the newest sample {max(0.0, finding.age_seconds):.0f} s old",
        )
        for name, source in finding.sources.items():
            told = f"{name}: node states as of dialect {source['dialect']}, told by {source['decidedBy']}"
            _line(out, "  exporter ", "", told)
        states = ", ".join(f"{nodes[state]} {state}" for state in STATES if nodes.get(state))
        _line(out, "  nodes    ", "", f"{nodes.get('total', 0)}" + (f": {states}" if states else ""))
        counts = ", ".join(f"{jobs.get(state, '?')} {state}" for state in ("running", "queued", "held"))
        _line(out, "  jobs     ", "", counts)
        _line(
            out, "  queues   ", "", f"{finding.topics['queues']}, users with jobs {finding.topics['users']}"
        )
    for fault in finding.faults:
        _line(out, "  fault    ", "red", fault)
    for warning in finding.warnings:
        _line(out, "  look at  ", "yellow", warning)


def _line(out: Console, label: str, style: str, *texts: str | tuple[str, str]) -> None:
    """Print a line; what comes from elsewhere is text, whatever markup or control characters it holds."""
    line = Text.assemble((label, style), *texts)
    line.plain = "".join(letter if letter.isprintable() else "�" for letter in line.plain)
    out.print(line, soft_wrap=True)


async def _serve(settings: Settings, make_source: "MakeSource | None" = None) -> None:
    from realtime.app import serving, victoria

    stop = told_to_stop()
    settings = within(settings, allow_many_connections())
    async with serving(settings, make_source or victoria):
        await stop.wait()


def _settings(config: Path | None, port: int | None, **given: Any) -> Settings:
    if port is not None:
        given["api_port"] = port
    try:
        settings = load(config, **given)
    except ConfigError as error:
        _fail(error)
    logs.to_stderr(settings.log_level, settings.log_format)
    return settings


def _run(work: Coroutine[Any, Any, T], event_loop: str = "asyncio") -> T:
    try:
        with asyncio.Runner(loop_factory=loop_factory(event_loop)) as runner:
            return runner.run(work)
    except (ConfigError, HostError) as error:
        _fail(error)


def _fail(error: ConfigError | HostError) -> NoReturn:
    """End with 2 if another start would end no better, else with 1: config/realtime.service starts again by that."""
    label, status = ("configuration: ", 2) if isinstance(error, ConfigError) else ("this host: ", 1)
    for line in str(error).splitlines():
        _line(console, label, "red", line)
    raise typer.Exit(status)
