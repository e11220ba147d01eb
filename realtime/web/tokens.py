"""Opaque bearer tokens: made here, given away once, and kept only as hashes.

The file has a line each: role, hash, and optionally when it ends and a name; `realtime token new` prints it. A token has 256 random bits, so
its plain SHA-256 tells nothing about it.
"""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from realtime.errors import ConfigError
from realtime.web.caller import Caller, Role, refused

PREFIX: Final = "rt_"
"""So that a token that ends up where it should not is recognised by whoever scans for them."""

LENGTH: Final = len(PREFIX) + 43
"""Characters of a token: 32 bytes in base64."""

DIGEST_PREFIX: Final = "sha256:"

LOOKED_UP_BY: Final = 8
"""Bytes of a hash by which its line is found; all of it is then compared in constant time."""

log = structlog.get_logger()


def new_token() -> str:
    """A fresh token."""
    return PREFIX + secrets.token_urlsafe(32)


def line_of(token: str, role: Role, *, name: str = "", until: datetime | None = None) -> str:
    """The line that lets this token in."""
    words = [role.value, DIGEST_PREFIX + sha256(token.encode()).hexdigest()]
    words += [f"until={until.astimezone(UTC).isoformat().replace('+00:00', 'Z')}"] if until else []
    return " ".join([*words, *name.split()])


class Stamp(NamedTuple):
    """By what a file is known to be another."""

    modified_ns: int
    size: int
    inode: int


class Tokens:
    """The tokens of a file."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """Raises ConfigError if the file cannot be used."""
        self._path = path
        self._now = now
        self._stamp: Stamp | None = None
        self._callers: dict[bytes, Caller] = {}
        self._problem = ""
        """What was last wrong with the file, and has been said."""
        self._read()

    async def caller(self, token: str) -> Caller:
        """Whose token this is. Raises RequestError (401)."""
        # Bytes that are no UTF-8 arrive as lone surrogates: a token as any other that is not known.
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        caller = self._callers.get(digest[:LOOKED_UP_BY])
        if caller is None or not compare_digest(caller.proof, digest):
            raise refused("this token is not known here")
        if not self.stands(caller):
            raise refused("this token has expired")
        return caller

    def stands(self, caller: Caller) -> bool:
        """Whether this caller would still be let in, as the same."""
        now_listed = self._callers.get(caller.proof[:LOOKED_UP_BY])
        return now_listed == caller and (caller.expires_at is None or self._now() < caller.expires_at)

    async def refresh(self) -> None:
        """Reread the file if it is another. One that cannot be used changes nothing, and is loud."""
        try:
            if _stamp(self._path) == self._stamp:
                return
            self._read()
        except (OSError, ConfigError) as error:
            problem = str(error) if isinstance(error, ConfigError) else error.strerror or "it cannot be read"
            if problem != self._problem:
                log.warning("tokens could not be reread; those read before still hold", problem=problem)
            self._problem = problem
        else:
            self._problem = ""
            log.info("tokens reread", tokens=len(self._callers))

    async def close(self) -> None:
        """Nothing is held open."""

    def _read(self) -> None:
        try:
            self._stamp = _stamp(self._path)
            lines = self._path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(f"auth_tokens_file: {self._path} cannot be read: {why}") from None
        callers = [
            self._caller(number, line.split())
            for number, line in enumerate(lines, 1)
            if line.split("#")[0].strip()
        ]
        self._callers = {caller.proof[:LOOKED_UP_BY]: caller for caller in callers}
        if not callers:
            log.warning(
                "no token is listed, so nobody is let in", file=str(self._path), do="realtime token new"
            )

    def _caller(self, number: int, words: list[str]) -> Caller:
        """One line's. What is wrong is said without repeating it: it may be a token."""
        problem = f"auth_tokens_file: {self._path}, line {number}: "
        if words[0] not in list(Role):
            raise ConfigError(f"{problem}must begin with a role: {', '.join(Role)}")
        kind, _, digits = (words[1] if len(words) > 1 else "").partition(":")
        if kind + ":" != DIGEST_PREFIX or len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
            raise ConfigError(f"{problem}a hash must follow the role, as `realtime token new` prints it")
        names, expires_at = words[2:], None
        if names and names[0].startswith("until="):
            expires_at = _instant(names.pop(0).removeprefix("until="))
            if expires_at is None:
                raise ConfigError(f"{problem}until= must be a time, such as 2027-01-31T00:00:00Z")
        if any(name.startswith(PREFIX) and len(name) >= LENGTH for name in names):
            raise ConfigError(
                f"{problem}a name may follow the hash, but a token must not: it is kept nowhere"
            )
        return Caller(
            Role(words[0]), " ".join(names) or f"token {digits[:8]}", expires_at, bytes.fromhex(digits)
        )


def _instant(text: str) -> float | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
