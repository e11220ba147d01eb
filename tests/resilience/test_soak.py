import math

from tests.resilience.soak import Round, slope


def rounds(*rss_mib: float) -> list[Round]:
    """A round a minute."""
    return [Round(60.0 * number, ("stall",), 400, 1.0, each, 200) for number, each in enumerate(rss_mib, 1)]


def test_the_slope_is_what_a_server_grew_once_it_had_settled() -> None:
    """A leak of a MiB a minute is 60 MiB an hour, whatever the first quarter did; and of too few rounds nothing can be told."""
    assert slope(rounds(10, 50, 100, 101, 102, 103, 104, 105, 106, 107)) == 60
    assert abs(slope(rounds(10, 60, 99, 101, 99, 101, 99, 101, 99, 101))) < 10
    assert math.isnan(slope(rounds(1, 2)))
