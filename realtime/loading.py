"""Reading the configuration, and saying in one line a fault what is wrong with it."""

from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from realtime.config import Cluster, Settings
from realtime.errors import ConfigError

SECRETS: Final = frozenset({"prometheus_url", "prometheus_password", "prometheus_token", "jwt_keys_url"})
"""Keys whose value is never echoed; a URL may hold a password."""

EXAMPLES: Final = {
    "clusters": '[{"name": "hopper", "prometheus_url": "http://vm:8428"}]',
    "pbs_exporter_labels": '{"cluster": "hopper"}',
}


def load(path: Path | None = None, **given: Any) -> Settings:
    """Read the configuration; `given` (command-line options) outranks everything.

    Raises ConfigError: one line a fault, with the key, what was given, and what is allowed.
    """
    if path is not None:
        _check_keys(path)

    class _Loaded(Settings):
        model_config = SettingsConfigDict(yaml_file=path)

    try:
        return _Loaded(**given)
    except ValidationError as faults:
        lines = [_explain(fault) for fault in faults.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from None
    except SettingsError as error:
        # A list or mapping of the environment that is not JSON; the message names the field and nothing else.
        field = str(error).partition('"')[2].partition('"')[0]
        raise ConfigError(
            f"{field}: in the environment this must be JSON, such as {EXAMPLES.get(field, '{}')}"
        ) from None


def _check_keys(path: Path) -> None:
    """Refuse a file that cannot be read and keys that nothing reads: a misspelt key must not be a silent default."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise ConfigError(f"{path}: is not YAML{where}") from None
    if content is None:
        return
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    unknown = [str(key) for key in content if key not in Settings.model_fields]
    if unknown:
        raise ConfigError(f"{path}: unknown key {', '.join(unknown)}; {_allowed(Settings)}")


def _allowed(model: type[Settings | Cluster]) -> str:
    return f"allowed: {', '.join(sorted(model.model_fields))}"


def _explain(fault: Any) -> str:
    """One validation fault as `key: given X; allowed: Y`. X is shown only of a key that we know, that is no secret and holds one value:
    what stands in a wrong place may be a password.
    """
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key; {_allowed(Cluster)}"
    rule = str(fault["msg"]).removeprefix("Value error, ")
    names = [part for part in fault["loc"] if isinstance(part, str)]
    known = bool(names) and names[-1] in Settings.model_fields.keys() | Cluster.model_fields.keys()
    scalar = isinstance(fault["input"], str | int | float | bool) and fault["loc"][-1:] == tuple(names[-1:])
    shown = known and scalar and SECRETS.isdisjoint(names)
    given = f"given {fault['input']!r}; " if shown else ""
    return f"{key}: {given}{rule}" if key else rule
