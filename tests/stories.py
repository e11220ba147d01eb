"""Stories for whoever writes a client: what a server says, and what a reader then holds and does.

    python -m tests.stories > tests/data/conformance.json

What is said is what a real hub says to a subscriber, and what is held is what its store then holds: no merge is trusted. docs/protocol.md
tells how to read the file. Only two things are made up: what a later server may add, and which messages the network loses or repeats.
"""

import json
import sys
from typing import Any, Final

from realtime import logs
from realtime.stream import messages
from tests.story import Entities, Story

ABOUT: Final = "What a server says, and what a reader then holds and does. docs/protocol.md tells how to read this; tests/stories.py has made it."


def node(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "state": "free", **fields}


NODES: Final = {"n1": node("n1", usedGpus=1, totalGpus=8), "n2": node("n2", usedGpus=0, totalGpus=8)}
GPUS: Final = {"total": 16, "used": 1, "freeHistogram": [0, 0, 1, 1]}

ODD_NAMES: Final = (
    "__proto__", "constructor", "toString", "hasOwnProperty", "0", "", "大堂", "😀", 'q"u\\o', "a/b~c", "\u2028",
)  # fmt: skip

ODD_VALUES: Final[tuple[Any, ...]] = (
    0, "", 0.5, -1, 2**53 - 1, 1e300, "null", "大堂 😀 \u0000", [], True, 1, "1", [{"code": "FROZEN", "detail": "null"}, 2, [1]],
)  # fmt: skip


def used(count: int) -> Entities:
    return NODES | {"n1": NODES["n1"] | {"usedGpus": count}}


def begun(name: str, *topics: str, **more: Any) -> Story:
    """A story whose reader holds two nodes."""
    return Story(name, *topics, **more).publishes(nodes=NODES, summary={"gpus": GPUS}).connects()


def first_minutes() -> Story:
    story = begun("a snapshot, then diffs, each from where the one before has led")
    for count in (2, 3):
        story.publishes(nodes=used(count)).hears()
    return story.ages(15).beats().hears()


def nothing_known() -> Story:
    story = Story("before the first poll there is no cursor, and then a snapshot").connects()
    return story.publishes(nodes=NODES).hears().beats().hears()


def removals() -> Story:
    story = begun("null removes a node, and a field; a topic without entities stays")
    story.publishes(nodes={"n1": node("n1", usedGpus=1)}).hears().publishes(nodes={}).hears()
    return story.publishes(nodes={"n2": node("n2")}).hears()


def removal_of_the_unknown() -> Story:
    story = begun("a null for what one never had does nothing", "nodes", nodes=("n*",))
    story.publishes(nodes=NODES | {"n3": node("n3")}).loses().publishes(nodes=used(2)).loses()
    return story.connects()


def lists() -> Story:
    story = begun("a list is replaced whole")
    for histogram in ([0, 0, 2], [], [1, 2, 3, 4, 5]):
        story.publishes(summary={"gpus": GPUS | {"freeHistogram": histogram}}).hears()
    return story


def names() -> Story:
    story = begun("names are names, whatever they mean elsewhere")
    odd = {name: node(name, usedGpus=number) for number, name in enumerate(ODD_NAMES)}
    story.publishes(nodes=NODES | odd).hears()
    changed = {name: entity | {"usedGpus": 80, "__proto__": "x"} for name, entity in odd.items()}
    return story.publishes(nodes=NODES | changed).hears().publishes(nodes=NODES).hears()


def values() -> Story:
    story = begun("values are kept as they are")
    for value in ODD_VALUES:
        story.publishes(summary={"gpus": GPUS | {"used": value}}).hears()
    return story


def stray() -> Story:
    story = begun(
        "a lost diff makes the next one a stray: it is not applied, and the reader comes back with its cursor"
    )
    story.publishes(nodes=used(2)).loses().publishes(nodes={"n1": used(3)["n1"]}).hears()
    return story.connects()


def repeated() -> Story:
    story = begun("a diff that is heard twice is a stray the second time")
    return story.publishes(nodes=used(2)).hears().hears_again().connects().publishes(nodes=used(3)).hears()


