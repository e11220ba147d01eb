import json
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realtime import __version__
from tests.command import STOP_SECONDS, run, serving, until_ready
from tests.upstream import VictoriaMetrics

LABEL_LIKE_MARKUP = "[red]pbs[/green]"


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of localhost that somebody listens on."""
    with socket.create_server(("localhost", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of localhost that is ours, and nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("command", ["serve", "demo", "simulate", "check", "version"])
def test_help_lists_every_command(command: str, tmp_path: Path) -> None:
    """`--help` names each command and ends with 0."""
    said = run("--help", folder=tmp_path)

    assert said.code == 0
    assert f" {command} " in said.stdout


@pytest.mark.parametrize("command", ["serve", "demo", "simulate", "check", "version"])
def test_each_command_explains_itself(command: str, tmp_path: Path) -> None:
    """`COMMAND --help` ends with 0 and says what the command does."""
    said = run(command, "--help", folder=tmp_path)

    assert said.code == 0
    assert f"realtime {command}" in said.stdout


def test_version_prints_the_version(tmp_path: Path) -> None:
    """`version` prints the package's version and nothing else."""
    assert run("version", folder=tmp_path) == (0, f"{__version__}\n", "")


def test_version_is_an_option_too(tmp_path: Path) -> None:
    """`--version` prints what `version` does, and needs no command."""
    assert run("--version", folder=tmp_path) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLL_INTERVAL_SECONDS", "0"),
        ("API_PORT", "http"),
        ("LOG_LEVEL", "loud"),
        ("LOG_LEVEL", "[/loud]"),
        ("PROMETHEUS_URL", "ftp://victoria"),
        ("CLUSTERS", "hopper"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_variable_ends_the_start(command: str, name: str, value: str, tmp_path: Path) -> None:
    """A value that cannot be used is named on stderr, without a traceback, and the command ends with 2."""
    said = run(command, folder=tmp_path, **{name: value})

    assert said.code == 2
    assert name.lower() in said.stderr
    assert "Traceback" not in said.stderr


def test_a_misspelt_key_ends_the_start(tmp_path: Path) -> None:
    """A key of the file that nothing reads is named, with the one that was meant, and `serve` ends with 2."""
    (tmp_path / "realtime.yaml").write_text("poll_interval_second: 5\n")

    said = run("serve", "--config", "realtime.yaml", folder=tmp_path)

    assert said.code == 2
    assert "unknown key poll_interval_second;" in said.stderr
    assert "poll_interval_seconds" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_taken_port_ends_the_start(command: str, taken_port: int, tmp_path: Path) -> None:
    """A server that cannot listen says where and why, once, and what to do, without a traceback, and ends with 1."""
    said = run(command, "--port", str(taken_port), folder=tmp_path)

    assert said.code == 1
    assert said.stderr.count(str(taken_port)) == 1
    assert (
        f"this host: api_host localhost, api_port {taken_port}: cannot listen there: address already in use; stop"
        in said.stderr
    )
    assert "Traceback" not in said.stderr


def test_a_simulated_exporter_needs_its_port_too(taken_port: int, tmp_path: Path) -> None:
    """`simulate` on a taken port says so, without a traceback, and ends with 1."""
    said = run("simulate", "--port", str(taken_port), folder=tmp_path)

    assert said.code == 1
    assert said.stderr.count(str(taken_port)) == 1
    assert f"--port {taken_port}: cannot listen there: address already in use; stop" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_port_on_the_command_line_outranks_the_configuration(taken_port: int, tmp_path: Path) -> None:
    """`--port` is listened on, whatever API_PORT says."""
    with serving("demo", "--port", "0", folder=tmp_path, API_PORT=str(taken_port)) as server:
        assert not server.url.endswith(f":{taken_port}")


def test_check_tells_what_it_found(
    victoria_metrics: VictoriaMetrics, capture: Callable[[str], str], job_name: str, tmp_path: Path
) -> None:
    """Where a real VictoriaMetrics has a cluster's metrics, `check` counts them for a person and ends with 0."""
    victoria_metrics.import_text(capture("at-1794166412"), job=job_name)
    victoria_metrics.flush()

    said = run("check", folder=tmp_path, PROMETHEUS_URL=victoria_metrics.url, PBS_EXPORTER_JOB_NAME=job_name)

    assert said.code == 0, said.stdout + said.stderr
    assert "pbs: can be served" in said.stdout
    assert "46: 26 free, 17 busy, 2 offline, 1 down" in said.stdout
    assert "45 running, 26 queued, 5 held" in said.stdout
    assert f"exporter {job_name}: node states as of dialect exporter, told by code" in said.stdout


def test_check_tells_of_every_node(
    start_victoria_metrics: Callable[..., VictoriaMetrics], tmp_path: Path
) -> None:
    """The states that `check` counts add up to its number of nodes, those with a word that nobody knows too."""
    source = start_victoria_metrics()
    source.import_text("".join(f'pbs_node_state{{node="n{code}"}} {code}\n' for code in (1, 4, 7)))
    source.flush()

    said = run("check", folder=tmp_path, PROMETHEUS_URL=source.url, PBS_NODE_STATE_DIALECT="exporter")

    assert "  nodes    3: 1 free, 1 down, 1 unknown\n" in said.stdout


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("auth_tokens_file", {"AUTH": "tokens", "AUTH_TOKENS_FILE": "nowhere"}),
        ("tls_cert", {"TLS_CERT": "nowhere", "TLS_KEY": "nowhere"}),
        (
            "jwt_key_file",
            {
                "AUTH": "jwt",
                "JWT_KEY_FILE": "nowhere",
                "JWT_AUDIENCE": "realtime",
                "JWT_ISSUER": "https://idp",
            },
        ),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_file_that_cannot_be_read_ends_the_start(
    command: str, key: str, settings: dict[str, str], closed_port: int, tmp_path: Path
) -> None:
    """A file without which `serve` would not start is told by `check` too, before it looks at the source, and both end with 2."""
    said = run(command, folder=tmp_path, PROMETHEUS_URL=f"http://127.0.0.1:{closed_port}", **settings)

    assert said.code == 2
    assert f"configuration: {key}" in said.stderr
    assert "No such file or directory" in said.stderr
    assert said.stdout == ""


def test_check_prints_labels_as_they_stand(
    start_victoria_metrics: Callable[..., VictoriaMetrics], capture: Callable[[str], str], tmp_path: Path
) -> None:
    """A label that looks like markup is printed, not obeyed."""
    source = start_victoria_metrics()
    source.import_text(capture("at-1794166412"), job=LABEL_LIKE_MARKUP)
    source.flush()

    said = run("check", folder=tmp_path, PROMETHEUS_URL=source.url)

    assert said.code == 0, said.stderr
    assert f"exporter {LABEL_LIKE_MARKUP}:" in said.stdout


def test_check_fails_where_there_are_no_metrics(
    start_victoria_metrics: Callable[..., VictoriaMetrics], tmp_path: Path
) -> None:
    """An empty VictoriaMetrics cannot be served: `check` says what to look at and ends with 1."""
    said = run("check", folder=tmp_path, PROMETHEUS_URL=start_victoria_metrics().url)

    assert said.code == 1
    assert "pbs: cannot be served" in said.stdout
    assert "holds no current PBS metrics" in said.stdout


def test_check_fails_where_nothing_listens(closed_port: int, tmp_path: Path) -> None:
    """A source that is not there is a finding, not a traceback, and `check` ends with 1."""
    said = run("check", folder=tmp_path, PROMETHEUS_URL=f"http://127.0.0.1:{closed_port}")

    assert said.code == 1
    assert "nothing listens at the source's address" in said.stdout
    assert str(closed_port) not in said.stdout + said.stderr


def test_check_looks_at_every_cluster(
    victoria_metrics: VictoriaMetrics,
    capture: Callable[[str], str],
    job_name: str,
    closed_port: int,
    tmp_path: Path,
) -> None:
    """One cluster that cannot be served makes `check` end with 1, and does not hide the others."""
    victoria_metrics.import_text(capture("at-1794166412"), job=job_name)
    victoria_metrics.flush()
    clusters = [
        {"name": "gone", "prometheus_url": f"http://127.0.0.1:{closed_port}"},
        {"name": "here", "prometheus_url": victoria_metrics.url, "pbs_exporter_job_name": job_name},
    ]
    (tmp_path / "realtime.yaml").write_text(json.dumps({"clusters": clusters}))

    said = run("check", "--config", "realtime.yaml", folder=tmp_path)

    assert said.code == 1
    assert "gone: cannot be served" in said.stdout
    assert "here: can be served" in said.stdout


def test_a_server_told_to_stop_is_not_ready_at_once(tmp_path: Path) -> None:
    """From SIGTERM on `/readyz` says 503 while the server drains, and then it ends with 0."""
    with serving("demo", "--port", "0", folder=tmp_path, DRAIN_SECONDS="2", LOG_FORMAT="json") as server:
        until_ready(server.url)
        server.process.send_signal(signal.SIGTERM)
        until_ready(server.url, 503)
        assert server.process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_serves_and_stops_when_told(how: signal.Signals, tmp_path: Path) -> None:
    """`demo` needs no source, and once told to stop it says `bye` to its reader and ends with 0 within 5 s."""
    with serving("demo", "--port", "0", "--nodes", "8", folder=tmp_path) as server:
        until_ready(server.url)
        with urllib.request.urlopen(f"{server.url}/api/health", timeout=STOP_SECONDS) as answer:
            health = json.load(answer)
        with urllib.request.urlopen(f"{server.url}/api/events?topics=source", timeout=STOP_SECONDS) as stream:
            while stream.readline() != b"event: heartbeat\n":
                pass
            server.process.send_signal(how)
            rest = stream.read()
        code = server.process.wait(STOP_SECONDS)

    assert health["status"] == "ok"
    assert [cluster["name"] for cluster in health["clusters"]] == ["hopper"]
    assert b"event: bye\n" in rest
    assert code == 0


def test_a_demo_does_not_obey_what_is_true_of_another_source(tmp_path: Path) -> None:
    """What the operator says of the real source makes no node of the demo's unknown, and takes none away."""
    said = {
        "PBS_NODE_STATE_DIALECT": "seed",
        "PBS_EXPORTER_PREFIX": "site_",
        "PBS_INFER_BUSY": "off",
        "PBS_EXPORTER_LABELS": '{"cluster": "vanda"}',
    }
    with serving("demo", "--port", "0", folder=tmp_path, **said) as server:
        until_ready(server.url)
        with urllib.request.urlopen(f"{server.url}/api/stats/cluster", timeout=STOP_SECONDS) as answer:
            stats = json.load(answer)

    assert (stats["totalNodes"], stats["unknownNodes"]) == (46, 0)
    assert stats["busyNodes"] > 0


def test_a_server_without_a_source_stays_up(closed_port: int, tmp_path: Path) -> None:
    """`serve` starts though its source does not answer, and says that it is down."""
    source = f"http://127.0.0.1:{closed_port}"
    with (
        serving(
            "serve", "--port", "0", folder=tmp_path, PROMETHEUS_URL=source, POLL_INTERVAL_SECONDS="0.05"
        ) as server,
        urllib.request.urlopen(f"{server.url}/api/events", timeout=STOP_SECONDS) as stream,
    ):
        while b'"quality":"down"' not in (line := stream.readline()):
            assert line, "the stream ended"


def test_a_simulated_exporter_can_be_scraped(tmp_path: Path) -> None:
    """`simulate` serves pbs-exporter's metrics of as many nodes as it is told."""
    with serving("simulate", "--port", "0", "--nodes", "7", folder=tmp_path) as exporter:
        with urllib.request.urlopen(exporter.url, timeout=STOP_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        exporter.process.terminate()
        code = exporter.process.wait(STOP_SECONDS)

    assert sum(line.startswith("pbs_node_state{") for line in lines) == 7
    assert code == 0
