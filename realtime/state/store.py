"""What is true now, and since which revision.

Law 1: for every revision R that a client may hold, `apply(state_at(R), changes_since(R)) == state_now`, for every view.

How the law is kept, without a log of what was sent and without a queue per reader:

- Each entity stands in a row with the revision that last changed it, and the one that changed it before. Whatever is
  removed leaves a tombstone.
- A patch since R holds every row with a later revision. A reader who misses only an entity's last change gets the fields
  that it changed; any other gets the whole entity, in which the fields that it once had and has no more are named as `null`.
- A tombstone that is forgotten moves the horizon: who stands before it gets a snapshot, never a wrong diff.

Entities are flat: a field's value is a scalar or a list, never an object, never null. A JSON Merge Patch (RFC 7396) would
merge into an object and could not say null.

Bytes are made here, at most once per entity and revision; a view joins them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from realtime.state.cursor import Cursor
from realtime.state.view import View

Entity = Mapping[str, Any]
State = Mapping[str, Mapping[str, Entity]]
"""topic → key → entity."""


class Row:
    """One entity, or the tombstone of one, with its bytes for snapshots and patches. They are made when first asked for: a commit of
    thousands of entities must not hold up the event loop for bytes that nobody may read.
    """

    __slots__ = ("_changed", "_member", "_was", "_whole", "entity", "key", "lost", "previous", "revision")

    def __init__(self, key: str, entity: Entity | None, revision: int, before: "Row | None") -> None:
        self.key = key
        self.entity = entity
        self.lost: frozenset[str] = frozenset()
        """Fields that it once had and has no more."""
        self.revision = revision
        self.previous = before.revision if before else 0
        """The revision at which this entity was last different from what it was before `revision`."""
        self._was = before.entity if before else None
        self._member: bytes | None = None
        self._whole: bytes | None = None
        self._changed: bytes | None = None
        if before is not None:
            self.lost = before.lost.union(self._was or ()).difference(entity or ())

    @property
    def member(self) -> bytes:
        """`"key":entity`, as a member of a snapshot."""
        if self._member is None:
            self._member = self._named(self.entity)
        return self._member

    @property
    def whole(self) -> bytes:
        """As a member of a patch for a reader who missed more than the last change: all fields, and those lost as null."""
        if self._whole is None:
            whole = (
                self.entity
                if self.entity is None or not self.lost
                else {**self.entity, **dict.fromkeys(sorted(self.lost))}
            )
            self._whole = self._named(whole) if whole is not self.entity else self.member
        return self._whole

    @property
    def changed(self) -> bytes:
        """As a member of a patch for a reader who missed the last change only."""
        if self._changed is None:
            if self.entity is None or self._was is None:
                self._changed = self.whole
            else:
                self._changed = self._named(difference(self._was, self.entity))
            self._was = None
        return self._changed

    def _named(self, entity: Entity | None) -> bytes:
        # Joined, so that orjson's over-sized buffer is not what is kept.
        return orjson.dumps(self.key) + b":" + orjson.dumps(entity)


class Store:
    """Every topic of one cluster. Revision 0 is before anything is known."""

    def __init__(self, epoch: str, topics: Iterable[str], *, tombstones: int) -> None:
        self.epoch = epoch
        self.revision = 0
        self.at = 0
        """When the current revision was committed, epoch ms."""
        self._limit = tombstones
        self._rows: dict[str, dict[str, Row]] = {topic: {} for topic in topics}
        self._changed_at = dict.fromkeys(self._rows, 0)
        # The oldest revision from which a topic's diff can be told.
        self._horizon = dict.fromkeys(self._rows, 0)
        # Rows and tombstones of each topic, the last changed last: a diff reads backwards and stops at its cursor, so it costs
        # what changed, not what exists.
        self._changes: dict[str, dict[str, Row]] = {topic: {} for topic in self._rows}
        self._tombstones: dict[tuple[str, str], Row] = {}

    @property
    def cursor(self) -> Cursor:
        """Where a reader stands who knows everything."""
        return Cursor(self.epoch, self.revision)

    @property
    def tombstones(self) -> int:
        """Removals that are remembered."""
        return len(self._tombstones)

    @property
    def horizon(self) -> int:
        """The oldest revision from which every topic's diff can be told."""
        return max(self._horizon.values())

    def commit(self, state: State, at: int) -> bool:
        """Make `state` the truth; a topic that it does not name stays as it was. `at` is epoch ms.

        Returns whether anything changed: if not, neither did the revision. The first commit always counts.
        """
        revision = self.revision + 1
        if first := self.revision == 0:
            self._changed_at = dict.fromkeys(self._rows, revision)
        touched = set[str]()
        for topic, entities in state.items():
            rows, changes = self._rows[topic], self._changes[topic]
            for key, entity in entities.items():
                before = rows.get(key)
                if before is not None and (before.entity is entity or same(before.entity, entity)):
                    continue
                changes_before = before or changes.get(key)
                row = Row(key, entity, revision, changes_before)
                rows[key] = row
                changes.pop(key, None)
                changes[key] = row
                self._tombstones.pop((topic, key), None)
                touched.add(topic)
            if len(rows) > len(entities):
                for key in [key for key in rows if key not in entities]:
                    row = Row(key, None, revision, rows.pop(key))
                    del changes[key]
                    changes[key] = row
                    self._tombstones[topic, key] = row
                    touched.add(topic)
        if touched or first:
            self._changed_at.update(dict.fromkeys(touched, revision))
            self.revision = revision
            self.at = at
            self._forget()
        return bool(touched) or first

    def _forget(self) -> None:
        while len(self._tombstones) > self._limit:
            topic, key = next(iter(self._tombstones))
            row = self._tombstones.pop((topic, key))
            del self._changes[topic][key]
            self._horizon[topic] = row.revision

    def entities(self, topic: str) -> Mapping[str, Entity]:
        """The topic's entities, by key."""
        return {key: row.entity for key, row in self._rows[topic].items() if row.entity is not None}

    def entity(self, topic: str, key: str) -> Entity | None:
        """One entity; None if there is none."""
        row = self._rows[topic].get(key)
        return None if row is None else row.entity

    def why_snapshot(self, cursor: Cursor | None, view: View) -> str | None:
        """Why a reader with this cursor needs a snapshot (`new`, `epoch`, `horizon`); None if a diff will do."""
        if cursor is None:
            return "new"
        if cursor.epoch != self.epoch or cursor.revision > self.revision:
            return "epoch"
        horizon = max(1, *(self._horizon[topic] for topic in view.topics))
        return "horizon" if cursor.revision < horizon else None

    def changed_at(self, topics: Iterable[str]) -> int:
        """The last revision that changed something in these topics."""
        return max(self._changed_at[topic] for topic in topics)

    def snapshot(self, view: View) -> bytes:
        """The view's whole state, as JSON. A topic without entities is `{}`, never absent."""
        return _join(
            (topic, [row.member for row in self._rows[topic].values() if view.shows(topic, row.key)])
            for topic in view.topics
        )

    def changes_since(self, revision: int, view: View) -> bytes | None:
        """The JSON Merge Patch from `revision` to now; None if nothing that the view shows has changed since.

        `revision` must be one for which `why_snapshot` has no reason.
        """
        topics = [
            (topic, members) for topic in view.topics if (members := [*self._since(revision, topic, view)])
        ]
        return _join(topics) if topics else None

    def _since(self, revision: int, topic: str, view: View) -> Iterator[bytes]:
        for row in reversed(self._changes[topic].values()):
            if row.revision <= revision:
                return
            if view.shows(topic, row.key):
                yield row.changed if revision >= row.previous else row.whole


def same(old: Any, new: Any) -> bool:
    """Whether two values are one JSON value. Python holds 1 and True for equal; JSON and our readers do not."""
    if old != new:
        return False
    if isinstance(new, Mapping):
        return all(same(old[field], value) for field, value in new.items())
    if isinstance(new, list | tuple):
        return orjson.dumps(old) == orjson.dumps(new)
    return isinstance(old, bool) == isinstance(new, bool)


def difference(old: Entity, new: Entity) -> dict[str, Any]:
    """The merge patch that makes `old` into `new`: changed fields, and those that are gone as None."""
    patch = {field: value for field, value in new.items() if field not in old or not same(old[field], value)}
    patch.update(dict.fromkeys(field for field in old if field not in new))
    return patch


def _join(topics: Iterable[tuple[str, list[bytes]]]) -> bytes:
    return (
        b"{"
        + b",".join(b'"%s":{%s}' % (topic.encode(), b",".join(members)) for topic, members in topics)
        + b"}"
    )
