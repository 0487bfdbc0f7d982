# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which certificate is to be asked for, when, and for which names. Pure.

Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FIRST_WAIT_SECONDS = 60.0
# Let's Encrypt takes five failed validations of a name in an hour.
WAIT_FACTOR, LONGEST_WAIT_SECONDS = 4, 6 * 3600.0
# Where it was not asked, a part of the first wait: a proxy may have yet to hear of a name.
OWN_WAIT_PART, OWN_WAIT_FACTOR, LONGEST_OWN_WAIT_SECONDS = 1 / 12, 2, 900.0
# Of what is remembered before the authority is asked: whoever ends in between, and begins again, is to wait, too.
UNDER_WAY = "it was being asked for when this ended"
# Of a certificate's life: it is renewed when less is left, and without a name that leads elsewhere when less is left.
RENEWED_BELOW, SHORTENED_BELOW = 1 / 3, 1 / 10
# After so long, what fewer than most of the managers say counts: others may have been drained.
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Certificate:
    """One that there is."""

    names: frozenset[str]
    since: float
    until: float
    server: str

    def left(self, now: float) -> float:
        """The part of its life that is left, from 1 to 0."""
        return max(self.until - now, 0) / max(self.until - self.since, 1)


@dataclass(frozen=True)
class Attempts:
    """What has come of asking. ``names``: that were wanted then, of ``server``.

    ``left_out``: name -> why it was not asked for.
    ``failures``: in a row; ``refusals``: those of them in which the authority was asked.
    """

    names: tuple[str, ...] = ()
    failures: int = 0
    refusals: int = 0
    retry_at: float = 0
    reason: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    server: str = ""

    def is_of(self, wanted: Sequence[str], server: str) -> bool:
        """Whether it is about this wish: other names are another one, and so is another authority."""
        return (tuple(wanted), server) == (self.names, self.server)


@dataclass(frozen=True)
class Told:
    """What a manager's task says. When what it keeps was written, 0 for never: the ``archive``, and the ``leaves``."""

    version: str
    managers: int
    wanted: Mapping[str, tuple[str, ...]]
    archive: int = 0
    leaves: int = 0


def parse_wanted(content: Any) -> dict[str, tuple[str, ...]]:
    """App -> host names, of the list in the proxies' state."""
    return {str(app): tuple(dict.fromkeys(map(str, names))) for app, names in content.items() if names}


def agreed(told: Collection[Told], *, patient: bool) -> Told | None:
    """What is in force: what most of the managers say. ``patient``: the same few have said it for a while."""
    if len({one.version for one in told}) != 1:
        return None
    first = next(iter(told))
    return first if patient or 2 * len(told) > max(one.managers for one in told) else None


def need(wanted: Sequence[str], certificate: Certificate | None, server: str, now: float) -> str:
    """Why a certificate has to be asked for; empty for not at all."""
    if certificate is None:
        return "there is none"
    if certificate.server != server:
        return "it is by another authority"
    if certificate.left(now) < RENEWED_BELOW:
        return "it ends soon"
    return "its names are others" if set(wanted) != certificate.names else ""


def is_due(wanted: Sequence[str], attempts: Attempts, server: str, now: float) -> bool:
    """Whether it may be asked for now, as far as earlier attempts go."""
    return now >= attempts.retry_at or not attempts.is_of(wanted, server)


def names_to_ask(
    wanted: Sequence[str], certificate: Certificate | None, elsewhere: Mapping[str, str], server: str, now: float
) -> tuple[str, ...]:
    """The names to ask a certificate for: those that lead to us. Empty where there is nothing to ask for.

    ``elsewhere``: name -> why it does not. A name that the certificate has is left out at the end of its life only.
    """
    names = tuple(name for name in wanted if name not in elsewhere)
    if certificate is None:
        return names
    lost = certificate.names & elsewhere.keys()
    if lost and certificate.left(now) >= SHORTENED_BELOW:
        return ()
    if need(names, certificate, server, now):
        return names
    return ()


def failed(
    attempts: Attempts,
    wanted: Sequence[str],
    server: str,
    reason: str,
    now: float,
    *,
    was_asked: bool = True,
    first: float = FIRST_WAIT_SECONDS,
) -> Attempts:
    """One more failure, with a longer wait than the one before. ``was_asked``: by the authority, which counts them."""
    before = attempts if attempts.is_of(wanted, server) else Attempts()
    failures, refusals = before.failures + 1, before.refusals + was_asked
    times, begin, factor, longest = (
        (refusals, first, WAIT_FACTOR, LONGEST_WAIT_SECONDS)
        if was_asked
        else (failures - refusals, first * OWN_WAIT_PART, OWN_WAIT_FACTOR, LONGEST_OWN_WAIT_SECONDS)
    )
    wait = min(begin * float(factor) ** min(times - 1, 20), longest)
    return Attempts(tuple(wanted), failures, refusals, now + wait, reason, server=server)


def is_failing(
    wanted: Sequence[str], certificate: Certificate | None, attempts: Attempts, server: str, now: float
) -> bool:
    """Whether there is no certificate, or it is not renewed. That one name of several leads elsewhere is neither."""
    names = [name for name in wanted if name not in attempts.left_out]
    return attempts.failures > 0 and bool(need(names, certificate, server, now))


def stale(wanted: Collection[str], held: Iterable[str]) -> list[str]:
    """The certificates that nobody wants any more."""
    return sorted(set(held) - set(wanted))


def metrics(until: Mapping[str, float], failures: Mapping[str, int]) -> str:
    """For Prometheus, by app: the end of its certificate (0: none), and how often renewing has failed in a row."""
    # The apps' names need no escaping.
    lines = ["# TYPE certificate_until_seconds gauge"]
    lines += [f'certificate_until_seconds{{app="{app}"}} {end:.0f}' for app, end in sorted(until.items())]
    lines += ["# TYPE certificate_renewal_failures gauge"]
    lines += [f'certificate_renewal_failures{{app="{app}"}} {count}' for app, count in sorted(failures.items())]
    return "\n".join([*lines, ""])
