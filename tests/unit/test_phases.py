# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.fungap.swarm.plugins.plugin_utils.phases import Span, Stopwatch, table


def test_a_task_lasts_until_the_next_one_or_the_end() -> None:
    times = iter([1.0, 3.5, 3.5, 4.0])
    stopwatch = Stopwatch(lambda: next(times))
    stopwatch.start("Prepare", "images", "Build")
    stopwatch.start("Prepare", "images", "Push")
    stopwatch.stop()
    stopwatch.stop()
    assert stopwatch.spans == [Span("Prepare", "images", "Build", 2.5), Span("Prepare", "images", "Push", 0.5)]


def test_table_names_plays_then_roles_where_there_are_several_then_the_slowest_tasks() -> None:
    spans = [
        Span("Check", "preflight", "Check the inventory", 0.25),
        Span("Prepare", "docker_engine", "Look", 0.01),
        Span("Prepare", "docker_engine", "Start", 1.25),
        Span("Prepare", "images", "Build", 60),
        Span("Prepare", "", "Say so", 0.01),
    ]
    assert list(table(spans, slowest=2)) == [
        "seconds  phase",
        "    0.2  Check",
        "   61.3  Prepare",
        "    1.3    docker_engine",
        "   60.0    images",
        "   61.5  in all",
        "",
        "seconds  slowest tasks",
        "   60.0  images : Build",
        "    1.2  docker_engine : Start",
    ]


def test_table_of_a_run_without_a_slow_task() -> None:
    assert list(table([Span("Check", "", "Look", 0.01)], slowest=10))[-1] == "    0.0  in all"
