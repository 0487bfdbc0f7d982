# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the managers' state says of certificates by ACME: which routes have theirs, and why others don't. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class Certificate:
    """Of one route, as what asks for it has told. ``until``, ``retry_at``: seconds since 1970, 0 for never."""

    names: Sequence[str] = ()
    until: float = 0
    failures: int = 0
    reason: str = ""
    retry_at: float = 0
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """``wanted``: route -> host names. ``is_current``: what asks has seen this list."""

    wanted: Mapping[str, Sequence[str]]
    is_current: bool = False
    certificates: Mapping[str, Certificate] = field(default_factory=dict)

    def lacking(self, route: str) -> list[str]:
        """The host names of a route that its certificate has not."""
        certificate = self.certificates.get(route, Certificate())
        return [name for name in self.wanted[route] if name not in certificate.names]


def parse_kept(text: str) -> Kept:
    """``text``: lines, the version of the state, the list of names that are wanted, and what was told, if anything."""
    version, wanted, *told = [line for line in text.splitlines() if line]
    status: dict[str, Any] = json.loads(told[0]) if told else {}
    return Kept(
        json.loads(wanted),
        status.get("version") == version,
        {route: Certificate(**one) for route, one in status.get("certificates", {}).items()},
    )


def is_settled(kept: Kept, until: float) -> bool:
    """Whether nothing more is to be expected: each route has its certificate, or is tried again after ``until``."""
    lacking = [route for route in kept.wanted if kept.lacking(route)]
    return kept.is_current and all(kept.certificates.get(route, Certificate()).retry_at > until for route in lacking)


def warnings(kept: Kept, addresses: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Which host names have no certificate yet, a sentence each route.

    ``addresses``: of names that lead elsewhere, as this machine finds them.
    """
    for route in sorted(kept.wanted):
        certificate, names = kept.certificates.get(route, Certificate()), kept.lacking(route)
        if names:
            served = "the certificate that has no such name" if certificate.names else "the platform's own"
            yield (
                f"{route}: no certificate by the authority yet for {', '.join(names)}, {served} is served meanwhile: "
                f"{_why(certificate, names, addresses)}"
            )
        elif certificate.failures:
            yield (
                f"{route}: its certificate is not renewed, and good until {_moment(certificate.until)}: "
                f"{_why(certificate, names, addresses)}"
            )


def _why(certificate: Certificate, names: Sequence[str], addresses: Mapping[str, Sequence[str]]) -> str:
    found = [
        f"{name} is found here at {', '.join(addresses[name])}" if addresses[name] else f"{name} is found nowhere"
        for name in names
        if name in certificate.left_out and name in addresses
    ]
    again = f"it is tried again at {_moment(certificate.retry_at)}" if certificate.retry_at else ""
    reason = certificate.reason or "it has not been asked for yet"
    return "; ".join(part for part in (reason, *found, again) if part)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def rows(kept: Kept) -> dict[str, dict[str, Any]]:
    """For who asks: of each route, its names, those that lack, until when, and how often asking has failed in a row."""
    return {
        route: {
            "names": list(certificate.names),
            "lacking": kept.lacking(route),
            "until": _moment(certificate.until) if certificate.until else "",
            "failures": certificate.failures,
            "reason": certificate.reason,
        }
        for route in sorted(kept.wanted)
        for certificate in [kept.certificates.get(route, Certificate())]
    }
