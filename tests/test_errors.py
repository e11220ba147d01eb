import ast
import inspect
import re
from pathlib import Path

import pytest

from realtime import errors
from realtime.errors import ConfigError, RealtimeError, RequestError, SourceError

PACKAGE = Path(errors.__file__).parent


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    """Every error stands in the module's drawing, below its parent, and nothing else does."""
    drawn: list[tuple[str, str]] = []
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)([A-Z]\w+)(?:$|  )", line):
            depth = len(found[1]) // 4
            del above[depth:]
            drawn.append((found[2], above[-1] if above else "Exception"))
            above.append(found[2])

    defined = [
        (name, each.__bases__[0].__name__)
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if each.__module__ == errors.__name__
    ]
    assert sorted(drawn) == sorted(defined)


def test_no_other_module_defines_an_error() -> None:
    """An error that is raised on purpose stands in errors.py, where its blame is decided."""
    names = {"Exception", "BaseException"} | {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    elsewhere = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in names for base in node.bases)
    ]

    assert elsewhere == []


def test_a_request_error_speaks_to_programs_and_people() -> None:
    """A reader's error has a code and a sentence, and is a 400 unless it says otherwise."""
    error = RequestError("unknown_topic", "unknown topic 'x'")

    assert (error.code, error.detail, str(error), error.status) == (
        "unknown_topic",
        "unknown topic 'x'",
        "unknown topic 'x'",
        400,
    )
    assert RequestError("unknown_node", "no such node", status=404).status == 404


@pytest.mark.parametrize(("kind", "others"), [(SourceError, RequestError), (RequestError, ConfigError)])
def test_each_blame_is_caught_alone(kind: type[RealtimeError], others: type[RealtimeError]) -> None:
    """Who handles one party's errors does not swallow another's."""
    assert issubclass(kind, RealtimeError)
    assert not issubclass(kind, others)
    assert not issubclass(others, kind)
