import os

from aeon.load import server_figures
from aeon.load.server_figures import difference, read_metrics

FIRST = """\
# HELP aeon_commands_total Commands.
# TYPE aeon_commands_total counter
aeon_commands_total{type="send_message"} 10.0
aeon_commands_total{type="ping"} 2.0
aeon_commands_created{type="ping"} 1.7e9
# TYPE aeon_connections gauge
aeon_connections 5.0
# TYPE aeon_commit_seconds histogram
aeon_commit_seconds_bucket{le="0.1"} 3.0
aeon_commit_seconds_count 3.0
python_info{version="3.11"} 1.0
"""


def test_metrics_are_summed_over_their_labels() -> None:
    assert read_metrics(FIRST) == {
        "aeon_commands_total": ("counter", 12.0),
        "aeon_connections": ("gauge", 5.0),
        "aeon_commit_seconds_count": ("", 3.0),
    }


def test_counters_tell_how_far_they_went_and_gauges_where_they_stand() -> None:
    last = read_metrics(FIRST.replace("10.0", "15.0").replace("connections 5.0", "connections 4.0"))

    assert difference(read_metrics(FIRST), last) == {
        "aeon_commands_total": 5.0,
        "aeon_connections": 4.0,
    }


def test_a_server_that_was_started_again_counts_from_its_start() -> None:
    last = read_metrics(FIRST.replace("10.0", "1.0"))

    assert difference(read_metrics(FIRST), last)["aeon_commands_total"] == 3.0


def test_what_is_no_metric_is_passed_over() -> None:
    assert read_metrics("<html>\n\naeon_x notanumber\n{}") == {}


def test_processor_time_of_this_process_is_found() -> None:
    tree = server_figures.cpu_of_tree(os.getpid())

    assert tree[os.getpid()][1] > 0
