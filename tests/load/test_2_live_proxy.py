"""A route more, one changed, a certificate renewed: in force within 5 s on each node, and nothing is closed by it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ..steps import tell
from ..waiting import patience, wait_for
from .live import Live, check
from .proxy_changes import Held, in_force, status_by

SECONDS = 5


def with_web(live: Live, **changes: Any) -> tuple[str, ...]:
    apps = {**live.variables["apps"], "web": {**live.base, **changes}}
    return ("--tags", "proxy", "-e", json.dumps({"apps": apps}))


def proxies(live: Live) -> set[str]:
    return {task["ID"] for task in live.running("proxy_proxy")}


def test_changes_are_in_force_at_once_and_close_nothing(live: Live) -> None:
    more = {"hosts": [*live.base["hosts"], "third.localhost"]}
    before, slowest = proxies(live), 0.0
    with live.load("changes of routes and certificate", factor=0.5) as load, Held(live).held() as held:
        for what, arguments in {
            "a route more": with_web(live, **more),
            "a route changed": with_web(live, **more, route={"rate_limit": {"requests_per_second": 1000}}),
            "another certificate": with_web(live, **more, route={"rate_limit": {"requests_per_second": 1000}}),
        }.items():
            if what == "another certificate":
                Path(live.where.ca).with_name("proxy.crt").unlink()
            since = time.time()
            with held.answering():
                live.play("site.yml", *arguments)
            found = in_force(live, since)
            slowest = max(slowest, *found.values())
            tell(f"{what}: in force on {len(found)} nodes after {max(found.values())} s ({found})")
    broken = [*filter(None, held.slow)]
    tell(
        f"closed: {len(held.closed)} of {len(held.sockets)} WebSockets, {len(broken)} of {len(held.slow)} slow answers"
    )
    assert (held.closed, broken) == (set(), [])
    assert proxies(live) == before
    check(load)
    assert slowest <= SECONDS * patience()
    live.play("site.yml", "--tags", "proxy")


def test_a_node_that_was_away_serves_what_is_true_now(live: Live) -> None:
    """A manager, if there are others; no controller runs when it comes back."""
    node, by = (live.managers[-1] if len(live.managers) > 1 else live.workers[0]), live.managers[0]
    host = "away.localhost"
    live.container(node).kill()
    wait_for("its end to be known", lambda: live.members()[node]["Status"]["State"] == "down", 60)
    done = live.operate("deploy", settings={"hosts": [*live.base["hosts"], host]})
    assert done.code == 0, done.output[-4000:]
    assert status_by(live, by, host) == 200
    live.container(node).start()
    first: list[int] = []
    wait_for("an answer of its proxy", lambda: first or first.append(status_by(live, node, host)) or first, 120)
    tell(f"{node} came back, and its first answer by the new route is a {first[0]}")
    assert first[0] != 421
    live.settle()
    assert live.operate("rollback").code == 0
