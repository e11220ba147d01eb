import os
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime.config import Cluster, Settings
from realtime.errors import ConfigError
from realtime.loading import load

SECRET = "hunter2"

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine's, and no `.env`, but the test's own."""
    for name in [name for name in os.environ if name.lower() in Settings.model_fields]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("api_port: 1")`: a YAML file with that in it."""

    def written(text: str) -> Path:
        path = tmp_path / "realtime.yaml"
        path.write_text(text)
        return path

    return written


def fault(path: Path | None = None, **given: object) -> str:
    """What the operator is told."""
    with pytest.raises(ConfigError) as refused:
        load(path, **given)
    return str(refused.value)


# -- which source wins


def test_an_unknown_key_is_refused(write: Write) -> None:
    """A misspelt key is not a silent default: it is named, and so is every key that there is."""
    told = fault(write("poll_interval: 5\nAPI_PORT: 3001"))

    assert "unknown key poll_interval, API_PORT; allowed: " in told
    assert all(key in told for key in Settings.model_fields)


def test_an_unknown_key_of_a_cluster_is_refused(write: Write) -> None:
    """A cluster's misspelt key is named too, with the keys that a cluster may have."""
    told = fault(write("clusters: [{name: a, prometheus_uri: http://vm}]"))

    assert told.startswith("clusters.0.prometheus_uri: ")
    assert all(key in told for key in Cluster.model_fields)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tapi_port: 1", "a: \x00"])
def test_a_file_that_is_not_yaml_is_refused(text: str, write: Write) -> None:
    """What cannot be read as YAML is told with the file's name."""
    told = fault(path := write(text))

    assert told.startswith(f"{path}: is not YAML")


@pytest.mark.parametrize("text", ["- api_port", "api_port", "3001"])
def test_a_file_that_is_no_mapping_is_refused(text: str, write: Write) -> None:
    """A list or a word has no keys."""
    assert fault(path := write(text)) == f"{path}: must be a mapping of keys to values"


def test_a_file_of_bytes_is_refused(tmp_path: Path) -> None:
    """A file that is no text is not YAML."""
    path = tmp_path / "realtime.yaml"
    path.write_bytes(b"\xff\xfe\xff")

    assert fault(path) == f"{path}: is not YAML"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that was named must be there."""
    path = tmp_path / "nowhere.yaml"

    assert fault(path) == f"{path}: cannot be read: No such file or directory"


@pytest.mark.parametrize("value", ["hopper", '{"name": "hopper"}', "[1]", "[", '["hunter2"]'])
def test_clusters_that_cannot_be_read_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `CLUSTERS` that is not a JSON list of clusters is a fault of the configuration, not a crash."""
    monkeypatch.setenv("CLUSTERS", value)

    assert fault().startswith("clusters")


# -- what is never told


@pytest.mark.parametrize(
    "text",
    [
        f"prometheus_password: [{SECRET}]",
        f"prometheus_token: {{{SECRET}: 1}}",
        f"prometheus_token: {SECRET}\nprometheus_username: ann",
        f"prometheus_url: ftp://ann:{SECRET}@vm",
        f"prometheus_url: http://ann:{SECRET}@vm:99999",
        f"prometheus_url: [http://ann:{SECRET}@vm]",
        f"clusters: [{{name: a, prometheus_url: 'ftp://ann:{SECRET}@vm'}}]",
        f"clusters: [{{name: a, prometheus_password: [{SECRET}]}}]",
        f"clusters: [{{name: a, prometheus_token: {SECRET}, prometheus_username: ann}}]",
        f"clusters: [{{name: a, prometheus_token: {SECRET}}}, {{name: a}}]",
        f"clusters: {{name: a, prometheus_token: {SECRET}}}",
        f"clusters: [{{name: a, prometheus_tokn: {SECRET}}}]",
        f"clusters: [{{name: a, prometheus_token: {SECRET}}}, [prometheus_token, {SECRET}]]",
        f"prometheus_tokn: {SECRET}",
    ],
)
def test_a_secret_is_never_echoed(text: str, write: Write) -> None:
    """No fault, wherever it is, repeats a password, a token or a URL."""
    assert SECRET not in fault(write(text))


def test_a_secret_is_not_in_the_settings_own_words(write: Write) -> None:
    """Settings that are printed or logged do not show a password or token."""
    settings = load(
        write(f"prometheus_password: {SECRET}\nclusters: [{{name: a, prometheus_token: {SECRET}}}]")
    )

    assert SECRET not in f"{settings!r} {settings} {settings.feeds!r}"
