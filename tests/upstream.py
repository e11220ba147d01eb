"""Real programs to test against: Debian's VictoriaMetrics and Prometheus, and an exporter to scrape.

Each runs as a child process on a free port of 127.0.0.1 with its data in a temporary folder, up in about 0.1
s. Nothing is skipped: a machine without the programs fails with what to install.
"""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final, TypeVar

from realtime.config import Cluster

_START_SECONDS: Final = 20.0
_SAMPLE: Final = re.compile(r"(?P<series>[A-Za-z_:][\w:]*(?:\{.*\})?) (?P<value>\S+)(?: (?P<at>-?\d+))?")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def stamped(text: str, at_ms: int) -> str:
    """The text with `at_ms` on each sample line that has no timestamp, without comments."""
    lines = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, f"not a sample line: {line!r}"
        lines.append(f"{sample['series']} {sample['value']} {sample['at'] or at_ms}\n")
    return "".join(lines)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class _Program:
    """A child process that answers HTTP; it keeps its port and its data from `stop` to `start`."""

    package = ""
    binary = ""
    health = "/health"

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{prefix}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The folder of what it stores."""
        return self.folder / "data"

    def cluster(self, **keys: object) -> Cluster:
        """The configuration of a cluster whose source this is; `keys` as in the YAML file."""
        return Cluster.model_validate({"name": "test", "prometheus_url": self.url} | keys)

    def start(self) -> None:
        """Start and wait until it answers."""
        binary = shutil.which(self.binary)
        assert binary, f"{self.binary} is not on PATH: apt-get install {self.package}"
        self.folder.mkdir(parents=True, exist_ok=True)
        output = self.folder / "output.log"
        with output.open("ab") as log:
            self._process = subprocess.Popen([binary, *self.arguments()], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{self.binary} did not start:\n{output.read_text()[-2_000:]}")
            time.sleep(0.01)

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither stopped nor killed."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The running program's."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Let it write its data and end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def arguments(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.health, timeout=1):
                return True
        except urllib.error.HTTPError as refusal:
            return refusal.code == 401  # it is up, and wants a login
        except OSError:
            return False


class VictoriaMetrics(_Program):
    """VictoriaMetrics with its defaults: also the 30 s by which its queries are late."""

    package = binary = "victoria-metrics"

    def __init__(self, folder: Path, *flags: str, promscrape_config: Path | None = None) -> None:
        prefix = next(
            (f.removeprefix("-http.pathPrefix=") for f in flags if f.startswith("-http.pathPrefix=")), ""
        )
        super().__init__(folder, prefix)
        self._flags = [*flags, *([f"-promscrape.config={promscrape_config}"] if promscrape_config else [])]

    def arguments(self) -> list[str]:
        return [
            "-retentionPeriod=100y",
            "-loggerLevel=ERROR",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-storageDataPath={self.data}",
            *self._flags,
        ]

    def import_text(self, text: str, at_ms: int | None = None, **labels: str) -> None:
        """Store the text's samples as of `at_ms`, or of 1 s ago; lines with a timestamp keep theirs.

        `labels` (`job="…"`) are added to every series: a job name of its own keeps a test apart from the
        others. Nothing is sure to be seen before `flush`.
        """
        body = stamped(text, now_ms() - 1_000 if at_ms is None else at_ms)
        extra = [("extra_label", f"{name}={value}") for name, value in labels.items()]
        self._post(f"/api/v1/import/prometheus?{urllib.parse.urlencode(extra)}", body)

    def flush(self) -> None:
        """Make everything imported visible to queries now, brand-new series too."""
        self._post("/internal/force_flush", "")

    def value(self, query: str) -> str:
        """What a plain query answers, as a dashboard asks it: 30 s late."""
        with urllib.request.urlopen(
            f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=10
        ) as answer:
            return str(json.load(answer)["data"]["result"][0]["value"][1])

    def _post(self, path: str, body: str) -> None:
        request = urllib.request.Request(self.url + path, body.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass


class Prometheus(_Program):
    """Prometheus that scrapes one target, every second unless told, or only tells what was filled in before it started."""

    package = binary = "prometheus"
    health = "/-/ready"

    def __init__(
        self, folder: Path, target: str = "", *, job: str = "pbs", backfill: str = "", every: str = "1s"
    ) -> None:
        """`target` is HOST:PORT; `backfill` are sample lines, each with its timestamp in ms."""
        super().__init__(folder)
        self._target = target
        self._job = job
        self._backfill = backfill
        self._every = every

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        scrape = f"[{{job_name: {self._job}, static_configs: [{{targets: ['{self._target}']}}]}}]"
        (self.folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {self._every}, scrape_timeout: {self._every}}}\n"
            f"scrape_configs: {scrape if self._target else '[]'}\n"
        )
        if self._backfill:
            self._fill(self._backfill)
            self._backfill = ""
        super().start()

    def arguments(self) -> list[str]:
        return [
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=error",
        ]

    def _fill(self, text: str) -> None:
        """Write blocks, as OpenMetrics wants it: each metric together and in order, seconds, an end."""
        samples = [_SAMPLE.fullmatch(line) for line in text.splitlines()]
        families: dict[str, list[str]] = {}
        for sample in sorted((one for one in samples if one), key=lambda one: int(one["at"])):
            name = sample["series"].partition("{")[0]
            at = f"{int(sample['at']) / 1_000:.3f}"
            families.setdefault(name, []).append(f"{sample['series']} {sample['value']} {at}\n")
        body = "".join(f"# TYPE {name} gauge\n{''.join(lines)}" for name, lines in families.items())
        source = self.folder / "backfill.txt"
        source.write_text(body + "# EOF\n")
        command = [
            "promtool",
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(source),
            str(self.data),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Exporter:
    """An exporter whose page is `text`; None makes every scrape fail."""

    def __init__(self, text: str | None = "") -> None:
        self.text = text
        exporter = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = exporter.page()
                body = (text or "").encode()
                self.send_response(500 if text is None else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                # Who asks may have been killed.
                with suppress(ConnectionError):
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — so is this one
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.target = f"127.0.0.1:{self._server.server_port}"

    def page(self) -> str | None:
        """What the next scrape is told."""
        return self.text

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Program = TypeVar("Program", bound=_Program)


@contextmanager
def running(program: Program) -> Iterator[Program]:
    """Start it, and end it whatever happens; nobody wants its data."""
    program.start()
    try:
        yield program
    finally:
        program.kill()
