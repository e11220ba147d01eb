"""Opaque tokens, kept as hashes in a file."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from realtime.errors import ConfigError, RequestError
from realtime.web.caller import Role
from realtime.web.tokens import Tokens, line_of, new_token
from tests.command import run

LOCKED = "no token is listed, so nobody is let in"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def write(path: Path, *lines: str) -> None:
    """As an editor does it: another file under the same name."""
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(lines))
    fresh.rename(path)


def remove(path: Path) -> None:
    path.unlink()


def spoil_unseen(path: Path) -> None:
    """Change the file and leave its time, size and place as they were."""
    found = path.stat()
    with path.open("r+") as file:
        file.write("k")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


async def test_who_has_a_token_is_known(path: Path) -> None:
    """Each line's token tells its role and name; what is no line is a comment."""
    lobby, ann = new_token(), new_token()
    write(
        path, "# ours", "", line_of(lobby, Role.KIOSK, name="lobby wall"), line_of(ann, Role.ADMIN) + " # ann"
    )
    tokens = Tokens(path)

    caller = await tokens.caller(lobby)
    assert (caller.role, caller.name, caller.expires_at) == (Role.KIOSK, "lobby wall", None)
    assert (await tokens.caller(ann)).role is Role.ADMIN


async def test_tokens_are_long_and_differ() -> None:
    """A token has 256 random bits behind a prefix by which it is recognised."""
    made = {new_token() for _ in range(100)}

    assert len(made) == 100
    assert all(token.startswith("rt_") and len(token) == 46 for token in made)


@pytest.mark.parametrize("made_up", ["", "rt_", "rt_" + "A" * 43, "x" * 8_000, "ä", "\udcff\ud800"])
async def test_a_token_that_is_in_no_line_is_refused(path: Path, made_up: str) -> None:
    """Whoever makes one up is refused, and it is not repeated."""
    write(path, line_of(new_token(), Role.VIEWER))

    with pytest.raises(RequestError) as refused:
        await Tokens(path).caller(made_up)
    assert (refused.value.status, refused.value.code) == (401, "bad_token")
    assert len(made_up) < 4 or made_up not in refused.value.detail


async def test_the_hash_is_not_the_token(path: Path) -> None:
    """Who has read the file has no token."""
    line = line_of(new_token(), Role.VIEWER)
    write(path, line)
    tokens = Tokens(path)
    digest = line.split(":")[1]

    for guess in (digest, f"sha256:{digest}", bytes.fromhex(digest).decode("latin-1")):
        with pytest.raises(RequestError):
            await tokens.caller(guess)


async def test_a_token_ends_when_its_line_says(path: Path) -> None:
    """Until its time a token is good, and not a moment longer."""
    token = new_token()
    until = datetime(2027, 1, 1, tzinfo=UTC)
    now = [until - timedelta(seconds=1)]
    write(path, line_of(token, Role.VIEWER, until=until))
    tokens = Tokens(path, lambda: now[0].timestamp())  # noqa: PLW0108 — what it is then
    caller = await tokens.caller(token)
    assert caller.expires_at == until.timestamp()
    assert tokens.stands(caller)
    now[0] = until

    assert not tokens.stands(caller)
    with pytest.raises(RequestError, match="expired"):
        await tokens.caller(token)


async def test_a_change_of_the_file_counts(path: Path) -> None:
    """A line that is gone lets nobody in, one that has another role is another caller, a new one lets in."""
    gone, changed, kept, new = (new_token() for _ in range(4))
    write(path, *(line_of(token, Role.VIEWER) for token in (gone, changed, kept)))
    tokens = Tokens(path)
    callers = [await tokens.caller(token) for token in (gone, changed, kept)]
    write(path, line_of(changed, Role.KIOSK), line_of(kept, Role.VIEWER), line_of(new, Role.VIEWER))
    await tokens.refresh()

    assert [tokens.stands(caller) for caller in callers] == [False, False, True]
    assert (await tokens.caller(new)).role is Role.VIEWER


