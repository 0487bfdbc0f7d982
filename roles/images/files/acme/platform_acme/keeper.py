# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps the certificates: looks at what is wanted, asks the authority, and gives what there is to the managers."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone

from platform_acme.client import AuthorityError, Client
from platform_acme.plan import (
    FIRST_WAIT_SECONDS,
    PATIENCE_SECONDS,
    UNDER_WAY,
    Attempts,
    Certificate,
    Told,
    agreed,
    failed,
    is_due,
    is_failing,
    metrics,
    names_to_ask,
    need,
    stale,
)
from platform_acme.states import CLIENT, LEAVES, STATUS, StateError, States, pack, pack_files, unpack


class Overtaken(Exception):
    """Another one of us has written since: its archive counts."""


def say(text: str) -> None:
    print(f"acme: {text}", file=sys.stderr)


@dataclass(frozen=True)
class Status:
    """Of one app's certificate, as the managers keep it for whoever asks. ``until``: 0 for none."""

    names: list[str]
    until: float
    failures: int
    reason: str
    retry_at: float
    left_out: dict[str, str]


class Keeper:
    """``why_not_here``: why a name does not lead to us, '' if it does. ``first_wait``: after the first failure."""

    def __init__(
        self,
        client: Client,
        states: States,
        why_not_here: Callable[[str], str],
        *,
        first_wait: float = FIRST_WAIT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._states, self._why_not_here = client, states, why_not_here
        self._first_wait, self._clock = first_wait, clock
        self._wanted: Mapping[str, tuple[str, ...]] | None = None
        self._version = ""
        # When what we have was written; 0 before anything is, None before it is known where we go on.
        self._written: int | None = None
        self._contents: dict[str, bytes] = {}
        # The proxies reload for other certificates, and for nothing else.
        self._leaves_written = 0
        self._picture: tuple[object, float] = ((), 0)
        self._certificates: dict[str, Certificate] = {}
        self._attempts: dict[str, Attempts] = {}

    def figures(self) -> str:
        status = [(app, self._status(app)) for app in self._wanted or ()]
        return metrics({app: one.until for app, one in status}, {app: one.failures for app, one in status})

    def step(self) -> None:
        """Look once, and do what is to be done now."""
        told = self._ask_all()
        picture = sorted((address, one.version) for address, one in told.items())
        if picture != self._picture[0]:
            self._picture = picture, self._clock()
        found = agreed(list(told.values()), patient=self._clock() - self._picture[1] >= PATIENCE_SECONDS)
        if found is None:
            return
        if self._written is None:
            self._go_on(told)
        if any(one.archive > (self._written or 0) for one in told.values()):
            raise Overtaken
        self._wanted, self._version = found.wanted, found.version
        self._keep()
        self._give([address for address, one in told.items() if one.archive != self._written])

    def _ask_all(self) -> dict[str, Told]:
        told = {}
        for address in self._states.addresses():
            try:
                told[address] = self._states.ask(address)
            except StateError as error:
                say(f"a manager's state does not answer: {error}")
        return told

    def _go_on(self, told: Mapping[str, Told]) -> None:
        """From the newest archive that there is; from nothing where most of the managers have none."""
        newest = max(told, key=lambda address: told[address].archive)
        written = told[newest].archive
        if written:
            archive = self._states.fetch(newest)
            shutil.rmtree(self._client.folder)
            self._client.prepare()
            unpack(archive, self._client.folder)
            say(f"goes on with the archive of {_date(written)}")
        self._attempts = self._client.attempts()
        self._written, self._leaves_written = written, told[newest].leaves
        self._refresh()

    def _refresh(self) -> None:
        self._certificates = self._client.certificates()
        # Whatever has come of asking is told, and nothing of what is let go.
        self._attempts = {app: one for app, one in self._attempts.items() if app in (self._wanted or self._attempts)}
        status = {
            "server": self._client.server,
            "version": self._version,
            "certificates": {app: asdict(self._status(app)) for app in self._wanted or ()},
        }
        self._contents = {
            LEAVES: pack_files(self._client.leaves()),
            STATUS: json.dumps(status).encode(),
            # The last one: by it, it is known that the others are there.
            CLIENT: pack(self._client.folder),
        }

    def _status(self, app: str) -> Status:
        certificate, attempts = self._certificates.get(app), self._attempts.get(app, Attempts())
        wanted, server = (self._wanted or {}).get(app, ()), self._client.server
        return Status(
            sorted(certificate.names) if certificate else [],
            certificate.until if certificate else 0,
            attempts.failures if is_failing(wanted, certificate, attempts, server, self._clock()) else 0,
            attempts.reason,
            0 if attempts.reason == UNDER_WAY else attempts.retry_at,
            dict(attempts.left_out),
        )

    def _keep(self) -> None:
        wanted = self._wanted or {}
        for app in stale(wanted, self._certificates):
            self._client.forget(app)
            say(f"{app}: let go, since no route has it")
            self._changed()
        for app, names in sorted(wanted.items()):
            certificate, attempts = self._certificates.get(app), self._attempts.get(app, Attempts())
            why = need(names, certificate, self._client.server, self._clock())
            if why and is_due(names, attempts, self._client.server, self._clock()):
                self._ask_for(app, names, why)
        if json.loads(self._contents[STATUS])["version"] != self._version:
            self._changed()

    def _ask_for(self, app: str, names: tuple[str, ...], why: str) -> None:
        before, certificate = self._attempts.get(app, Attempts()), self._certificates.get(app)
        server = self._client.server
        elsewhere = {name: reason for name in names if (reason := self._why_not_here(name))}
        asked = names_to_ask(names, certificate, elsewhere, server, self._clock())
        reason, was_refused = "; ".join(f"{name} {text}" for name, text in elsewhere.items()), False
        if asked:
            self._attempts[app] = failed(before, names, server, UNDER_WAY, self._clock(), first=self._first_wait)
            self._changed()
            self._give(self._states.addresses())
            try:
                self._obtain(app, asked, why)
            except AuthorityError as error:
                reason, was_refused = str(error), True
        now = self._clock()
        after = (
            failed(before, names, server, reason, now, was_asked=was_refused, first=self._first_wait)
            if reason
            else Attempts(names, server=server)
        )
        self._attempts[app] = replace(after, left_out=elsewhere)
        if reason:
            say(f"{app}: {reason}; again after {after.retry_at - now:.0f} s")
        self._changed()

    def _obtain(self, app: str, names: tuple[str, ...], why: str) -> None:
        if not self._client.has_account():
            self._client.register()
            # Before the first certificate: whatever happens then, there is no second account.
            self._changed()
            self._give(self._states.addresses())
        self._client.obtain(app, names)
        until = self._client.certificates()[app].until
        say(f"{app}: a certificate for {', '.join(names)} until {_date(until)} ({why})")

    def _changed(self) -> None:
        self._client.remember(self._attempts)
        self._written, leaves = max(int(self._clock()), (self._written or 0) + 1), self._contents[LEAVES]
        self._refresh()
        if self._contents[LEAVES] != leaves:
            self._leaves_written = self._written

    def _give(self, addresses: list[str]) -> None:
        if not self._written:
            return
        written = {CLIENT: self._written, STATUS: self._written, LEAVES: self._leaves_written or self._written}
        for address in addresses:
            try:
                self._states.give(address, self._contents, written)
            except StateError as error:
                say(f"a manager's state takes no archive: {error}")


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
