"""The stories for whoever writes a client (data/conformance.json) are what this server says, and our own readers keep to them. The JavaScript
client's part is realtime/dashboard/test/conformance.test.js.
"""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import json_merge_patch
import orjson
import pytest

import realtime
from tests import stories, told
from tests.client import ClientModel, merge

FILE: Final = Path(__file__).parent / "data" / "conformance.json"
PROTOCOL: Final = (Path(realtime.__file__).parents[1] / "docs" / "protocol.md").read_text()

Story = dict[str, Any]

STORIES: Final[list[Story]] = orjson.loads(FILE.read_bytes())["stories"]

each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story["name"])


def heard(story: Story) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each step in which something is heard, with all that is held before and after it."""
    held: dict[str, Any] = {"state": None, "cursor": None, "quality": None}
    for step in story["steps"]:
        if "hear" in step:
            before, held = held, held | {name: step[name] for name in held if name in step}
            yield step, {"before": before, **held}


def same(one: object, other: object) -> bool:
    """Whether these are one JSON value: true is not 1."""
    one, other = (orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in (one, other))
    return one == other


def test_the_file_is_what_this_server_says() -> None:
    """The file is the one that `python -m tests.stories` makes now."""
    assert FILE.read_text() == stories.text()


def test_every_message_is_documented() -> None:
    """Every message of the stories, but for what only a later server says, is one that AsyncAPI has."""
    for story in STORIES:
        if not story["name"].startswith("what a later server adds"):
            for step, _ in heard(story):
                told.frame(step["hear"], real=False)


def test_the_stories_tell_of_everything() -> None:
    """Every thing that a reader does is done in some story, and every reason and quality is heard; the protocol explains what is to be done."""
    steps = [step for story in STORIES for step, _ in heard(story)]
    section = PROTOCOL[
        PROTOCOL.index("\n## For those who write a client") : PROTOCOL.index("\n## A client in JavaScript")
    ]
    explained = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))

    assert {step["do"] for step in steps} == explained - {
        "connect",
        "hear",
        "do",
        "state",
        "cursor",
        "quality",
    }
    assert {step["hear"].get("reason") for step in steps if step["hear"]["type"] == "snapshot"} >= {
        "new",
        "epoch",
        "horizon",
    }
    assert {step["hear"].get("quality") for step in steps} >= {"starting", "live", "stale", "partial", "down"}


@each_story
def test_the_model_keeps_to_it(story: Story) -> None:
    """The reader that the tests believe holds at each step what the story says, and comes back with the cursor that it says."""
    model = ClientModel()
    held = {id(step): after for step, after in heard(story)}
    for step in story["steps"]:
        if "connect" in step:
            assert step["connect"].get("since") == model.cursor
            continue
        if step["do"] == "resume":
            with pytest.raises(AssertionError, match="does not start where the client stands"):
                model.hear(step["hear"])
        else:
            model.hear(step["hear"])
        after = held[id(step)]
        assert same(
            [model.state, model.cursor, model.quality], [after["state"], after["cursor"], after["quality"]]
        )


def documented_merge() -> Callable[[Any, Any], Any]:
    """That of the client in docs/protocol.md."""
    (block,) = re.findall(r"^def merge\(.*?(?=^\S)", PROTOCOL, re.MULTILINE | re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(block, namespace)
    found: Callable[[Any, Any], Any] = namespace["merge"]
    return found


@pytest.mark.parametrize(
    "apply",
    [merge, json_merge_patch.merge, documented_merge()],
    ids=["ours", "a library's", "the protocol's"],
)
def test_every_patch_leads_to_what_is_true(apply: Callable[[Any, Any], Any]) -> None:
    """By any implementation of RFC 7396 a diff makes of what is held what the store has."""
    patches = 0
    for story in STORIES:
        for step, held in heard(story):
            if step["do"] == "apply":
                patches += 1
                assert same(
                    apply(deepcopy(held["before"]["state"]), deepcopy(step["hear"]["patch"])), held["state"]
                )

    assert patches > 20
