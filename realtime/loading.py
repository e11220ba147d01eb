"""Reading the configuration, and saying in one line a fault what is wrong with it."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import yaml
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from realtime.config import Cluster, Settings
from realtime.errors import ConfigError

SECRETS: Final = frozenset({"prometheus_url", "prometheus_password", "prometheus_token", "jwt_keys_url"})
"""Keys whose value is never echoed; a URL may hold a password."""

MANY: Final = frozenset({"clusters", "pbs_exporter_labels"})
"""Keys of a list or a mapping: the one value that stands there instead may be such a URL."""

KEY: Final = re.compile(r"\w{1,40}")
"""What looks like a key is echoed; anything else may be a value that lost its key."""

NAME: Final = "up to 63 letters, digits, dots, hyphens and underscores, the first a letter or digit"
FORMS: Final = {
    "name": NAME,
    "cluster_name": NAME,
    "clusters": "a list of mappings, each with a name",
    "pbs_exporter_prefix": "letters, digits, underscores and colons",
    "pbs_exporter_labels": "a mapping of labels (letters, digits, underscores; no digit first) to texts",
}
"""What a key may hold, in an operator's words."""

KINDS: Final[dict[Any, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    SecretStr: "text",
}
"""The same of all other keys, by type."""

BOUNDS: Final = {"ge": " from {}", "gt": " above {}", "le": ", at most {}"}
"""And their limits."""

EVERY_KEY: Final = "config/realtime.example.yaml"

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
        raise ConfigError("\n".join(f"{path}: {_unknown(key, Settings)}" for key in unknown))


def _unknown(key: str, model: type[Settings | Cluster]) -> str:
    return f"unknown key {key if KEY.fullmatch(key) else '(not shown)'}; {_meant(key, model)}"


def _meant(key: str, model: type[Settings | Cluster]) -> str:
    """What to do about a key that nothing reads there."""
    if key.lower() in model.model_fields:
        return f"in a file keys are in lower case: {key.lower()}"
    if key in Settings.model_fields:
        return "it stands at the top level, not in a cluster"
    close = get_close_matches(key.lower(), model.model_fields, n=1)
    return "".join(f"did you mean {name}? " for name in close) + f"{EVERY_KEY} has every key"


def _explain(fault: Any) -> str:
    """One validation fault as `key: given X; allowed: Y`. X is shown only of a key that we know, that is no secret and holds one value:
    what stands in a wrong place may be a password.
    """
    place = fault["loc"]
    key = ".".join(str(part) for part in place)
    if fault["type"] == "extra_forbidden":
        return f"{'.'.join(str(part) for part in place[:-1])}: {_unknown(str(place[-1]), Cluster)}"
    if fault["type"] == "value_error":
        rule = str(fault["msg"]).removeprefix("Value error, ")
    else:
        rule = f"allowed: {_allowed(place)}"
    names = [part for part in place if isinstance(part, str)]
    given = ""
    if fault["type"] == "missing":
        given = "missing; "
    elif fault["input"] is None:
        given = "given nothing; "
    elif (
        names
        and names[-1] in Settings.model_fields.keys() | Cluster.model_fields.keys()
        and isinstance(fault["input"], str | int | float | bool)
        and place[-1:] == tuple(names[-1:])
        and names[-1] not in MANY
        and SECRETS.isdisjoint(names)
    ):
        given = f"given {fault['input']!r}; "
    return f"{key}: {given}{rule}" if key else rule


def _allowed(place: tuple[str | int, ...]) -> str:
    """What may stand at a place that holds something else."""
    match place:
        case ("clusters", int()):
            return "a mapping of a cluster's keys to values, with its name"
        case ("clusters", int(), str() as key, *_):
            field = Cluster.model_fields[key]
        case (str() as key, *_):
            field = Settings.model_fields[key]
    if key in FORMS:
        return FORMS[key]
    if get_origin(field.annotation) is Literal:
        *most, last = get_args(field.annotation)
        return f"{', '.join(most)} or {last}"
    kind = KINDS.get(field.annotation, "a list, or texts separated by commas")
    return kind + "".join(
        words.format(getattr(rule, bound))
        for bound, words in BOUNDS.items()
        for rule in field.metadata
        if hasattr(rule, bound)
    )
