from collections import Counter
from itertools import product
from random import Random

import pytest

from realtime.pbs.dialect import ENCODINGS, detect

CLASSES = ("free", "busy", "offline", "down")


def codes_of(dialect: str, counts: tuple[int, ...]) -> list[int]:
    codes = ENCODINGS[dialect]
    return [code for code, count in zip(codes, counts, strict=True) for _ in range(count)]


@pytest.mark.parametrize("dialect", ["exporter", "seed"])
def test_every_small_cluster_is_told_by_its_codes_and_counts(dialect: str) -> None:
    """Of all clusters of up to seven nodes in the four states, each is decided right."""
    clusters = [counts for counts in product(range(8), repeat=4) if 0 < sum(counts) <= 7]

    wrong = [
        counts
        for counts in clusters
        if detect(
            Counter(codes_of(dialect, counts)),
            labelled=False,
            counts=dict(zip(CLASSES, counts, strict=True)),
            names=(),
        ).name
        != dialect
    ]

    assert len(clusters) == 329
    assert wrong == []


@pytest.mark.parametrize("dialect", ["exporter", "seed"])
def test_noise_between_counts_and_nodes_seldom_misleads(dialect: str) -> None:
    """With one node in twenty flipped and one in ten missing, fewer than one cluster in a thousand is decided wrong."""
    random = Random(7)
    wrong = 0
    for _ in range(2_000):
        counts = tuple(random.randint(0, 30) for _ in CLASSES)
        codes = [
            random.choice(list(ENCODINGS[dialect])) if random.random() < 0.05 else code
            for code in codes_of(dialect, counts)
            if random.random() >= 0.1
        ]
        decided = detect(
            Counter(codes), labelled=False, counts=dict(zip(CLASSES, counts, strict=True)), names=()
        )
        wrong += decided.name != dialect

    assert wrong <= 2


@pytest.mark.parametrize(
    ("codes", "labelled", "names", "decision"),
    [
        ([1, 2], True, (), ("label", "label")),
        ([1, 4], False, (), ("exporter", "code")),
        ([0, 3], False, (), ("seed", "code")),
        ([1, 2], False, ("pbs_node_memory_total_gb",), ("exporter", "names")),
        ([1, 2], False, ("pbs_node_mem_total",), ("seed", "names")),
        ([1, 2], False, (), ("exporter", "assumed")),
        ([], False, (), ("exporter", "assumed")),
    ],
)
def test_evidence_is_weighed_in_order(
    codes: list[int], labelled: bool, names: tuple[str, ...], decision: tuple[str, str]
) -> None:
    """Labels outrank codes, codes outrank names, and without any of them what really ships is assumed and said to be."""
    assert detect(Counter(codes), labelled=labelled, counts={}, names=names) == decision


def test_counts_outrank_names() -> None:
    """Where codes 1 to 3 fit both encodings, the reported counts decide, whatever the metric names suggest."""
    decided = detect(
        Counter([1, 1, 2, 3]),
        labelled=False,
        counts={"free": 0, "busy": 2, "offline": 1, "down": 1},
        names=("qstat_que_by_queue",),
    )

    assert decided == ("seed", "counts")
