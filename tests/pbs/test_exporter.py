from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from realtime.pbs.exporter import CONTRARY_SCRAPES, Exporter
from realtime.pbs.names import MEANINGS
from realtime.source.exposition import Exposition
from tests.pbs.assembled import FULL, HALF, IDLE, capture, node_text, stamped
from tests.steps import finish

SCRAPE_MS = 15_000


class Heard:
    """An exporter that is heard scrape after scrape."""

    def __init__(self, dialect: str = "auto", unit: str = "auto") -> None:
        self.exporter = Exporter("pbs", "a:1", dialect=dialect, unit=unit)
        self.exposition = Exposition()
        self.at = 0

    def hear(self, text: str, *, again: bool = False) -> set[str]:
        """A new scrape, or the last one `again` with what has become visible since; the nodes that may read otherwise."""
        self.at += 0 if again else SCRAPE_MS
        reading = finish(self.exposition.read(stamped(text, self.at).encode(), 1))
        for sample in reading.gone:
            if sample.name in MEANINGS:
                self.exporter.drop(sample, sample.name)
        for sample in reading.changed:
            if sample.name in MEANINGS:
                self.exporter.take(sample, sample.name)
        return finish(self.exporter.settle(self.at))

    @property
    def dialect(self) -> tuple[str, str]:
        return self.exporter.dialect.name, self.exporter.dialect.decided_by


BY_EXPORTER = node_text("a", 1) + node_text("b", 4)
BY_SEED = node_text("a", 0) + node_text("b", 3)
OPEN = node_text("a", 1) + node_text("b", 2)
BY_FORK = node_text("a", 1, **HALF) + node_text("b", 2, **FULL) + node_text("c", 4, **IDLE)
BY_LABEL = 'pbs_node_state{node="a",state="free"} 1\npbs_node_state{node="b",state="job-busy"} 1\n'


def test_a_dialect_stands_until_three_scrapes_in_a_row_contradict_it() -> None:
    """Two contrary scrapes change nothing, the third in a row does, and then every node may read otherwise."""
    heard = Heard()
    heard.hear(BY_EXPORTER)
    heard.hear(BY_SEED)
    heard.hear(BY_SEED)
    assert heard.dialect == ("exporter", "code")

    touched = heard.hear(BY_SEED)

    assert heard.dialect == ("seed", "code")
    assert touched == {"a", "b"}


def test_a_scrape_that_agrees_begins_the_count_anew() -> None:
    """Contrary scrapes that are not in a row prove nothing."""
    heard = Heard()
    heard.hear(BY_EXPORTER)
    for _ in range(5):
        for text in (BY_SEED, BY_SEED, BY_EXPORTER):
            heard.hear(text)
            assert heard.dialect == ("exporter", "code")


def test_repeated_looks_at_one_scrape_prove_nothing_more() -> None:
    """However often the same contrary scrape is looked at, it is one."""
    heard = Heard()
    heard.hear(BY_EXPORTER)
    heard.hear(BY_SEED)
    for _ in range(9):
        heard.hear(BY_SEED, again=True)

    assert heard.dialect == ("exporter", "code")


def test_what_was_assumed_gives_way_at_once() -> None:
    """The first evidence of any kind replaces an assumption."""
    heard = Heard()
    heard.hear(OPEN)
    assert heard.dialect == ("exporter", "assumed")

    heard.hear(BY_SEED)

    assert heard.dialect == ("seed", "code")


def test_what_is_configured_wins() -> None:
    """Against what the operator says there is no evidence."""
    heard = Heard(dialect="seed")
    for _ in range(CONTRARY_SCRAPES + 2):
        heard.hear(BY_EXPORTER)

    assert heard.dialect == ("seed", "configured")


def test_a_fork_is_told_by_a_full_node_of_code_2() -> None:
    """Code 2 with every CPU in use is job-busy, which the real exporter would have called 4; with CPUs left it is a high load."""
    fork, exporter = Heard(), Heard()
    fork.hear(BY_FORK)
    exporter.hear(BY_FORK.replace('cpus_used{node="b"} 112', 'cpus_used{node="b"} 111'))

    assert fork.dialect == ("fork", "code")
    assert exporter.dialect == ("exporter", "code")


