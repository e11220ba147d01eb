from collections.abc import Callable

import pytest

from realtime.config import Settings
from realtime.state.store import Store
from realtime.state.view import TOPICS
from realtime.stream.hub import Hub
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_hub(clock: FakeClock) -> Callable[..., Hub]:
    def make(*, tombstones: int = 100, **keys: object) -> Hub:
        settings = Settings.model_validate(keys)
        store = Store("k3f9", TOPICS, tombstones=tombstones)
        return Hub("hopper", store, settings, now_ms=clock.now_ms, clock=clock)

    return make


@pytest.fixture
def hub(make_hub: Callable[..., Hub]) -> Hub:
    return make_hub()
