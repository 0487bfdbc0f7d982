# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which steps a load test has, when it ends, and what it says in the end. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.model import Measured, Step

STEPS_MAX = 100


@dataclass(frozen=True)
class Profile:
    """``users``: of the first steps; with ``users_step`` more follow, each with so many more, up to ``users_max``.

    ``cpu_percent_max``: the CPU above which no more steps follow, 0 for none. ``pause_seconds``: between steps.
    """

    users: tuple[int, ...]
    ramp_seconds: float
    loops: int = 1
    users_step: int = 0
    users_max: int = 0
    pause_seconds: float = 0
    cpu_percent_max: float = 0

    def steps(self) -> Iterator[Step]:
        last = self.users[-1]
        more = range(last + self.users_step, self.users_max + 1, self.users_step) if self.users_step else ()
        return (Step(users, self.ramp_seconds, self.loops) for users in chain(self.users, more))


def choose_profile(name: str, profiles: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Any]) -> Profile:
    """The profile of that name with ``changes`` to it; a change that is None or empty is none."""
    if name not in profiles:
        raise PlatformError(f"there is no profile {name!r}; there are: {', '.join(sorted(profiles))}")
    settings = {**profiles[name], **{key: value for key, value in changes.items() if value not in (None, "")}}
    known = set(Profile.__dataclass_fields__)
    if set(settings) - known:
        wrong = ", ".join(sorted(set(settings) - known))
        raise PlatformError(f"profile {name} has no setting {wrong}; it may have: {', '.join(sorted(known))}")
    users = settings.get("users", ())
    users = users.split(",") if isinstance(users, str) else users if isinstance(users, Sequence) else [users]
    numbers: dict[str, tuple[Any, float]] = {
        "users": (int, 1),
        "ramp_seconds": (float, 0),
        "loops": (int, 1),
        "users_step": (int, 0),
        "users_max": (int, 0),
        "pause_seconds": (float, 0),
        "cpu_percent_max": (float, 0),
    }
    values: dict[str, Any] = {"users": tuple(_number("users", one, *numbers["users"]) for one in users)}
    for key, value in settings.items():
        if key != "users":
            values[key] = _number(key, value, *numbers[key])
    if not values["users"] or "ramp_seconds" not in values:
        raise PlatformError(f"profile {name} needs users and ramp_seconds")
    return Profile(**values)


def _number(key: str, value: Any, kind: Any, least: float) -> Any:
    try:
        number = kind(value)
        # Python reads 1_0 and digits of other scripts, too, and takes 1 for 1.5.
        if number != float(value) or (isinstance(value, str) and re.search("[^ -~]|_", value)):
            raise ValueError
        if isinstance(value, bool) or not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        # What is none may be anything, a secret too.
        raise PlatformError(f"{key} must be a {'whole ' if kind is int else ''}number") from None
    if number < least:
        raise PlatformError(f"{key} is {number:g}: it must be at least {least:g}")
    return number


def check_bounds(profile: Profile, *, requests_max: int, deadline_seconds: float) -> list[Step]:
    """The steps, none of which is longer or bigger than allowed."""
    # There may be more of them than fit into memory.
    steps = list(islice(profile.steps(), STEPS_MAX + 1))
    if len(steps) > STEPS_MAX:
        raise PlatformError(f"that is more than {STEPS_MAX} steps: a bigger users_step")
    biggest = max(steps, key=lambda step: step.requests)
    if biggest.requests > requests_max:
        raise PlatformError(
            f"a step with {biggest.users} users and {biggest.loops} loops is {biggest.requests} requests; "
            f"load_test_requests_max allows {requests_max}"
        )
    if profile.ramp_seconds >= deadline_seconds:
        raise PlatformError(
            f"a ramp of {profile.ramp_seconds:g} s has no place in load_test_deadline_seconds, {deadline_seconds:g}"
        )
    return steps


def check_confirmation(platform: str, *, protected: bool, confirmed: str) -> None:
    """Let a test of a protected platform pass only with its name."""
    if protected and confirmed != platform:
        raise PlatformError(
            f"platform {platform} is protected from load tests (load_test_protected), and load_test_confirmed is "
            f"{confirmed!r}: its users will feel it. To confirm, run again with -e load_test_confirmed={platform}"
        )


def why_over(profile: Profile, measured: Measured, error_ratio_max: float) -> str:
    """Why no more steps may follow; '' where they may."""
    if measured.error_ratio > error_ratio_max:
        causes = sorted(measured.causes.items(), key=lambda item: (-item[1], item[0]))
        unanswered = measured.errors - measured.failed
        told = [f"{count} x {cause}" for cause, count in causes[:3]]
        told += [f"{unanswered} not answered in time"] if unanswered else []
        return f"{measured.errors} of {measured.step.requests} requests failed ({'; '.join(told)})"
    if profile.cpu_percent_max:
        if measured.cpu is None:
            return "the CPU could not be measured"
        if measured.cpu * 100 > profile.cpu_percent_max:
            return f"CPU {measured.cpu:.0%} is above {profile.cpu_percent_max:g} %"
    return ""


@dataclass(frozen=True)
class Verdict:
    """``failed``: the play has to fail. ``limit_users``: of the last step within the limits, None where unknown."""

    text: str
    failed: bool
    limit_users: int | None = None


def judge(profile: Profile, results: Sequence[Measured], error_ratio_max: float) -> Verdict:
    """What the results of the steps so far say; only the last of them may be over a limit."""
    last = results[-1]
    over = why_over(profile, last, error_ratio_max)
    good = results[:-1] if over else results
    if not profile.cpu_percent_max:
        if over:
            return Verdict(f"failed at {last.step.users} users: {over}", failed=True)
        return Verdict(f"passed: up to {last.step.users} users in {last.step.ramp_seconds:g} s", failed=False)
    if not good:
        # Nothing works, or it is not known: that is no limit found.
        failed = not over.startswith("CPU ")
        return Verdict(f"limit: below {last.step.users} users, the first step: {over}", failed=failed)
    best = good[-1]
    arriving = best.step.users / best.step.ramp_seconds if best.step.ramp_seconds else best.rate
    rates = f"{arriving:.0f} users/s arriving, {best.rate:.0f} requests/s"
    shown = f"{best.step.users} users ({rates}), CPU {best.cpu or 0:.0%}"
    if not over:
        return Verdict(f"limit: not reached with {shown}", failed=False, limit_users=best.step.users)
    return Verdict(f"limit: {shown}; at {last.step.users} users {over}", failed=False, limit_users=best.step.users)
