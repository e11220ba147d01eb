import re

from realtime.pbs.names import MEANINGS, STATUS_WORDS, first
from tests.pbs.assembled import capture

UNUSED = {
    # Always 0: the exporter's parser returns before it reads the line.
    "qstatq_total_queued",
    "qstatq_total_running",
    # What is available is what is installed less what is used.
    "pbs_node_cpus_available",
    "pbs_node_gpus_available",
    "pbs_node_memory_available_gb",
    # Finished jobs are never listed, so this is always 0.
    "qstat_total_f_jobs",
}


def test_every_metric_of_the_real_exporter_is_read_or_left_out_for_a_reason() -> None:
    """The alias table knows each family of a real capture, but for those that say nothing."""
    families = set(re.findall(r"(?m)^# TYPE (\S+)", capture("at-1794166412")))

    assert families - MEANINGS.keys() == UNUSED


def test_every_status_of_the_real_exporter_is_known() -> None:
    """The words that the exporter gives to jobs' states are all understood."""
    said = set(re.findall(r'qstat_jobs_by_status\{status="([^"]+)"\}', capture("at-1794166412")))

    assert said <= STATUS_WORDS.keys()


def test_the_first_name_that_a_source_has_wins() -> None:
    """Of two names for one field, the first listed is read."""
    assert first({"b": 2.0, "a": 1.0}, ("a", "b")) == 1.0
    assert first({"b": 2.0}, ("a", "b")) == 2.0
    assert first({}, ("a", "b")) is None