async def test_an_empty_file_lets_nobody_in(path: Path) -> None:
    """Who empties the file has taken back every token, and is warned of that."""
    token = new_token()
    write(path, line_of(token, Role.VIEWER))
    tokens = Tokens(path)
    write(path, "")
    with structlog.testing.capture_logs() as logs:
        await tokens.refresh()

    with pytest.raises(RequestError):
        await tokens.caller(token)
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == [LOCKED]


def test_a_file_without_a_token_is_told_at_the_start(path: Path) -> None:
    """Who begins with a file of comments alone is warned, and not stopped: a token may follow."""
    write(path, "# none yet")
    with structlog.testing.capture_logs() as logs:
        Tokens(path)

    assert [(entry["event"], entry["file"]) for entry in logs] == [(LOCKED, str(path))]


@pytest.mark.parametrize("after", ["gone", "garbage"])
async def test_a_file_that_cannot_be_used_changes_nothing(path: Path, after: str) -> None:
    """A mistake in the file, or a file that is away, is told once and leaves those who were let in."""
    token = new_token()
    write(path, line_of(token, Role.VIEWER))
    tokens = Tokens(path)
    if after == "gone":
        remove(path)
    else:
        write(path, f"viewer {token}")
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await tokens.refresh()

    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert token not in str(logs)
    assert (await tokens.caller(token)).role is Role.VIEWER


async def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    """A look that finds the same file reads nothing."""
    token = new_token()
    write(path, line_of(token, Role.VIEWER))
    tokens = Tokens(path)
    spoil_unseen(path)
    await tokens.refresh()

    assert (await tokens.caller(token)).role is Role.VIEWER


@pytest.mark.parametrize(
    "line",
    [
        "{token}",
        "viewer {token}",
        "viewer sha256:{token}",
        "viewer",
        "root sha256:" + "0" * 64,
        "viewer sha256:" + "G" * 64,
        "viewer sha256:" + "0" * 64 + " until=tomorrow",
        "viewer sha256:" + "0" * 64 + " {token}",
        "viewer sha256:" + "0" * 64 + " until=2027-01-31 lobby {token}",
    ],
)
def test_a_line_that_is_none_is_told_and_not_repeated(path: Path, line: str) -> None:
    """A token put into the file by mistake is not said aloud."""
    token = new_token()
    write(path, line_of(token, Role.VIEWER), line.format(token=token))

    with pytest.raises(ConfigError, match="line 2") as refused:
        Tokens(path)
    assert token not in str(refused.value)


@pytest.mark.parametrize("name", ["alert_team", "rt_wall", "lobby # by the door"])
async def test_a_name_may_look_a_little_like_a_token(path: Path, name: str) -> None:
    """Only what is as long as a token is taken for one."""
    token = new_token()
    write(path, line_of(token, Role.KIOSK, name=name))

    assert (await Tokens(path).caller(token)).name == name


def test_a_file_that_is_not_there_ends_the_start(path: Path) -> None:
    """The operator is told at once."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokens(path)


async def test_the_command_makes_a_token_and_its_line(path: Path, tmp_path: Path) -> None:
    """What `realtime token new` prints first is let in by the line that it prints second."""
    ran = run("token", "new", "--role", "kiosk", "--name", "lobby wall", "--days", "7", folder=tmp_path)
    assert ran.code == 0, ran.stderr
    token, line = ran.stdout.splitlines()
    write(path, line)

    caller = await Tokens(path).caller(token)
    assert (caller.role, caller.name) == (Role.KIOSK, "lobby wall")
    assert caller.expires_at is not None
    assert token not in line


def test_the_command_knows_the_roles(tmp_path: Path) -> None:
    """A role that there is not is refused with those that there are."""
    ran = run("token", "new", "--role", "root", folder=tmp_path)

    assert ran.code == 2
    assert "kiosk, viewer, admin" in " ".join(ran.stderr.replace("│", "").split())
