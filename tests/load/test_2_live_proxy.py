"""A route more, one changed, a certificate renewed: in force within 5 s on each node, and nothing is closed by it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ..steps import tell
from ..waiting import patience
from .live import Live, check
from .proxy_changes import Held, in_force

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
