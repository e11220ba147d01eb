"""What happened lately to nodes and exporters: a bounded ring of transitions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_EVENTS: Final = 200
"""A screen shows a dozen; two hundred are some hours of a large cluster."""

Transition = tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]
"""A node's name, what it was, and what it is; None where there was none or is none."""


class Events:
    """The `events` topic: number (as text) → event, the oldest first. Numbers only grow."""

    def __init__(self, most: int = MAX_EVENTS) -> None:
        self.entities: dict[str, dict[str, Any]] = {}
        self._most = most
        self._next = 1

    def note(
        self,
        at_ms: int,
        kind: str,
        key: str,
        *,
        was: str | None = None,
        now: str | None = None,
        inferred: bool = False,
    ) -> None:
        """Add an event: `node.state`, `node.added`, `node.removed`, `source.fault` or `source.ok`."""
        event: dict[str, Any] = {"at": at_ms, "kind": kind, "key": key}
        event |= {field: value for field, value in (("from", was), ("to", now)) if value is not None}
        if inferred:
            event["inferred"] = True
        self.entities[str(self._next)] = event
        if len(self.entities) > self._most:
            del self.entities[next(iter(self.entities))]
        self._next += 1

    def note_nodes(self, at_ms: int, transitions: Sequence[Transition]) -> None:
        """Add what became of nodes; of more than the ring holds, the last."""
        self._next += max(0, len(transitions) - self._most)
        for name, was, now in transitions[-self._most :]:
            self.note(
                at_ms,
                "node.added" if was is None else "node.removed" if now is None else "node.state",
                name,
                was=None if was is None else was["state"],
                now=None if now is None else now["state"],
                inferred=any(node is not None and node.get("stateInferred", False) for node in (was, now)),
            )
