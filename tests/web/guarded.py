"""A server that asks for tokens, and one token of each role."""

from pathlib import Path
from typing import Any

from realtime.web.access import GATE, Gate
from realtime.web.caller import Role
from realtime.web.tokens import line_of, new_token
from tests.web.served import Serve, Served, small_state


class Guarded:
    """A server behind a file of tokens."""

    def __init__(self, server: Served, path: Path, tokens: dict[Role, str]) -> None:
        self.server = server
        self.path = path
        self.tokens = tokens

    @property
    def gate(self) -> Gate:
        return self.server.app[GATE]

    def bearer(self, role: Role = Role.VIEWER) -> dict[str, str]:
        """The header that shows a role's token."""
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def write(self, *lines: str) -> None:
        """Another file of tokens."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text("\n".join(lines))
        fresh.rename(self.path)

    def list_only(self, *roles: Role) -> None:
        """Take the other roles' tokens out of the file."""
        self.write(*(line_of(self.tokens[role], role, name=role) for role in roles))


def lock(folder: Path) -> tuple[Path, dict[Role, str], dict[str, Any]]:
    """A file with a token of each role, these, and the settings that ask for one."""
    tokens = {role: new_token() for role in Role}
    path = folder / "tokens"
    path.write_text("\n".join(line_of(token, role, name=role) for role, token in tokens.items()))
    return path, tokens, {"auth": "tokens", "auth_tokens_file": str(path), "auth_check_seconds": 0.02}


async def guarded(serve: Serve, folder: Path, **settings: Any) -> Guarded:
    """A server of which the small state is true, and which asks for tokens."""
    path, tokens, asking = lock(folder)
    server = await serve(**asking | settings)
    server.publish(small_state())
    return Guarded(server, path, tokens)
