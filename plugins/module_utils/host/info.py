# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``docker_host_info``."""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import digested
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.operation import settled_digest
from ansible_collections.fungap.swarm.plugins.module_utils.folder import operation as folders
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import Mount, may_be_read, why_no_path
from ansible_collections.fungap.swarm.plugins.module_utils.host.files import read_tree
from ansible_collections.fungap.swarm.plugins.module_utils.host.look import Host, look, wait_for_engine
from ansible_collections.fungap.swarm.plugins.module_utils.stack.status import what_inventories_said


class DockerHostInfo:
    """Looks, and never acts."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.wait_seconds: int = params.pop("wait_seconds")
        params.pop("variables")  # the controller's
        # What can't be a path is not there; that it is none is told by its variable's name.
        for name in ("files", "folders", "trees", "manager_sockets", "own_folders"):
            params[name] = [path for path in params[name] if not why_no_path(path)]
        self.trees: list[str] = params.pop("trees")
        self.manager_sockets: list[str] = params.pop("manager_sockets")
        self.own_folders: list[str] = params.pop("own_folders")
        self.record: str = params.pop("record")
        # Without the controller's, digests that nobody can compare.
        self.digest_key: str = params.pop("digest_key") or secrets.token_hex(32)
        self.params = params

    def plan(self) -> Plan:
        if self.wait_seconds:
            wait_for_engine(self.params["docker_socket"], self.wait_seconds)
        host = Host()
        facts = look(host, **self.params)
        facts["docker"]["config_digest"] = settled_digest(host, self.digest_key)
        own_folders = {path: folders.look(path) for path in self.own_folders}
        facts["own_folders"] = {path: asdict(seen) for path, seen in own_folders.items()}
        mounts = [Mount(**mount) for mount in facts["docker"].get("mounts", ())]
        trees = {
            root: {path: digested(state, self.digest_key) for path, state in read_tree(root).items()}
            for root in self.trees
            if root not in own_folders or may_be_read(root, own_folders[root], mounts)
        }
        stacks = what_inventories_said(host.records(self.manager_sockets))
        record = folders.record(self.record) if own_folders.get(os.path.dirname(self.record)) else ""
        return Plan(
            result={"ansible_facts": {"docker_host": facts}, "trees": trees, "stacks": stacks, "record": record}
        )

    def apply(self, plan: Plan) -> dict[str, Any]:
        raise AssertionError(f"nothing to apply: {plan.actions}")
