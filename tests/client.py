"""A client that holds what it hears: the reading side of the contract, written from docs/protocol.md alone."""

from typing import Any


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON Merge Patch (RFC 7396, section 2) and return the result; `target` stays as it was."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


class ClientModel:
    """One client's copy of one view. `hear` applies a message or fails the test that a client would have to resync in."""

    def __init__(self) -> None:
        self.state: dict[str, Any] | None = None
        self.cursor: str | None = None
        self.quality: str | None = None
        self.heard: list[dict[str, Any]] = []

    def hear(self, message: dict[str, Any]) -> None:
        self.heard.append(message)
        kind = message["type"]
        if kind == "snapshot":
            self.state, self.cursor = message["state"], message["cursor"]
        elif kind == "diff":
            assert message["from"] == self.cursor, (
                f"a diff from {message['from']} to {message['cursor']} does not start where the client stands: {self.cursor}"
            )
            self.state, self.cursor = merge(self.state, message["patch"]), message["cursor"]
        elif kind == "heartbeat":
            self.quality = message["quality"]
            assert message.get("cursor", self.cursor) == self.cursor, "a heartbeat moved the cursor"

    def count(self, kind: str) -> int:
        return sum(message["type"] == kind for message in self.heard)
