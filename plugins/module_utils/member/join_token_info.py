# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``swarm_join_token_info``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import SWARM_PORT, EngineMembership, Entry
from ansible_collections.fungap.swarm.plugins.module_utils.member.raft import newest
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory
from ansible_collections.fungap.swarm.plugins.module_utils.memory.operation import loss, recall


class JoinTokens:
    """Ask the managers one after another until one answers."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.sockets: list[str] = params["manager_sockets"]
        self.with_tokens: bool = params["tokens"]
        self.params = params

    def plan(self) -> runner.Plan:
        holders: list[dict[str, str]] = []
        engines: list[Engine] = []
        silent: list[str] = []
        for socket in self.sockets:
            try:
                engine = Engine(socket)
                membership = engine.membership()
            except PlatformError:
                silent.append(socket)
                continue
            try:
                if membership.holds_data:
                    holders.append({"socket": socket, "cluster_id": membership.cluster_id})
                    engines.append(engine)
                if membership.state != "active" or not membership.is_manager:
                    continue
                rows = [Entry.parse(node) for node in engine.swarm.nodes()]
            except PlatformError:  # it has no leader: ask the next
                continue
            return runner.Plan(result=self._read(engine, membership, rows))
        logs = {engine.socket: engine.membership(with_log=True).log for engine in engines}
        log = logs[first] if (first := newest(logs)) else None
        nothing = {
            "live": False,
            "cluster_id": "",
            "loss": "",
            "holders": holders,
            "log": log.as_lists() if log else [],
            "silent": silent,
            "socket": "",
            "remote_addrs": [],
            "nodes": [],
            "tokens": {},
            "unlock_key": "",
        }
        return runner.Plan(result=nothing)

    def _read(self, engine: Engine, membership: EngineMembership, rows: list[Entry]) -> dict[str, Any]:
        tokens: dict[str, str] = {}
        unlock_key = ""
        if self.with_tokens:
            swarm = engine.swarm.inspect()
            tokens = {role: swarm["JoinTokens"][role.capitalize()] for role in ("worker", "manager")}
            if swarm["Spec"].get("EncryptionConfig", {}).get("AutoLockManagers"):
                unlock_key = engine.swarm.unlock_key()
        others = [row.manager_address for row in rows if row.reachable and row.id != membership.node_id]
        return {
            "live": True,
            "cluster_id": membership.cluster_id,
            "loss": self._loss(engine),
            "holders": [],
            "log": [],
            "silent": [],
            "socket": engine.socket,
            "remote_addrs": [f"{membership.address}:{SWARM_PORT}", *others],
            "nodes": [row.as_row() for row in rows],
            "tokens": tokens,
            "unlock_key": unlock_key,
        }

    def _loss(self, engine: Engine) -> str:
        try:
            here = recall(self.params["stacks_dir"]) if self.params["stacks_dir"] else []
            elsewhere = [Memory.of(fields) for fields in self.params["remembered"]]
            return loss(engine, here, elsewhere, self.params["begin_anew"])
        # The failure of a task with no_log would say nothing.
        except PlatformError as error:
            return error.message
        except (LookupError, TypeError, ValueError) as error:
            return f"remembered has an entry that is no memory of a stack: {error!r}"

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:  # noqa: ARG002  there is nothing to do
        return {}
