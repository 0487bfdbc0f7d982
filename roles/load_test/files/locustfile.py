# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One step of a load test, for Locust: users that arrive evenly over a ramp, and each ask for one path so many times.

Settings come as environment variables. What Locust has counted is written to stdout as one line of JSON at the end.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from locust.exception import StopUser

USERS, LOOPS = int(os.environ["LOAD_USERS"]), int(os.environ["LOAD_LOOPS"])
RAMP_SECONDS, TIMEOUT_SECONDS = float(os.environ["LOAD_RAMP_SECONDS"]), float(os.environ["LOAD_TIMEOUT_SECONDS"])
PATH = os.environ["LOAD_PATH"]
# One for all users: loading the bundle for each would cost more than their requests.
TRUST = ssl.create_default_context()
TRUST.load_verify_locations(cafile=os.environ["LOAD_CA_FILE"])


class Course:
    """What has happened so far."""

    begin = end = 0.0
    arrived = done = 0


class Visitor(FastHttpUser):
    """A user: a connection of its own, the next request when the last one was answered."""

    insecure = False
    network_timeout = connection_timeout = TIMEOUT_SECONDS
    # A user has one request at a time.
    concurrency = 1

    @staticmethod
    def ssl_context_factory() -> ssl.SSLContext:
        return TRUST

    def on_start(self) -> None:
        """Wait for one's turn: Locust lets all in at once, so that the ramp is even to the millisecond."""
        turn, Course.arrived = Course.arrived, Course.arrived + 1
        gevent.sleep(max(Course.begin + turn * RAMP_SECONDS / USERS - time.time(), 0))

    @task
    def visit(self) -> None:
        for _loop in range(LOOPS):
            self.client.get(PATH)
        Course.done, Course.end = Course.done + 1, time.time()
        raise StopUser


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    """Count from here; quit when the last user is done. (--run-time ends it where one never is.)"""
    Course.begin = time.time() + 0.5

    def quit_when_done() -> None:
        while Course.done < USERS:
            gevent.sleep(0.05)
        environment.runner.quit()

    gevent.spawn(quit_when_done)


@events.quitting.add_listener
def report(environment: Any, **_: Any) -> None:
    """Say what was counted: times in seconds."""
    total = environment.stats.total
    figures = {
        "begin": Course.begin,
        "end": Course.end if Course.done == USERS else time.time(),
        "users_done": Course.done,
        "answered": total.num_requests,
        "failed": total.num_failures,
        "p50_seconds": (total.get_response_time_percentile(0.5) or 0) / 1000,
        "p95_seconds": (total.get_response_time_percentile(0.95) or 0) / 1000,
        "max_seconds": (total.max_response_time or 0) / 1000,
        "mean_seconds": total.avg_response_time / 1000,
        "causes": {str(error.error): error.occurrences for error in environment.stats.errors.values()},
        "client_short_of_cpu": bool(environment.runner and environment.runner.cpu_warning_emitted),
    }
    print(f"load-step: {json.dumps(figures)}", flush=True)
    environment.process_exit_code = 0