def test_a_fork_stays_one_when_nothing_is_full() -> None:
    """That no node is busy says nothing against a fork, nor does a full node that has died; a busy node that is not full does."""
    heard = Heard()
    heard.hear(BY_FORK)
    for _ in range(CONTRARY_SCRAPES + 1):
        heard.hear(node_text("a", 1, **HALF) + node_text("b", 4, **FULL))
    assert heard.dialect[0] == "fork"

    for _ in range(CONTRARY_SCRAPES):
        heard.hear(node_text("a", 2, **HALF) + node_text("b", 4, **FULL))

    assert heard.dialect[0] == "exporter"


CLASSES = ("free", "busy", "offline", "down")
CODES = {"exporter": (1, 2, 3, 4), "seed": (0, 1, 2, 3), "fork": (1, 2, 3, 4)}


def cluster(dialect: str, counts: tuple[int, ...], random: Random | None = None) -> str:
    """A cluster as the dialect tells it, with its counts; `random` flips one node in twenty and misses one in ten."""
    lines = [f"pbs_node_count_{word} {count}\n" for word, count in zip(CLASSES, counts, strict=True)]
    for word, count in zip(CLASSES, counts, strict=True):
        for index in range(count):
            told = word
            if random is not None:
                if random.random() < 0.1:
                    continue
                told = random.choice(CLASSES) if random.random() < 0.05 else word
            name = f"{word}{index}"
            if dialect == "label":
                lines.append(f'pbs_node_state{{node="{name}",state="{told}"}} 1\n')
            else:
                full = dialect == "fork" and told == "busy"
                code = CODES[dialect][CLASSES.index(told)]
                lines.append(node_text(name, code, **(FULL if full else IDLE)))
    return "".join(lines)


def small_clusters() -> Iterator[tuple[int, ...]]:
    return (counts for counts in product(range(6), repeat=4) if 0 < sum(counts) <= 5)


@pytest.mark.parametrize("dialect", ["exporter", "seed", "fork", "label"])
def test_every_small_cluster_is_told_in_every_dialect(dialect: str) -> None:
    """Of all clusters of up to five nodes each is decided right; a fork without a busy node is an exporter in all that it says."""
    wrong = []
    for counts in small_clusters():
        heard = Heard()
        heard.hear(cluster(dialect, counts))
        expected = "exporter" if dialect == "fork" and not counts[1] else dialect
        if heard.dialect[0] != expected:
            wrong.append(counts)

    assert wrong == []


@pytest.mark.parametrize("dialect", ["exporter", "seed", "fork", "label"])
def test_noisy_clusters_are_told_in_every_dialect(dialect: str) -> None:
    """With one node in twenty flipped and one in ten missing, fewer than one cluster in five hundred is decided wrong."""
    random = Random(11)
    wrong = 0
    for _ in range(500):
        heard = Heard()
        heard.hear(cluster(dialect, tuple(random.randint(3, 12) for _ in CLASSES), random))
        wrong += heard.dialect[0] != dialect

    assert wrong <= 1


@pytest.mark.parametrize("moment", ["at-1794166412", "at-1794934410", "at-1795366406"])
def test_the_real_exporter_is_told_as_itself(moment: str) -> None:
    """Each real capture is decided by its codes, and shows the exporter's mark."""
    heard = Heard()
    heard.hear(capture(moment))

    assert heard.dialect == ("exporter", "code")
    assert heard.exporter.calls_full_nodes_down


def test_the_mark_of_the_exporter_is_remembered() -> None:
    """That an exporter has no word for full nodes stays known while none of its nodes is full."""
    heard = Heard()
    heard.hear(node_text("a", 4, **FULL) + node_text("b", 1, **IDLE))

    heard.hear(node_text("a", 1, **IDLE) + node_text("b", 1, **IDLE))

    assert heard.exporter.calls_full_nodes_down


def test_a_fork_has_no_such_mark() -> None:
    """A full node that a fork calls down is dead: the fork has a word for full ones."""
    heard = Heard()
    heard.hear(BY_FORK + node_text("d", 4, **FULL))

    assert not heard.exporter.calls_full_nodes_down


