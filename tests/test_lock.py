"""What a server runs with is pinned, and looked at for known vulnerabilities."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import realtime
from tests.audit import LOCK, Verdict, judge

ROOT: Final = Path(realtime.__file__).parents[1]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS: Final = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", LOCK.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    "line", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["speed"]], ids=str
)
def test_every_dependency_is_pinned_within_its_bounds(line: str) -> None:
    """Each dependency stands in the lock, at a version that pyproject allows: who changes one runs `make lock`."""
    wanted = Requirement(line)
    pinned = PINS[canonicalize_name(wanted.name)]

    assert wanted.specifier.contains(pinned)


def test_every_pin_has_hashes() -> None:
    """No package can be replaced by another of its name and version."""
    blocks = re.split(r"\n(?=[a-z0-9-]+==)", LOCK.read_text())[1:]

    assert len(blocks) == len(PINS) > 20
    assert all("--hash=sha256:" in block for block in blocks)


def test_what_is_tested_is_at_least_what_is_pinned() -> None:
    """The tests run on aiohttp and PyJWT of the lock's versions or later ones: what the lock ships was tested."""
    for name in ("aiohttp", "pyjwt"):
        installed, pinned = ([int(part) for part in text.split(".")] for text in (version(name), PINS[name]))
        assert installed >= pinned


def test_a_vulnerability_is_told_and_ignorance_is_too() -> None:
    """A package with a vulnerability is named with its remedy, and one that nothing is known of is not called harmless."""
    verdict = judge(
        {
            "dependencies": [
                {"name": "good", "version": "1", "vulns": []},
                {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]},
                {"name": "dark", "skip_reason": "not found on PyPI"},
            ]
        }
    )

    assert verdict == Verdict(1, ["dark"], ["bad 2: CVE-1, mended in 2.1"])
    assert "NOT AUDITED" in str(verdict)
