"""The house keeps its shape: who may know whom, where a test is, how long a file may be, which word means what."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import realtime

PACKAGE: Final = Path(realtime.__file__).parent
ROOT: Final = PACKAGE.parent
TESTS: Final = ROOT / "tests"

MODULES: Final = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

MOST_LINES: Final = 300

WITHOUT_A_TEST_FILE: Final = {
    "__main__.py": "two lines, by which every test of the command line starts it",
    "source/sample.py": "says what a sample is; the tests of the exposition read them",
    "source/source.py": "says what a source is and does nothing",
}
"""Module → why no file of tests bears its name. Rooms' `__init__.py` hold prose."""

SAY_INSTEAD: Final = {
    "backend": "source",
    "provider": "source",
    "upstream": "source",
    "record": "entity",
    "object": "entity",
    "channel": "topic",
    "seq": "revision",
    "delta": "diff",
    "filter": "view",
    "client": "subscriber",
    "listener": "subscriber",
    "broker": "hub",
    "bus": "hub",
    "dispatch": "publish",
    "broadcast": "publish",
    "notify": "publish",
    "coalesce": "conflate",
    "debounce": "conflate",
    "throttle": "conflate",
    "util": "the thing's own name",
    "common": "the thing's own name",
    "helper": "the thing's own name",
    "service": "the thing's own name",
    "core": "the thing's own name",
    "manager": "the thing's own name",
}
"""One word per thing. Words that HTTP, PromQL or Python own (`query`, `status`, `session`, `offset`) are left to them."""


OF_THE_PROTOCOL: Final = {"outOfService"}
"""Fields of JSON that mean something else by one of these words."""


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_its_tests(module: Path) -> None:
    """The tests of `realtime/a/b.py` are in `tests/a/test_b.py`; what has none says why."""
    if module.name == "__init__.py":
        assert not any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for node in tree(module).body
        )
        return
    tests = TESTS / module.parent / f"test_{module.name}"
    assert tests.exists() != (module.as_posix() in WITHOUT_A_TEST_FILE)


@pytest.mark.parametrize("room", sorted({module.parent for module in MODULES} - {Path()}), ids=str)
def test_every_test_file_has_its_module(room: Path) -> None:
    """A file of tests in a room bears the name of a module that is there."""
    named = {path.name.removeprefix("test_") for path in (TESTS / room).glob("test_*.py")}

    assert named <= {module.name for module in MODULES if module.parent == room}


def test_exceptions_are_of_modules_that_exist() -> None:
    """An exception whose module is gone is gone too."""
    assert {module.as_posix() for module in MODULES} >= WITHOUT_A_TEST_FILE.keys()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_file_is_too_long(module: Path) -> None:
    """A file past 300 lines is two files."""
    assert len((PACKAGE / module).read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_thing_has_one_word(module: Path) -> None:
    """No module, class, function, argument or variable bears a name that the house does not use."""
    strange = {
        name: SAY_INSTEAD[word]
        for name in {*names(module)} - OF_THE_PROTOCOL
        for word in words(name)
        if word in SAY_INSTEAD
    }

    assert strange == {}


def test_the_import_contracts_hold() -> None:
    """Each sentence of the import contracts in pyproject.toml is true."""
    linter = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout


def tree(module: Path) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text())


def names(module: Path) -> Iterator[str]:
    """Every name that a module gives to something."""
    yield module.stem
    for node in ast.walk(tree(module)):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case (
                ast.arg(arg=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ):
                yield name


def words(name: str) -> Iterator[str]:
    """A name's words in lower case, and each without its plural."""
    for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])", name):
        yield word.lower()
        yield word.lower().removesuffix("s")