@pytest.mark.parametrize(
    "name", ["vnode", "-----", "---------------", "\x00ÿ<html>502", "a\tb", "\u202eevil"]
)
def test_what_no_pbs_could_have_named_is_no_node(name: str) -> None:
    """A header read as a node, and names with control characters, are left out and remembered as odd."""
    heard = Heard()
    heard.hear(node_text("a", 1) + node_text(name, 4, **IDLE))

    assert [*heard.exporter.nodes] == ["a"]
    assert heard.exporter.odd_names["node"] == {name}


def test_an_odd_name_is_forgotten_with_its_series() -> None:
    """A row that was misread once is no fault for ever."""
    heard = Heard()
    heard.hear(node_text("a", 1) + node_text("vnode", 4))

    heard.hear(node_text("a", 1))

    assert not any(heard.exporter.odd_names.values())


def test_a_queue_may_be_called_what_no_node_is() -> None:
    """`vnode` is odd as a node only; a control character is odd everywhere, and is then no odd node."""
    heard = Heard()
    heard.hear('qstat_que_by_queue{queue="vnode"} 1\nqstat_running_jobs_by_user{user="\x01"} 1\n' + OPEN)

    assert [*heard.exporter.families["queue"]] == ["vnode"]
    assert heard.exporter.odd_names == {"user": {"\x01"}}


def test_a_series_without_its_label_is_nobodys() -> None:
    """A node's reading that does not say which node is about none."""
    heard = Heard()
    heard.hear("pbs_node_jobs 3\n" + OPEN)

    assert sorted(heard.exporter.nodes) == ["a", "b"]


def test_memory_without_a_unit_is_told_by_its_size() -> None:
    """`pbs_node_mem_total` is in bytes where it is a million or more, and in GiB again where the nodes say so again."""
    heard = Heard()
    heard.hear('pbs_node_mem_total{node="a"} 2164663517184\n' + OPEN)
    assert heard.exporter.unit == "bytes"
    heard.hear('pbs_node_mem_total{node="a"} 0\n' + OPEN)
    assert heard.exporter.unit == "bytes"

    touched = heard.hear('pbs_node_mem_total{node="a"} 2016\n' + OPEN)

    assert heard.exporter.unit == "GiB"
    assert touched == {"a", "b"}


def test_a_configured_unit_wins() -> None:
    """Against what the operator says of memory no size counts."""
    heard = Heard(unit="bytes")
    heard.hear('pbs_node_mem_total{node="a"} 512\n' + OPEN)

    assert heard.exporter.unit == "bytes"


@pytest.mark.parametrize(
    "text", [OPEN, BY_LABEL, 'qstat_que_by_queue{queue="q"} 1\n', "qstat_total_r_jobs 3\n"]
)
def test_the_newest_scrape_is_known_also_when_nothing_changes(text: str) -> None:
    """With totals or without, and though no value changes, the exporter's newest timestamp is its last scrape's."""
    heard = Heard()
    for _ in range(3):
        heard.hear(text)
        assert heard.exporter.newest == heard.at
        assert heard.exporter.fresh
    heard.hear(text, again=True)

    assert not heard.exporter.fresh


def test_the_newest_scrape_survives_the_reading_that_told_it() -> None:
    """When the label series that was heard first is gone, the others tell the time."""
    heard = Heard()
    heard.hear(BY_LABEL)
    heard.hear(BY_LABEL.replace('"a",state="free"', '"a",state="down"'))
    heard.hear('pbs_node_state{node="b",state="job-busy"} 1\n')
    heard.hear('pbs_node_state{node="b",state="job-busy"} 1\n')

    assert heard.exporter.newest == heard.at
    assert heard.exporter.fresh


