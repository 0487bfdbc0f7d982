# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``certificates_info``: what there is by ACME, once it has had some time."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.certificates.plan import (
    Kept,
    is_settled,
    parse_kept,
    rows,
    warnings,
)
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

_STATE = {"com.docker.swarm.service.name": "proxy_state"}
_SHOW = (
    "sh",
    "-c",
    'echo "$FOLLOWED_VERSION"; cat /srv/state/acme.json; echo; cat /var/lib/proxy/acme/status 2>/dev/null; echo',
)
# A program in a container costs a tenth of a second of CPU.
_PAUSE_SECONDS = 1.0


class LookAtCertificates:
    """Asks the state's task on this docker host. Without one, nothing is known."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._sockets, self._wait_seconds = params["manager_sockets"], float(params["wait_seconds"])

    def plan(self) -> Plan:
        deadline, kept = time.time() + self._wait_seconds, self._look()
        while kept and not is_settled(kept, deadline) and time.time() < deadline:
            time.sleep(_PAUSE_SECONDS)
            kept = self._look()
        if kept is None:
            return Plan(result={"certificates": {}, "notes": []})
        names = {name for one in kept.certificates.values() for name in one.left_out}
        notes = list(warnings(kept, {name: _addresses(name) for name in names}))
        return Plan(result={"certificates": rows(kept), "notes": notes}, warnings=notes)

    def apply(self, _plan: Plan) -> Mapping[str, Any]:
        return {}

    def _look(self) -> Kept | None:
        for path in self._sockets:
            with suppress(PlatformError, ValueError):
                engine = Engine(path)
                for one in engine.containers.with_labels(_STATE):
                    if one.get("State") == "running":
                        code, output = engine.containers.exec(one["Id"], _SHOW)
                        if code == 0:
                            return parse_kept(output)
        return None


def _addresses(name: str) -> list[str]:
    try:
        return sorted({str(one[4][0]) for one in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except OSError:
        return []
