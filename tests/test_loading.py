import os
import re
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
    """A misspelt key is not a silent default: each is named in a line of its own, with what may have been meant, or where every key is."""
    told = fault(path := write("poll_interval: 5\nAPI_PORT: 3001\nzzz: 1"))

    assert told.splitlines() == [
        f"{path}: unknown key poll_interval; did you mean poll_interval_seconds? config/realtime.example.yaml has every key",
        f"{path}: unknown key API_PORT; in a file keys are in lower case: api_port",
        f"{path}: unknown key zzz; config/realtime.example.yaml has every key",
    ]


def test_an_unknown_key_of_a_cluster_is_refused(write: Write) -> None:
    """A cluster's misspelt key is named too, and one that a cluster cannot have is sent where it belongs."""
    told = fault(write("clusters: [{name: a, prometheus_uri: http://vm, Name: b, api_port: 1}]"))

    assert told.splitlines() == [
        "clusters.0: unknown key prometheus_uri; did you mean prometheus_url? config/realtime.example.yaml has every key",
        "clusters.0: unknown key Name; in a file keys are in lower case: name",
        "clusters.0: unknown key api_port; it stands at the top level, not in a cluster",
    ]


@pytest.mark.parametrize("model", [Settings, Cluster])
def test_no_fault_is_told_in_pydantics_words(model: type[Settings | Cluster], write: Write) -> None:
    """Whatever key holds what it cannot, the operator is told what it may hold, in the words of the configuration."""
    for key in model.model_fields:
        line = f"{key}: [[1]]"
        told = fault(write(line if model is Settings else f"clusters: [{{name: a, {line}}}]"))

        assert key in told
        assert "allowed: " in told
        assert not re.search(r"\b(Input|valid|pattern|integer|tuple|dictionary)\b", told), told


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
        f"clusters: http://ann:{SECRET}@vm",
        f"pbs_exporter_labels: {SECRET}",
        f"clusters: [{{name: a, pbs_exporter_labels: {SECRET}}}]",
        f"http://ann:{SECRET}@vm: 8428",
        f"clusters: [{{name: a, 'http://ann:{SECRET}@vm': 1}}]",
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
