"""Every key of the configuration, once, with its unit in its name and its reason below it; those about who is let in, and how much one caller
may take, stand in `entrance.py`.

Precedence: environment, `.env`, the YAML file (`--config`), the defaults here. The keys in lower case are those of the YAML file; in
upper case, those of the environment. `PROMETHEUS_*`, `API_*`, `CORS_ORIGIN`, `DATA_CACHE_TTL` and `LOG_LEVEL` keep the names and units
of the backend that this server replaces, so a `.env` of that one works.
"""

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from realtime.entrance import Entrance

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]

NO_COMMENT_PING_SECONDS: Final = 86_400.0
"""aiohttp-sse cannot be told not to send its comment; ours is a heartbeat that scripts can hear, so that one sleeps."""

ASK_AGAIN_SECONDS: Final = 0.25
"""How soon a scrape that is visible in part is fetched again: VictoriaMetrics makes visible what it was given once a second."""

LOOP_LAG_SECONDS: Final = 0.25
"""How often the event loop's lag is measured: a stall of more than that is always seen, and looking costs nothing."""


class Source(BaseModel):
    """Where one cluster's metrics are."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)

    prometheus_url: str = "http://localhost:9090"
    """Base URL of VictoriaMetrics or Prometheus. Any path prefix: VictoriaMetrics cluster and vmauth have one."""

    prometheus_timeout: int = Field(default=10_000, gt=0, le=300_000)
    """Milliseconds that one request may take."""

    prometheus_username: str = ""
    """Basic authentication, with the password."""

    prometheus_password: SecretStr = SecretStr("")
    """Basic authentication."""

    prometheus_token: SecretStr = SecretStr("")
    """Bearer token; instead of a user name and password."""

    pbs_exporter_job_name: str = ""
    """Only series with this `job` label. Empty: all, since the exporter itself sets none and sites choose freely."""

    pbs_exporter_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_:]*$")
    """What a relabelling put before every metric's name."""

    pbs_exporter_labels: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = {}
    """Only series with these labels too, as `{cluster: hopper}` or, in the environment, `{"cluster": "hopper"}`."""

    pbs_node_state_dialect: Literal["auto", "exporter", "seed", "fork", "label"] = "auto"
    """How `pbs_node_state` is encoded. `auto` tells from the data; `pbs/dialect.py` says how."""

    pbs_memory_unit: Literal["auto", "GiB", "bytes"] = "auto"
    """Unit of `pbs_node_mem_total` and `_used`, whose names do not tell. `auto`: bytes if any is a million or more."""

    pbs_infer_busy: Literal["auto", "on", "off"] = "auto"
    """Whether a node that the exporter calls down, while it runs jobs on all its CPUs or GPUs, is shown as busy: pbs-exporter has no word for
    full nodes. `auto`: where that exporter speaks. `off` where node_fail_requeue is 0, since dead nodes keep their jobs there."""

    @field_validator("prometheus_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            valid = False
        if not valid:
            raise ValueError("allowed: http://HOST[:PORT][/PREFIX] or https://…")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _is_one_kind_of_login(self) -> "Source":
        if self.prometheus_token.get_secret_value() and self.prometheus_username:
            raise ValueError("prometheus_token and prometheus_username exclude each other: set one")
        return self


class Cluster(Source):
    """One cluster among several: its name, and its source. What it does not say it takes from the top level."""

    name: Name
    """What readers choose with `?cluster=`."""


class Settings(Source, Entrance, BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        extra="ignore",  # the environment and .env belong to others too; unknown keys of the YAML file are refused below
        env_file=".env",
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        frozen=True,
    )

    # -- what is watched

    cluster_name: Name = "pbs"
    """The one cluster's name, where `clusters` lists none."""

    clusters: tuple[Cluster, ...] = ()
    """Several clusters, each with a name and the keys above that differ. The first is the one that readers get who name none."""

    find_clusters: bool = True
    """Where neither `clusters` nor a job name or labels are set: whether exporters under several `cluster` labels, or else several `job`
    labels, are served as several clusters. While there is one, whoever reports under other labels is asked about before anything of it is shown."""

    # -- the door

    api_port: int = Field(default=3001, ge=0, le=65_535)
    """TCP port. 0 takes a free one and says which."""

    api_host: str = "localhost"
    """Address to listen on. `0.0.0.0` for every interface."""

    log_level: Literal["debug", "info", "warn", "warning", "error"] = "info"
    """The lowest level that is logged."""

    log_format: Literal["console", "json"] = "console"
    """A line an event: in words for people, or as JSON for a collector of logs."""

    event_loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """What runs the server. `auto`: uvloop where it is installed (`pip install 'realtime[speed]'`), else Python's own."""

    # -- polling

    poll_interval_seconds: float = Field(default=5.0, ge=0.05, le=3_600)
    """How often the newest sample's timestamp is asked for. The probe costs VictoriaMetrics 0.5 ms, so it may be much shorter than
    the scrape interval: it bounds how late a new scrape is seen."""

    refetch_seconds: float = Field(default=30.0, gt=0, le=3_600)
    """Everything is fetched at least this often, also if the probe saw nothing new: VictoriaMetrics shows a brand-new series
    2 to 10 s after its first sample, so a probe alone would miss a new node until the next scrape."""

    backoff_max_seconds: float = Field(default=60.0, gt=0, le=3_600)
    """A failing source is asked less and less often, down to this."""

    torn_scrape_seconds: float = Field(default=2.0, ge=0, le=60)
    """While a new scrape is visible only in part, everyone goes on seeing the one before, for so long at most: VictoriaMetrics needs a second to
    make all of a scrape visible. 0: half a scrape is shown."""

    max_fetch_mib: int = Field(default=256, gt=0, le=4_096)
    """A larger answer is refused. 5,000 nodes are 6 MiB."""

    stale_after_seconds: float = Field(default=0.0, ge=0, le=86_400)
    """Data older than this is called stale. 0: learned, as three of the source's scrape intervals and 15 s (180 s until two scrapes
    were seen)."""

    node_grace_seconds: float = Field(default=150.0, ge=0, le=86_400)
    """A node that the source no longer lists is shown for so long as it last was, then removed: two of the exporter's 60 s ticks and a
    scrape, since it lists no node while it waits for pbsnodes."""

    data_cache_ttl: int = Field(default=30_000, ge=0, le=3_600_000)
    """Milliseconds for which an answer of the analytics endpoints serves everyone."""

    trend_minutes: int = Field(default=180, gt=0, le=1_440)
    """How far back the `trend` topic goes, one point a minute."""

    # -- the stream

    heartbeat_seconds: float = Field(default=15.0, ge=0.05, le=300)
    """A reader to whom nothing was sent for so long gets a heartbeat. Below the 60 s after which nginx and most balancers cut an
    idle connection, and short enough for a page's watchdog."""

    slow_reader_timeout_seconds: float = Field(default=30.0, gt=0, le=3_600)
    """A reader that acknowledged no byte for so long is cut off; one to whom so little is sent that the kernel takes it all, after twice that."""

    sweep_interval_seconds: float = Field(default=0.5, gt=0, le=10)
    """How often lagging readers are looked at: have they drained, or are they gone?"""

    max_unsent_kib: int = Field(default=16, gt=0, le=65_536)
    """A reader with more than this waiting to be sent is lagging: it gets nothing until it drains, then one conflated diff."""

    fan_out_slice_ms: float = Field(default=4.0, gt=0, le=1_000)
    """For so long readers are written to before the event loop has its turn: with 10,000 readers it bounds how long a request waits."""

    send_buffer_kib: int = Field(default=64, ge=4, le=65_536)
    """What the kernel may hold for one reader of a stream (SO_SNDBUF; Linux doubles it): what it holds is sent however stale it is, and the
    default, which grows to megabytes, would hide a slow reader from us."""

    compress_min_bytes: int = Field(default=4_096, ge=0)
    """A WebSocket message of at least so many bytes goes compressed to readers who offer that (permessage-deflate; browsers do): once for all of
    them, never once a reader. 0: never."""

    tombstones: int = Field(default=10_000, ge=0, le=10_000_000)
    """How many removals are remembered. A cursor from before the oldest gets a snapshot instead of a diff."""

    long_poll_max_seconds: float = Field(default=60.0, gt=0, le=600)
    """The longest `wait` of a long-poll."""

    retry_max_ms: int = Field(default=10_000, ge=1_000, le=300_000)
    """Readers are told to come back after a random time between 1 s and this, so that a restart is no stampede."""

    drain_seconds: float = Field(default=0.0, ge=0, le=300)
    """For so long after it was told to stop the server goes on, while `/readyz` says 503: time for a balancer to look elsewhere."""

    shutdown_seconds: float = Field(default=3.0, gt=0, le=60)
    """How long open connections have to close once they were told `bye`."""

    # -- what a reader may ask

    max_command_kib: int = Field(default=64, gt=0, le=4_096)
    """The longest WebSocket command."""

    max_bad_commands: int = Field(default=10, gt=0, le=1_000)
    """A connection is closed after so many commands that could not be understood, one after the other."""

    max_globs: int = Field(default=32, gt=0, le=1_000)
    """Globs in one view."""

    max_glob_length: int = Field(default=128, gt=0, le=1_000)
    """Characters in one glob."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: Any) -> Any:
        """Give each cluster the top level's source keys that it does not set itself."""
        clusters = values.get("clusters") if isinstance(values, dict) else None
        if isinstance(clusters, list | tuple):
            top = {key: values[key] for key in Source.model_fields if key in values}
            values = values | {
                "clusters": tuple(top | one if isinstance(one, dict) else one for one in clusters)
            }
        return values

    @model_validator(mode="after")
    def _are_distinct(self) -> "Settings":
        names = [cluster.name for cluster in self.clusters]
        if len(set(names)) < len(names):
            raise ValueError("clusters: each name may stand once")
        return self

    @property
    def feeds(self) -> tuple[Cluster, ...]:
        """The clusters to watch: those listed, or the one of the top level."""
        if self.clusters:
            return self.clusters
        source = {key: getattr(self, key) for key in Source.model_fields}
        return (Cluster(name=self.cluster_name, **source),)

    @property
    def looks_for_clusters(self) -> bool:
        """Whether which clusters there are is left to the data."""
        said = self.clusters or self.pbs_exporter_job_name or self.pbs_exporter_labels
        return self.find_clusters and not said

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 — the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, .env, YAML."""
        return init_settings, env_settings, dotenv_settings, YamlConfigSettingsSource(settings_cls)