def current() -> Story:
    story = begun("who comes back and has missed nothing hears no state")
    return story.connects().publishes(nodes=used(4)).hears()


def missed() -> Story:
    story = begun("one diff brings what was missed: whole nodes, and as null the fields that they have lost")
    for nodes in (used(2), used(2) | {"n3": node("n3")}, {"n1": node("n1", usedGpus=3), "n3": node("n3")}):
        story.publishes(nodes=nodes).loses()
    return story.connects()


def epoch() -> Story:
    story = begun("a server that has restarted knows no old cursor: its snapshot replaces all")
    story.restarts().publishes(nodes={"n9": node("n9")}).connects()
    return story.publishes(nodes={"n9": node("n9", usedGpus=1)}).hears()


def restart() -> Story:
    story = begun(
        "after a restart there is nothing to tell at first; what is held stays until a snapshot comes"
    )
    story.says_goodbye(messages.RESTART, "restart").hears().restarts().connects()
    return story.publishes(nodes={"n9": node("n9")}).hears().beats().hears()


def horizon() -> Story:
    story = begun("removals are forgotten in time: a cursor from before that brings a snapshot", tombstones=0)
    return story.publishes(nodes={"n1": NODES["n1"]}).loses().connects()


def smaller() -> Story:
    many = {f"gone-{number:02}": node(f"gone-{number:02}") for number in range(12)}
    story = Story("a snapshot that is smaller than the diff comes in its place", "nodes").publishes(
        nodes=many
    )
    story.connects().publishes(nodes={"n1": node("n1")}).loses()
    return story.publishes(nodes={"n1": node("n1", usedGpus=1)}).loses().connects()


def quality() -> Story:
    story = begun("the quality changes in heartbeats, which move no cursor")
    at = story.sampled_at
    story.ages(200).beats().hears().beats(sampled_at=at, reachable=False).hears()
    story.beats(sampled_at=at + 200_000, partial=True).hears().beats(sampled_at=at + 200_000).hears()
    return story.publishes(nodes=used(5)).hears()


def later() -> Story:
    story = begun("what a later server adds is ignored: messages, fields, and values that are not known")
    story.hears_of_later(
        {"type": "weather", "cluster": "hopper", "cursor": "k3f9-99", "state": {}, "patch": {"nodes": None}}
    )
    story.publishes(nodes=used(2)).hears(mood="good", state={"nodes": {}}, reason="whim")
    story.beats().hears(mood="good", patch={"nodes": None}, state={})
    story.says_goodbye(messages.RESTART, "whim").hears(mood="bad", cursor="k3f9-99")
    story.publishes(nodes=used(3)).connects(mood="fair", reason="whim")
    return (
        story.restarts().publishes(nodes=used(4)).connects(mood="fair", reason="whim", patch={"nodes": None})
    )


def goodbye() -> Story:
    story = begun("a goodbye below 4500: come back after `retryMs`, with the cursor")
    story.says_goodbye(messages.RESTART, "restart").hears()
    return story.publishes(nodes=used(6)).connects()


def refused() -> Story:
    story = begun("a goodbye of 4500 or more: do not come back with the same; what is held stays")
    return story.says_goodbye(4501, "this can never be served").hears()


STORIES: Final = (
    first_minutes, nothing_known, removals, removal_of_the_unknown, lists, names, values, stray, repeated, current, missed, epoch, restart,
    horizon, smaller, quality, later, goodbye, refused,
)  # fmt: skip


def text() -> str:
    """The file: a step a line, so that a change of the protocol can be read as a difference."""

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    told = [story().ends() for story in STORIES]
    stories = [
        f'    {{"name": {line(story["name"])}, "steps": [\n'
        + ",\n".join(f"      {line(step)}" for step in story["steps"])
        + "\n    ]}"
        for story in told
    ]
    head = f'{{\n  "about": {line(ABOUT)},\n  "protocol": {messages.PROTOCOL},\n  "stories": [\n'
    return head + ",\n".join(stories) + "\n  ]\n}\n"


if __name__ == "__main__":
    logs.to_stderr("warn")
    sys.stdout.buffer.write(text().encode())
