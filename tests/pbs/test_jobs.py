import pytest

from realtime.pbs import jobs


def test_totals_add_up_running_queued_and_held() -> None:
    """The total is what it always was: running, queued and held; what the exporter reports beside it is kept apart."""
    found = jobs.totals(
        {
            "qstat_total_r_jobs": 45,
            "qstat_total_q_jobs": 26,
            "qstat_total_h_jobs": 5,
            "qstat_total_all_jobs": 81,
        },
        {},
    )

    assert found == {"running": 45, "queued": 26, "held": 5, "reported": 81, "total": 76}


def test_a_total_of_which_a_part_is_unknown_is_unknown() -> None:
    """Without held jobs there is no total."""
    assert "total" not in jobs.totals({"qstat_total_r_jobs": 45, "qstat_total_q_jobs": 26}, {})


def test_e_is_exiting() -> None:
    """What the exporter calls Error is PBS's E, which means Exiting."""
    assert jobs.totals({"qstat_total_e_jobs": 2}, {"Error": 3})["exiting"] == 2
    assert jobs.totals({}, {"Error": 3}) == {"exiting": 3}


def test_words_and_letters_of_a_status_are_understood() -> None:
    """The exporter's words and PBS's letters fill in what the totals do not say; a letter of the future is left out."""
    found = jobs.totals({}, {"Running": 1, "Q": 2, "Hold": 3, "S": 4, "W": 5, "X": 6, "Z": 7, "Finished": 8})

    assert found == {
        "running": 1,
        "queued": 2,
        "held": 3,
        "suspended": 4,
        "waiting": 5,
        "expired": 6,
        "total": 6,
    }


@pytest.mark.parametrize(
    ("readings", "queue"),
    [
        (
            {"qstat_running_jobs_by_queue": 8, "qstat_que_by_queue": 7, "qstat_jobs_in_queue": 15},
            {"runningJobs": 8, "queuedJobs": 7, "totalJobs": 15},
        ),
        (
            {"qstat_running_jobs_by_queue": 8, "qstat_jobs_in_queue": 15},
            {"runningJobs": 8, "queuedJobs": 7, "totalJobs": 15},
        ),
        ({"qstat_que_by_queue": 3}, {"queuedJobs": 3}),
        ({"qstat_running_jobs_by_queue": 3}, {"runningJobs": 3}),
        (
            {"qstat_running_jobs_by_queue": 3, "qstat_jobs_in_queue": 1},
            {"runningJobs": 3, "queuedJobs": 0, "totalJobs": 3},
        ),
    ],
)
def test_a_queue_says_what_its_metrics_say(readings: dict[str, float], queue: dict[str, int]) -> None:
    """Queued jobs are read, or else what is listed beyond the running; what cannot be told is absent."""
    assert jobs.queue("q", readings) == {"name": "q"} | queue


def test_a_user_has_running_jobs_and_sometimes_queued_ones() -> None:
    """Queued jobs of a user are there only if an exporter tells them."""
    assert jobs.user("u", {"qstat_running_jobs_by_user": 3}) == {"name": "u", "runningJobs": 3}
    assert jobs.user("u", {"qstat_queued_jobs_by_user": 2}) == {"name": "u", "queuedJobs": 2}
