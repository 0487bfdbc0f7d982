"""Runs of site.yml that are killed, one after the other, are completed by the next one that is not."""

from __future__ import annotations

import random

from .conftest import Platform

POINTS = 10


def test_killed_at_random_tasks_and_completed_by_the_next_run(bare: Platform) -> None:
    """From nothing. Each run goes on from what the killed one before it left, and is killed at a later task.

    So each half-done state is looked at, passed through, and built upon; what it leaves behind for good would be seen
    at the end: by the run that completes, and by the one after it, which has to find nothing to do.
    """
    count = bare.tasks()
    chance = random.Random()
    seed = chance.randrange(10**6)
    chance.seed(seed)
    # One point in each tenth of the run, anywhere in it.
    points = [chance.randint(count * i // POINTS + 1, max(count * (i + 1) // POINTS, 1)) for i in range(POINTS)]
    print(f"\nseed {seed}, of {count} tasks: {points}")
    for point in points:
        print(f"  killed at task {point:3} ({bare.run_and_kill(point) or 'was over'})")
    bare.run()
    assert bare.answers()
    again = bare.run()
    assert again.changed == 0, again.output
