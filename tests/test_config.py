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


def test_without_any_source_the_defaults_hold() -> None:
    """Nothing configured is a working configuration: one cluster at the address that the replaced backend used."""
    settings = load()

    assert (settings.prometheus_url, settings.api_port) == ("http://localhost:9090", 3001)
    assert [cluster.name for cluster in settings.feeds] == ["pbs"]


def test_each_source_outranks_the_next(monkeypatch: pytest.MonkeyPatch, write: Write, tmp_path: Path) -> None:
    """An option outranks the environment, that `.env`, that the file, and that the default."""
    path = write("api_port: 4\nheartbeat_seconds: 4\ntombstones: 4\nmax_globs: 4")
    (tmp_path / ".env").write_text("API_PORT=3\nHEARTBEAT_SECONDS=3\nTOMBSTONES=3\n")
    monkeypatch.setenv("API_PORT", "2")
    monkeypatch.setenv("HEARTBEAT_SECONDS", "2")

    settings = load(path, api_port=1)

    assert settings.api_port == 1
    assert settings.heartbeat_seconds == 2
    assert settings.tombstones == 3
    assert settings.max_globs == 4
    assert settings.max_glob_length == 128


def test_the_old_variables_keep_working(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` of the replaced backend means what it meant, units included."""
    old = {
        "PROMETHEUS_URL": "http://172.18.186.48:8428/",
        "PROMETHEUS_TIMEOUT": "20000",
        "API_PORT": "5000",
        "API_HOST": "0.0.0.0",
        "CORS_ORIGIN": "http://localhost:3000",
        "DATA_CACHE_TTL": "60000",
        "LOG_LEVEL": "WARN",
        "PBS_EXPORTER_JOB_NAME": "pbs-exporter",
    }
    for name, value in old.items():
        monkeypatch.setenv(name, value)

    settings = load()

    assert settings.prometheus_url == "http://172.18.186.48:8428"
    assert settings.feeds[0].prometheus_timeout == 20_000
    assert (settings.api_host, settings.api_port) == ("0.0.0.0", 5000)
    assert settings.cors_origin == ("http://localhost:3000",)
    assert settings.data_cache_ttl == 60_000
    assert settings.log_level == "warn"
    assert settings.feeds[0].pbs_exporter_job_name == "pbs-exporter"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """`API_PORT=` says nothing, so the file is asked."""
    monkeypatch.setenv("API_PORT", "")

    assert load(write("api_port: 4")).api_port == 4


def test_other_programs_variables_are_theirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unknown names in the environment and `.env` belong to others and are no error."""
    monkeypatch.setenv("XDMOD_DB_HOST", "db")
    (tmp_path / ".env").write_text("NODE_ENV=production\nAPI_PORT=7\n")

    assert load().api_port == 7


def test_an_empty_file_configures_nothing(write: Write) -> None:
    """A file of comments is as good as none."""
    assert load(write("# nothing yet\n")).api_port == 3001


# -- lists


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("http://a", ("http://a",)),
        ("http://a, https://b/ ,", ("http://a", "https://b")),
        ("*", ("*",)),
        (
            "HTTP://Portal.Example:80,https://portal.example:443",
            ("http://portal.example", "https://portal.example"),
        ),
        ("http://portal.example:443,http://[::1]:3000", ("http://portal.example:443", "http://[::1]:3000")),
        ("moz-extension://f0c1-9", ("moz-extension://f0c1-9",)),
    ],
)
def test_origins_are_separated_by_commas(
    given: str, origins: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of origins is comma-separated; blanks, empty items and slashes at the end are nothing, and each is as a browser writes it."""
    monkeypatch.setenv("CORS_ORIGIN", given)

    assert load().cors_origin == origins


def test_origins_may_be_a_list_in_the_file(write: Write) -> None:
    """In YAML a list may be a list, or text as in the environment."""
    assert load(write("cors_origin: [http://a/, https://b]")).cors_origin == ("http://a", "https://b")
    assert load(write("cors_origin: http://a,https://b")).cors_origin == ("http://a", "https://b")


@pytest.mark.parametrize(
    "origin",
    [
        "localhost:3000",
        "portal.example",
        "http://",
        "http://portal.example/wall",
        "http://portal.example?x=1",
        "http://ann@portal.example",
        "https://*.example",
        "http://bücher.example",
        "http://portal.example:",
        "null",
    ],
)
def test_what_no_browser_sends_is_no_origin(origin: str, write: Write) -> None:
    """What can never be equal to a page's origin is refused, beside one that can."""
    told = fault(write(f'cors_origin: ["http://localhost:3000", "{origin}"]'))

    assert told.startswith("cors_origin: allowed: SCHEME://HOST[:PORT] without a path")


# -- several clusters


def test_a_cluster_inherits_what_it_does_not_set(write: Write) -> None:
    """A cluster takes the source's keys of the top level that it does not set itself."""
    path = write(f"""
prometheus_url: http://shared:8428
prometheus_timeout: 5000
prometheus_token: {SECRET}
clusters:
  - name: hopper
  - name: vanda
    prometheus_url: http://vanda:8428
    prometheus_token: ""
    prometheus_username: reader
    pbs_exporter_job_name: vanda
""")

    hopper, vanda = load(path).feeds

    assert (hopper.prometheus_url, hopper.prometheus_timeout) == ("http://shared:8428", 5_000)
    assert hopper.prometheus_token.get_secret_value() == SECRET
    assert (vanda.prometheus_url, vanda.prometheus_timeout) == ("http://vanda:8428", 5_000)
    assert (vanda.prometheus_token.get_secret_value(), vanda.prometheus_username) == ("", "reader")
    assert (hopper.pbs_exporter_job_name, vanda.pbs_exporter_job_name) == ("", "vanda")


def test_a_cluster_inherits_from_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, write: Write, tmp_path: Path
) -> None:
    """The top level is the environment, `.env` and the file together; what a cluster sets itself outranks all."""
    (tmp_path / ".env").write_text("PROMETHEUS_USERNAME=reader\n")
    monkeypatch.setenv("PROMETHEUS_URL", "http://environment:8428")
    monkeypatch.setenv("PROMETHEUS_PASSWORD", SECRET)
    path = write("""
prometheus_url: http://file:8428
prometheus_timeout: 5000
clusters:
  - name: hopper
  - name: vanda
    prometheus_url: http://vanda:8428
""")

    hopper, vanda = load(path).feeds

    assert (hopper.prometheus_url, vanda.prometheus_url) == ("http://environment:8428", "http://vanda:8428")
    for cluster in (hopper, vanda):
        assert cluster.prometheus_timeout == 5_000
        assert cluster.prometheus_username == "reader"
        assert cluster.prometheus_password.get_secret_value() == SECRET


def test_clusters_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`CLUSTERS` takes JSON, and its clusters inherit as well."""
    monkeypatch.setenv("CLUSTERS", '[{"name": "hopper"}, {"name": "vanda"}]')
    monkeypatch.setenv("PROMETHEUS_URL", "http://shared:8428")

    assert [(each.name, each.prometheus_url) for each in load().feeds] == [
        ("hopper", "http://shared:8428"),
        ("vanda", "http://shared:8428"),
    ]


def test_without_clusters_the_top_level_is_one(write: Write) -> None:
    """Every key of a source at the top level reaches the one cluster."""
    given = {
        "prometheus_url": "http://vm:8428/select/0/prometheus",
        "prometheus_timeout": 1,
        "prometheus_username": "reader",
        "prometheus_password": SECRET,
        "pbs_exporter_job_name": "pbs",
        "pbs_exporter_prefix": "site_",
    }
    lines = "\n".join(f"{key}: {value}" for key, value in given.items())

    (only,) = load(write(f"cluster_name: hopper\n{lines}")).feeds

    assert only == Cluster.model_validate({"name": "hopper"} | given)


# -- what the operator is told


@pytest.mark.parametrize(
    ("line", "key", "given", "allowed"),
    [
        ("poll_interval_seconds: 0", "poll_interval_seconds", "0", "0.05, at most 3600"),
        ("poll_interval_seconds: -1", "poll_interval_seconds", "-1", "0.05"),
        ("poll_interval_seconds: .nan", "poll_interval_seconds", "nan", "3600"),
        ("poll_interval_seconds: soon", "poll_interval_seconds", "'soon'", "number"),
        ("heartbeat_seconds: 0", "heartbeat_seconds", "0", "0.05"),
        ("sweep_interval_seconds: 0", "sweep_interval_seconds", "0", "a number above 0"),
        ("slow_reader_timeout_seconds: 0", "slow_reader_timeout_seconds", "0", "a number above 0"),
        ("prometheus_timeout: 0", "prometheus_timeout", "0", "a whole number above 0"),
        ("api_port: 70000", "api_port", "70000", "65535"),
        ("api_port: 3001.5", "api_port", "3001.5", "whole number"),
        ("api_port:", "api_port", "given nothing", "a whole number from 0, at most 65535"),
        ("find_clusters: maybe", "find_clusters", "'maybe'", "true or false"),
        ("prometheus_token: [x]", "prometheus_token", "", "text"),
        ("log_level: loud", "log_level", "'loud'", "debug, info, warn, warning or error"),
        ("cluster_name: a/b", "cluster_name", "'a/b'", "letters, digits, dots"),
        ("pbs_exporter_prefix: a-", "pbs_exporter_prefix", "'a-'", "letters, digits, underscores and colons"),
        ("pbs_exporter_labels: {1a: b}", "pbs_exporter_labels.1a", "", "no digit first"),
        ("pbs_exporter_labels: {api_port: 1}", "pbs_exporter_labels.api_port", "", "a mapping of labels"),
        ("cors_origin: 5", "cors_origin", "5", "a list, or texts separated by commas"),
        ("cors_origin: localhost:3000", "cors_origin", "'localhost:3000'", "SCHEME://HOST"),
        ("clusters: hopper", "clusters", "", "a list of mappings"),
        ("clusters: [hopper]", "clusters.0", "", "a mapping of a cluster's keys"),
        ("clusters: [{}]", "clusters.0.name", "missing", "letters, digits, dots"),
        ("clusters: [{name: a b}]", "clusters.0.name", "'a b'", "letters, digits, dots"),
        (
            "clusters: [{name: a, prometheus_timeout: 0}]",
            "clusters.0.prometheus_timeout",
            "0",
            "a whole number above 0, at most 300000",
        ),
    ],
)
def test_a_wrong_value_is_named(line: str, key: str, given: str, allowed: str, write: Write) -> None:
    """A value that cannot be used is told with its key, what was given, and what is allowed."""
    told = fault(write(line))

    assert told.startswith(f"{key}")
    assert given in told
    assert allowed in told.partition("allowed: ")[2]
    assert "\n" not in told


def test_every_fault_is_told_at_once(write: Write) -> None:
    """Two faults are two lines, so that the operator need not start twice to learn of both."""
    told = fault(write("api_port: x\nheartbeat_seconds: 0")).splitlines()

    assert sorted(line.partition(":")[0] for line in told) == ["api_port", "heartbeat_seconds"]


@pytest.mark.parametrize(
    "url", ["ftp://vm:8428", "vm:8428", "http://", "http://vm:99999", "http://[::1", "localhost", "//vm"]
)
def test_a_bad_url_is_refused(url: str, write: Write) -> None:
    """What no request can be made of is refused with the form that is allowed."""
    told = fault(write(f'prometheus_url: "{url}"'))

    assert told == "prometheus_url: allowed: http://HOST[:PORT][/PREFIX] or https://…"


@pytest.mark.parametrize(
    "url",
    ["http://vm:8428", "https://vm", "http://[::1]:8428/vm", "http://vmselect:8481/select/0/prometheus"],
)
def test_a_url_may_have_a_path_and_a_slash(url: str, write: Write) -> None:
    """Any prefix is good, and a slash at its end is nothing."""
    assert load(write(f"prometheus_url: {url}/")).prometheus_url == url


@pytest.mark.parametrize(
    "text",
    [
        f"prometheus_token: {SECRET}\nprometheus_username: ann",
        f"clusters: [{{name: a, prometheus_token: {SECRET}, prometheus_username: ann}}]",
        f"prometheus_token: {SECRET}\nclusters: [{{name: a, prometheus_username: ann}}]",
    ],
)
def test_two_logins_are_refused(text: str, write: Write) -> None:
    """A token and a user name exclude each other: which one was meant is not guessed."""
    assert "prometheus_token and prometheus_username exclude each other" in fault(write(text))


def test_two_clusters_of_one_name_are_refused(write: Write) -> None:
    """A name that stands twice would hide a cluster."""
    assert fault(write("clusters: [{name: a}, {name: b}, {name: a}]")) == "clusters: each name may stand once"
