"""`config/realtime.service`, as systemd reads it, and a server under its confinements, as far as both can be had where systemd does not run."""

import errno
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import aiohttp
import jwt
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from realtime.config import Settings
from tests.command import PATIENCE_SECONDS, run, serving
from tests.confined import SOFT_LIMIT, settings
from tests.conftest import Capture
from tests.upstream import VictoriaMetrics
from tests.web.certificate import Certificate

ROOT: Final = Path(__file__).parents[1]
UNIT: Final = ROOT / "config" / "realtime.service"
README: Final = (ROOT / "README.md").read_text()
SAYS: Final = settings(UNIT)
INSTALLED: Final = "/opt/realtime/bin/realtime"
HERE: Final = str(Path(sys.executable).with_name("realtime"))

MOST_EXPOSED: Final = 15
"""Of 100, as systemd counts: 11 in version 252, for sockets, /proc/stat and the machine's own root; a later one may find more to ask for."""

SECRET: Final = "s" * 64


def confined(*command: str) -> tuple[str, ...]:
    """A command under what the unit puts on a process."""
    return (sys.executable, str(ROOT / "tests" / "confined.py"), str(UNIT), *command)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit for the server that is installed here, and as it stands in all else."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace(INSTALLED, HERE))
    assert HERE in path.read_text()
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def test_systemd_takes_it(unit: Path) -> None:
    """systemd finds nothing to complain of: no word that it does not know, no program that is not there."""
    verified = analyze("verify", "--man=no", str(unit))

    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_it_leaves_little_open(unit: Path) -> None:
    """What could be reached by whoever took the server over is little, as systemd counts."""
    judged = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit))

    assert judged.returncode == 0, judged.stdout.splitlines()[-1]


# -- the command


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
async def test_what_it_starts_serves(
    event_loop: str, tmp_path: Path, victoria_metrics: VictoriaMetrics, job_name: str, capture: Capture
) -> None:
    """The unit's command, under its system calls, families of addresses and limits, reads a source, speaks TLS, checks a token, streams, counts its
    own files, and ends properly on SIGTERM, in less time than it is given.
    """
    victoria_metrics.import_text(capture("at-1794166412"), job=job_name)
    victoria_metrics.flush()
    certificate = Certificate(tmp_path)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "realtime.yaml").write_text((ROOT / "config" / "realtime.example.yaml").read_text())
    words = SAYS["ExecStart"][-1].replace("/etc/realtime/", f"{tmp_path}/").split()
    assert words[0] == INSTALLED
    claims = {"aud": "a", "iss": "i", "role": "admin", "exp": time.time() + 60}
    bearer = {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}
    with serving(
        *words[1:],
        folder=tmp_path,
        command=confined(HERE),
        API_PORT="0",
        EVENT_LOOP=event_loop,
        PROMETHEUS_URL=victoria_metrics.url,
        PBS_EXPORTER_JOB_NAME=job_name,
        TLS_CERT=str(certificate.cert),
        TLS_KEY=str(certificate.key),
        AUTH="jwt",
        JWT_KEY_FILE=str(tmp_path / "secret"),
        JWT_ALGORITHMS="HS256",
        JWT_AUDIENCE="a",
        JWT_ISSUER="i",
    ) as server:
        connector = aiohttp.TCPConnector(ssl=certificate.trust)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(server.url, connector=connector, timeout=timeout) as session:
            async with session.get("/api/events", headers=bearer) as stream:
                while b"event: snapshot\n" not in (line := await stream.content.readline()):
                    assert line, "the stream ended"
            async with session.get("/metrics", headers=bearer) as answer:
                figures = {family.name: family.samples for family in families(await answer.text())}
        asked = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        ended = server.process.wait(PATIENCE_SECONDS)

    assert ended == 0
    assert time.monotonic() - asked < float(SAYS["TimeoutStopSec"][-1])
    assert figures["process_open_fds"][0].value > 3
    assert figures["process_max_fds"][0].value > SOFT_LIMIT
    assert time.time() - figures["process_start_time_seconds"][0].value < 2 * PATIENCE_SECONDS


def test_it_is_confined(tmp_path: Path) -> None:
    """What the test above is under is in force: changing an owner, a packet socket, and memory to write and execute are refused."""
    tries = (
        "import mmap, os, socket\n"
        "for attempt in (lambda: os.chown('.', 0, 0), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW), "
        "lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)):\n"
        "    try: attempt()\n"
        "    except OSError as error: print(error.errno)\n"
    )
    told = run("-c", tries, folder=tmp_path, command=confined(sys.executable))

    assert told.stdout.split() == [str(errno.EPERM)] * 3, told.stderr


def test_a_bad_configuration_is_not_started_again(tmp_path: Path) -> None:
    """With the status that a configuration which cannot be used ends with, systemd does not try again."""
    ended = run("serve", folder=tmp_path, API_PORT="nonsense")

    assert SAYS["RestartPreventExitStatus"] == [str(ended.code)]
    assert SAYS["Restart"] == ["on-failure"]


def test_a_port_in_use_is_tried_again(tmp_path: Path) -> None:
    """A server whose port another program has at the moment ends with a status at which systemd starts it again."""
    with socket.create_server(("localhost", 0)) as taken:
        ended = run("serve", folder=tmp_path, API_PORT=str(taken.getsockname()[1]))

    assert ended.code != 0
    assert str(ended.code) not in SAYS["RestartPreventExitStatus"]


# -- its numbers


def test_its_limits_fit_the_configuration() -> None:
    """There are files for as many readers as there may be, and time for the longest goodbye, with some to spare."""
    defaults = Settings.model_construct()

    assert int(SAYS["LimitNOFILE"][-1]) >= 1.5 * defaults.max_connections
    assert float(SAYS["TimeoutStopSec"][-1]) >= defaults.drain_seconds + defaults.shutdown_seconds + 5


def test_what_it_needs_the_readme_installs() -> None:
    """Each path and user that the unit names, the README's commands make."""
    (commands,) = re.findall(
        r"^### As a system service\n.*?^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    )
    (command,) = SAYS["ExecStart"]
    paths = {
        Path(command.split()[0]).parents[1],
        *SAYS["WorkingDirectory"],
        SAYS["EnvironmentFile"][-1].removeprefix("-"),
        command.split()[-1],
    }

    for path in map(str, paths):
        assert re.search(rf"{re.escape(path)}(?=[\s/]|$)", commands, re.MULTILINE), path
    assert re.search(rf"^useradd .*\b{SAYS['User'][-1]}$", commands, re.MULTILINE)