def test_of_two_series_for_one_reading_the_newer_counts() -> None:
    """A relabelled target's old series, which stay visible for minutes, neither overwrite nor take away what the new ones say."""
    old, new = 'pbs_node_jobs{node="a",rack="1"} 3 1000\n', 'pbs_node_jobs{node="a",rack="2"} 5 16000\n'
    exporter, exposition = Exporter("", ""), Exposition()
    for body in (old, old + new, new + old.replace(" 3 ", " 4 "), new):
        reading = finish(exposition.read(body.encode(), 1))
        for sample in reading.gone:
            exporter.drop(sample, sample.name)
        for sample in reading.changed:
            exporter.take(sample, sample.name)
        finish(exporter.settle(1))

    assert exporter.nodes["a"] == {"pbs_node_jobs": 5}


def test_when_the_newer_of_two_series_ends_the_older_counts() -> None:
    """What another series still tells is not lost with the one that was believed, be it a number or a labelled state; with the last it is."""
    heard = Heard()
    both = "".join(
        f'pbs_node_jobs{{node="a",replica="{each}"}} 3\npbs_node_state{{node="a",state="free",replica="{each}"}} 1\n'
        for each in "ab"
    )
    one = "".join(line for line in both.splitlines(keepends=True) if 'replica="a"' in line)
    for text in (both, one):
        heard.hear(text)
        node = heard.exporter.nodes["a"]
        assert (node, node.states) == ({"pbs_node_jobs": 3}, ["free"])
    heard.hear(both.replace("jobs", "cpus_total"))
    heard.hear("pbs_node_count_free 1\n")

    assert heard.exporter.nodes == {}


def test_of_two_series_for_one_labelled_state_the_end_of_the_older_is_no_end() -> None:
    """When a relabelled target's old series ends, the state that the new one tells is still told."""
    heard = Heard()
    old = 'pbs_node_state{node="a",state="free",rack="1"} 1\n'
    new = old.replace('rack="1"', 'rack="2"')
    for text in (old, old + new, new):
        heard.hear(text)

    assert set(heard.exporter.nodes["a"].states) == {"free"}


def test_the_mark_is_forgotten_with_the_dialect() -> None:
    """An exporter that is replaced by a fork is no longer doubted."""
    heard = Heard()
    heard.hear(node_text("a", 4, **FULL))
    assert heard.exporter.calls_full_nodes_down

    for _ in range(CONTRARY_SCRAPES):
        heard.hear(BY_FORK)

    assert (heard.dialect[0], heard.exporter.calls_full_nodes_down) == ("fork", False)


def test_silence_and_absence_are_dated() -> None:
    """Since when an exporter lists no node, and since when it says nothing at all, are known until it speaks again."""
    heard = Heard()
    heard.hear("qstat_total_r_jobs 3\n")
    assert (heard.exporter.silent_since, heard.exporter.size) == (None, 0)
    heard.hear(OPEN + "qstat_total_r_jobs 3\n")
    heard.hear("qstat_total_r_jobs 3\n")
    silent = heard.at
    heard.hear("")

    assert (heard.exporter.silent_since, heard.exporter.gone_since) == (silent, heard.at)
    assert heard.exporter.size == 2
    heard.hear(OPEN)
    assert (heard.exporter.silent_since, heard.exporter.gone_since) == (None, None)


def test_a_change_is_dated_and_a_repetition_is_not() -> None:
    """The moment of the last change is that of the last value that was another, whatever it was about."""
    heard = Heard()
    heard.hear(OPEN + "qstat_total_r_jobs 3\n")
    heard.hear(OPEN + "qstat_total_r_jobs 4\n")
    changed = heard.at
    heard.hear(OPEN + "qstat_total_r_jobs 4\n")

    assert heard.exporter.changed_at == changed


def test_a_large_exporter_gives_the_loop_its_turn() -> None:
    """Thousands of nodes are counted in slices."""
    exporter = Exporter("", "")
    text = "".join(node_text(f"n{number}") for number in range(5_000))
    for sample in finish(Exposition().read(text.encode(), 1)).changed:
        exporter.take(sample, sample.name)

    assert sum(1 for _ in exporter.settle(0)) >= 5


def test_a_key_names_the_exporter() -> None:
    """Job and instance, or the one that there is, or that there is none."""
    assert [Exporter(*each).key for each in (("pbs", "a:1"), ("pbs", ""), ("", "a:1"), ("", ""))] == [
        "pbs|a:1",
        "pbs",
        "a:1",
        "unlabelled",
    ]
