"""A day with all that comes up: what history says of it is what happened, and what runs is what it says."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest

from ..load.live import APP, Live, kill_job, kill_tree
from ..steps import tell
from ..waiting import wait_for
from .test_3_rollout_failures import QUICK, as_before, ok, runs

CRASH = """CMD ["node", "-e", "console.error('no database'); process.exit(3)"]"""
# More than the default, so that the whole day can be seen.
KEEP = 40


@dataclass
class Day:
    """What was done, and what ought to be in force: (image in the registry, ROUND, digest of the env file)."""

    live: Live
    lines: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    states: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def good(self, verb: str, reason: str, **values: Any) -> int:
        """A run that changes what runs; the number of its revision."""
        ok(self.live.operate(verb, reason=reason, app_keep=KEEP, **values))
        return self._note(verb, "converged", reason)

    def another_round(self, number: int) -> int:
        """The same image with another environment."""
        return self.good("deploy", f"round {number}", settings={"environment": {"ROUND": str(number)}})

    def back(self, reason: str, *, is_as: int, **values: Any) -> None:
        """A rollback; afterwards it is as it was when the revision ``is_as`` had come."""
        number = self.good("rollback", reason, **values)
        assert self.states[number] == self.states[is_as]

    def bad(self, verdict: str, reason: str, *, stays: int, **values: Any) -> None:
        """A deploy that fails; afterwards it is as it was when the revision ``stays`` had come."""
        run = self.live.operate("deploy", reason=reason, app_keep=KEEP, **values)
        assert run.code != 0, run.output[-3000:]
        self._note("deploy", verdict, reason)
        assert self.state() == self.states[stays]

    def killed(self, reason: str, **values: Any) -> None:
        """A deploy that is killed, here and there, as soon as the update has begun."""
        before = self.live.image()
        running = self.live.start("deploy", reason=reason, app_keep=KEEP, **values)
        wait_for("the update to begin", lambda: self.live.image() != before)
        kill_tree(running.process.pid)
        kill_job(self.live)
        running.wait()

    def _note(self, verb: str, verdict: str, reason: str) -> int:
        record = self.live.revision()
        release = record["release"]
        digest, env = release["image"].rpartition("sha256:")[2][:12], release["env"]["digest"]
        self.lines.insert(0, (verb, digest, env, verdict, reason))
        if verdict == "converged":
            self.states[record["revision"]] = self.state()
        return int(record["revision"])

    def state(self) -> tuple[str, str, str]:
        """What the swarm runs, by the service itself."""
        container = self.live.service()["Spec"]["TaskTemplate"]["ContainerSpec"]
        environment = dict(line.split("=", 1) for line in container.get("Env") or [])
        (volume,) = [mount["Source"] for mount in container["Mounts"] if "_env_" in mount["Source"]]
        return container["Image"], environment.get("ROUND", ""), volume


def history(live: Live) -> list[list[str]]:
    """The lines of the table that history.yml prints, in its columns."""
    output = live.play("playbooks/history.yml", "-e", f"app={APP}").output
    lines = (re.split(r" {2,}", line.strip()) for line in output.splitlines())
    return [line for line in lines if len(line) >= 6 and re.fullmatch(r"\d+( \*)?", line[0])]


@pytest.fixture
def quick(live: Live) -> Iterator[None]:
    """The app with short times; those of the inventory are back afterwards."""
    ok(live.operate("deploy", settings=QUICK, app_keep=KEEP))
    yield
    ok(live.operate("deploy", settings=as_before(live), reason="the inventory's again"))


@pytest.mark.usefixtures("quick")
def test_history_after_a_mixed_day(live: Live) -> None:
    day, before = Day(live), live.revision()["revision"]
    eight, nine = (live.image_from(f"day{number}", f"ENV APP_VERSION={number}.0.0") for number in (8, 9))

    first = day.good("deploy", "morning", image=eight)
    second, third = day.another_round(2), day.another_round(3)
    day.bad("rolled back", "no database", stays=third, image=live.image_from("day-broken", CRASH))
    day.back("it was slow", is_as=second, to=second)
    day.another_round(4)
    greet(day, "GREETING=Good evening\n")
    fifth, sixth = day.another_round(5), day.another_round(6)
    day.back("the one before", is_as=fifth)
    constraints = {"constraints": ["node.labels.disk == fast"]}
    day.bad("stuck", "no such disk", stays=fifth, settings=constraints, app_deadline_seconds=6)
    day.killed("killed", image=nine)
    seventh = day.good("deploy", "once more", image=nine)
    day.another_round(7)
    day.another_round(8)
    day.back("all of it", is_as=first, to=first)
    last = day.good("deploy", "evening", settings={"environment": {"ROUND": "9"}})
    assert len({day.states[number] for number in (first, second, third, fifth, sixth, seventh, last)}) == 7

    counted = [(kind, verdict) for kind, _, _, verdict, _ in day.lines]
    assert counted.count(("deploy", "converged")) == 11  # ten, and the env file
    assert counted.count(("rollback", "converged")) == 3
    assert len(counted) == 16

    assert_told(day, since=before, last=last)
    assert day.state() == day.states[last]
    assert runs(live, day.states[last][0])


def greet(day: Day, content: str) -> None:
    """Another env file."""
    day.good("deploy", "another greeting", env_file=day.live.env_file(content))
    assert day.lines[0][2] == secret_digest(content.encode())


def assert_told(day: Day, *, since: int, last: int) -> None:
    """History says of the revisions after ``since`` what was done, newest first, and that ``last`` is in force."""
    table = history(day.live)
    tell("\n".join("  ".join(line) for line in table))
    today = [line for line in table if int(line[0].removesuffix(" *")) > since]
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    seen = []
    for _number, _when, kind, person, image, env, verdict, why in today:
        assert person == who
        seen.append((kind, image.rpartition(" ")[2], env, verdict, why))
    assert seen == day.lines
    assert [line[0] for line in table if line[0].endswith("*")] == [f"{last} *"]
    whens = [line[1] for line in today]
    assert whens == sorted(whens, reverse=True)
