"""Every target, some hundred inputs each: hypothesis's own, and seeds that it changes. `make fuzz` goes on for as long as it is told."""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.target import inputs
from tests.fuzz.targets import NAMES, target


@pytest.mark.parametrize("name", NAMES)
def test_no_input_breaks_the_law(name: str) -> None:
    """The law at the head of the target's file holds for every input that was tried."""
    one = target(name)
    with one.ready() as take:

        @settings(
            max_examples=one.examples,
            # Where a change is judged, the same inputs each time; elsewhere new ones, and `make fuzz` for those that nobody thought of.
            derandomize="CI" in os.environ,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(inputs(one))
        def law(data: bytes) -> None:
            take(data)

        law()


@pytest.mark.parametrize("name", NAMES)
def test_no_seed_breaks_the_law(name: str) -> None:
    """Nor does what really comes."""
    one = target(name)
    with one.ready() as take:
        for seed in one.seeds:
            take(seed)
