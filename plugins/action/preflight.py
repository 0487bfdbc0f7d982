# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect what the inventory says and what is known, let the pure core judge, tell the result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import DOCKER_HOSTS, RawInventory, Undefined, parse
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight import (
    FileContent,
    Images,
    Look,
    Thresholds,
    World,
    check,
    file_path,
    resolve,
    utc_now,
    wanted_files,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import report
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs, read_specs

ROLES = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "roles"))


class ActionModule(ActionBase):  # type: ignore[misc]
    """The action ``fungap.swarm.preflight``."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, params = self.validate_argument_spec(
            {
                "disk_free_gigabytes_min": {"type": "float", "default": 8},
                "memory_gigabytes_min": {"type": "float", "default": 1.8},
                "distribution_check_enabled": {"type": "bool", "default": True},
            }
        )
        specs = read_specs(ROLES)
        raw = self._raw_inventory(specs, variables)
        inventory, problems = parse(raw, specs)
        world = World(
            raw=raw,
            inventory=inventory,
            looks=self._looks(variables),
            images=self._images(inventory.variables, raw),
            files={path: _read(path) for path in wanted_files(inventory)},
            now=utc_now(),
            thresholds=Thresholds(**params),
        )
        problems += check(world)
        if problems:
            result.update(failed=True, msg=report(dict.fromkeys(problems)))
        else:
            result.update(changed=False, ansible_facts={"platform": resolve(world)})
        return result

    def _raw_inventory(self, specs: Specs, variables: Mapping[str, Any]) -> RawInventory:
        """Of every host, the variables that are ours or look like it, resolved."""
        groups = plain(variables["groups"])
        hosts = {}
        for host in groups["all"]:
            values = variables["hostvars"][host]
            facts = values["ansible_facts"] if "ansible_facts" in values else {}
            names = [str(name) for name in values if name not in facts]
            wanted = {name for name in names if name in specs.known} | {name for name, _near in specs.unknown(names)}
            wanted |= {"ansible_host"} & set(names)
            hosts[host] = {name: _resolved(values, name) for name in names if name in wanted}
        return RawInventory(
            hosts=hosts, groups=groups, inventory_dir=str(variables.get("inventory_dir") or os.getcwd())
        )

    def _looks(self, variables: Mapping[str, Any]) -> dict[str, Look]:
        """What the docker hosts' facts say, or what was said in their place."""
        looks = {}
        for host in variables["groups"].get(DOCKER_HOSTS, ()):
            values = variables["hostvars"][host]
            facts = values["ansible_facts"].get("docker_host") if "ansible_facts" in values else None
            if facts:
                looks[str(host)] = Look(facts=plain(facts))
            elif host not in variables.get("ansible_play_hosts_all", ()):
                looks[str(host)] = Look(skipped=True)
            else:
                answer = values["__preflight_host"] if "__preflight_host" in values else {}
                said = " ".join(str(answer.get("msg") or "no answer").split())
                looks[str(host)] = Look(error=said)
        return looks

    def _images(self, variables: Mapping[str, Any], raw: RawInventory) -> Images:
        folder = str(variables.get("images_archive_dir") or "")
        if not folder:
            return Images()
        try:
            names = os.listdir(file_path(raw.inventory_dir, folder))
        except OSError as error:
            return Images(archive_error=error.strerror or str(error))
        return Images(archive=frozenset(name.split(".tar")[0] for name in names if ".tar" in name))


def _read(path: str) -> FileContent:
    try:
        with open(path, "rb") as file:
            return FileContent(content=file.read())
    except OSError as error:
        return FileContent(error=error.strerror or str(error))


def _resolved(values: Mapping[str, Any], name: str) -> Any:
    try:
        return plain(values[name])
    except AnsibleError as error:
        return Undefined(template="", reason=" ".join(str(error.message).split()))


def plain(value: Any) -> Any:
    """A value without Ansible's own types (tags, lazy containers, vault strings)."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    return str.__str__(value) if isinstance(value, str) else str(value)
