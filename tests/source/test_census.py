"""Two clusters are never mixed into one."""

import asyncio

import pytest

from realtime.config import Cluster
from realtime.errors import SourceUnavailable
from realtime.source.census import Census, split
from tests.fakes import FakeSource

HOPPER = Cluster(name="pbs")


def labels(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"cluster": cluster, "job": job} for cluster, job in pairs]


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ([], []),
        ([("", "")], []),
        ([("", "pbs")], []),
        ([("hopper", "pbs")], []),
        ([("hopper", "pbs"), ("hopper", "other")], []),
        ([("", "b"), ("", "a")], [("a", {"cluster": "", "job": "a"}), ("b", {"cluster": "", "job": "b"})]),
        ([("x", "j"), ("y", "j")], [("x", {"cluster": "x"}), ("y", {"cluster": "y"})]),
        ([("", "j"), ("y", "j")], [("j", {"cluster": "", "job": "j"}), ("y", {"cluster": "y"})]),
        (
            [("hopper", "x"), ("", "hopper")],
            [("hopper", {"cluster": "hopper"}), ("hopper-", {"cluster": "", "job": "hopper"})],
        ),
        (
            [("", "a/b"), ("", "a:b")],
            [("a-b", {"cluster": "", "job": "a/b"}), ("a-b-", {"cluster": "", "job": "a:b"})],
        ),
        (
            [("", ""), ("", "é")],
            [("unlabelled", {"cluster": "", "job": ""}), ("unlabelled-", {"cluster": "", "job": "é"})],
        ),
    ],
)
def test_clusters_are_told_apart_by_their_labels(
    groups: list[tuple[str, str]], found: list[tuple[str, dict[str, str]]]
) -> None:
    """A cluster label makes a cluster, or else a job; one of either is just the one cluster, and none is lost to a like name."""
    clusters = split(HOPPER, labels(*groups))

    assert [(cluster.name, cluster.pbs_exporter_labels) for cluster in clusters] == found


class Telling(FakeSource):
    """A source that tells who reports, or fails, and counts how often it is asked."""

    def __init__(self, *groups: tuple[str, str]) -> None:
        super().__init__()
        self.told: list[dict[str, str]] | Exception = labels(*groups)
        self.asked = 0

    async def groups(self) -> list[dict[str, str]]:
        self.asked += 1
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


async def test_who_is_known_is_not_asked_about() -> None:
    """The source is asked once about labels that it names, and what is read of them is let through."""
    source = Telling(("", "hopper"))
    census = Census(HOPPER, source)

    assert [await census.strangers({("", "hopper")}) for _ in range(3)] == [0, 0, 0]
    assert source.asked == 1


async def test_who_is_no_exporter_is_a_stranger_and_asked_about_each_time() -> None:
    """Labels that the source does not name are counted, also while nothing is read of them; once it names them, no more."""
    source = Telling(("hopper", "pbs"))
    census = Census(HOPPER, source)
    rules = {("hopper", "rules"), ("hopper", "pbs")}

    assert [await census.strangers(each) for each in (rules, {("hopper", "pbs")}, rules)] == [1, 1, 1]
    assert source.asked == 2

    source.told = labels(*rules)
    assert await census.strangers(rules) == 0


async def test_several_clusters_are_let_through_to_nobody() -> None:
    """Once there are several clusters, those who wait for that are told which, and whoever has read something of them waits for ever."""
    census = Census(HOPPER, Telling(("", "hopper"), ("", "vanda")))
    several = asyncio.create_task(census.several())
    reading = asyncio.create_task(census.strangers({("", "hopper"), ("", "vanda")}))

    assert [cluster.name for cluster in await several] == ["hopper", "vanda"]
    assert not (await asyncio.wait([reading], timeout=0.01))[0]
    reading.cancel()


async def test_who_cannot_be_asked_about_is_not_known() -> None:
    """While the source does not answer nothing is let through of labels that are new; what is known passes."""
    source = Telling(("", "hopper"))
    census = Census(HOPPER, source)
    await census.strangers({("", "hopper")})
    source.told = SourceUnavailable("gone")

    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            await census.strangers({("", "hopper"), ("", "vanda")})
    assert await census.strangers({("", "hopper")}) == 0


async def test_who_comes_back_is_asked_about_again() -> None:
    """An exporter that had left is asked about when it returns: another cluster may report by then."""
    source = Telling(("", "hopper"))
    census = Census(HOPPER, source)
    await census.strangers({("", "hopper")})
    source.told = labels(("", "vanda"))
    await census.strangers({("", "vanda")})
    source.told = labels(("", "hopper"), ("", "vanda"))
    returned = asyncio.create_task(census.strangers({("", "hopper")}))

    assert len(await census.several()) == 2
    returned.cancel()
