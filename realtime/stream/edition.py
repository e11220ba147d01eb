"""One view's messages, made at most once per revision however many read it."""

from typing import Final

from realtime.counts import Telling
from realtime.state.cursor import Cursor
from realtime.state.freshness import Quality
from realtime.state.store import Store
from realtime.state.view import View
from realtime.stream import messages
from realtime.stream.messages import Message

MAX_DIFFS: Final = 64
"""Diffs kept per view and revision. Readers who lag are at a few cursors; more than this are made again."""


class Edition:
    """What one view shows now, ready to send."""

    def __init__(self, cluster: str, store: Store, view: View, counts: Telling | None = None) -> None:
        self.view = view
        self.counts = counts or Telling()
        self._cluster = cluster
        self._store = store
        self._revision = store.changed_at(view.topics)
        self._seen = store.revision
        self._snapshots: dict[str, Message] = {}
        self._state: bytes | None = None
        self._diffs: dict[int | None, Message] = {}
        self._heartbeats: dict[int | None, tuple[tuple[int, str, int | None], Message]] = {}

    @property
    def revision(self) -> int:
        """The last revision that changed anything this view shows: a reader there has seen everything."""
        if self._seen != self._store.revision:
            self._follow()
        return self._revision

    def _follow(self) -> None:
        """Catch up with the store. If nothing changed that this view shows, nothing changes here."""
        store = self._store
        before = self._revision
        cursor = Cursor(store.epoch, before)
        self._seen = store.revision
        refused = store.why_snapshot(cursor, self.view) is not None
        patch = None if refused else store.changes_since(before, self.view)
        if patch is None and not refused:
            return
        self._revision = store.revision
        self._snapshots, self._state, self._diffs = {}, None, {}
        if patch is not None:
            self.counts.encoded["diff"] += 1
            self._diffs[before] = messages.diff(self._cluster, cursor, self.cursor, store.at, patch)

    @property
    def cursor(self) -> Cursor:
        """Where a reader stands who has seen everything that this view shows."""
        return Cursor(self._store.epoch, self.revision)

    @property
    def state(self) -> bytes:
        """The view's whole state, as JSON."""
        _ = self.revision
        if self._state is None:
            self._state = self._store.snapshot(self.view)
        return self._state

    def snapshot(self, reason: str) -> Message:
        """The whole state, as a message."""
        state = self.state
        self.counts.snapshots[reason] += 1
        message = self._snapshots.get(reason)
        if message is None:
            self.counts.encoded["snapshot"] += 1
            message = messages.snapshot(self._cluster, self.cursor, self._store.at, reason, state)
            self._snapshots[reason] = message
        return message

    def since(self, cursor: Cursor | None) -> Message | None:
        """What takes a reader from its cursor to now: one diff, a snapshot if there is none (or it is the smaller), or nothing."""
        if not self._store.revision:
            return None  # nothing is known yet, which is not the same as an empty cluster
        reason = self._store.why_snapshot(cursor, self.view)
        if reason or cursor is None:
            return self.snapshot(reason or "new")
        return self.after(cursor.revision)

    def after(self, revision: int | None) -> Message | None:
        """As `since`, for a reader who was told `revision` of this epoch, or nothing yet. Every delivery passes here."""
        if self._seen != self._store.revision:
            self._follow()
        return self._diffs.get(revision) or self._made(revision)

    def _made(self, revision: int | None) -> Message | None:
        if revision is None:
            return self.since(None)
        if revision >= self._revision:
            return None
        cursor = Cursor(self._store.epoch, revision)
        if reason := self._store.why_snapshot(cursor, self.view):
            return self.snapshot(reason)
        patch = self._store.changes_since(revision, self.view)
        if patch is None:
            return None
        if len(patch) > len(self.state):
            return self.snapshot("horizon")
        self.counts.encoded["diff"] += 1
        message = messages.diff(self._cluster, cursor, self.cursor, self._store.at, patch)
        if len(self._diffs) < MAX_DIFFS:
            self._diffs[revision] = message
        return message

    @property
    def size(self) -> int:
        """Bytes of JSON that it holds prepared; what was framed, about as much again."""
        kept = (*self._snapshots.values(), *self._diffs.values())
        return len(self._state or b"") + sum(len(message.json) for message in kept)

    def heartbeat(self, revision: int | None, at: int, quality: Quality, data_age_ms: int | None) -> Message:
        """The heartbeat for readers at `revision`; those that are due in one sweep share its bytes."""
        known = self._heartbeats.get(revision)
        now = (at, quality.value, data_age_ms)
        if known is None or known[0] != now:
            self.counts.encoded["heartbeat"] += 1
            cursor = None if revision is None else Cursor(self._store.epoch, revision)
            self._heartbeats = {key: value for key, value in self._heartbeats.items() if value[0] == now}
            known = self._heartbeats[revision] = (
                now,
                messages.heartbeat(self._cluster, cursor, at, quality.value, data_age_ms),
            )
        return known[1]
