# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the checks look at: the inventory, what its docker hosts and the controller have, and the image catalog."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import controllers_file
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki, renewal
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import Inventory, RawInventory
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import PATH
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, show
from ansible_collections.fungap.swarm.plugins.plugin_utils.said import Said

ALL_HOSTS = "all hosts"


@dataclass(frozen=True)
class HostFacts:
    """What is known of a docker host: the fact ``docker_host``, or why there is none.

    ``skipped``: not asked; ``limited``: because --limit leaves it out. ``old_python``: its Python, where that is too
    old to look at anything.
    ``stacks``: what its swarm has recorded, where that was asked for, and ``record``: what inventories said.
    ``trees``: of the same look, as docker_host_info returns them.
    """

    facts: Mapping[str, Any] | None = None
    error: str = ""
    skipped: bool = False
    limited: bool = False
    old_python: str = ""
    stacks: Mapping[str, Any] = field(default_factory=dict)
    record: str = ""
    trees: renewal.Trees = field(default_factory=dict)


NEVER = HostFacts(error="it was not looked at")

# What is said of a file that is not there.
MISSING = os.strerror(errno.ENOENT)


@dataclass(frozen=True)
class FileContent:
    """A file on the controller: its bytes, or why they can't be had."""

    content: bytes = b""
    error: str = ""


@dataclass(frozen=True)
class Image:
    """An entry of the image catalog: which sources can give it.

    ``source``, ``missing``: its own, before ``images_source`` and ``images_missing``. ``base``: what it is built on.
    """

    pull: bool = False
    build: bool = False
    source: str = ""
    internal: bool = False
    missing: str = ""
    base: str = ""


def parse_images(*catalogs: Any) -> dict[str, Image]:
    """Catalogs as they are written, later ones first in rank. What is wrong in an entry is for the role to say."""
    return {
        str(name): Image(
            bool(entry.get("pull")),
            bool(entry.get("build")),
            str(entry.get("source") or ""),
            bool(entry.get("internal")),
            str(entry.get("missing") or ""),
            str(entry["build"].get("base") or "") if isinstance(entry.get("build"), Mapping) else "",
        )
        for catalog in catalogs
        if isinstance(catalog, Mapping)
        for name, entry in catalog.items()
        if isinstance(entry, Mapping)
    }


@dataclass(frozen=True)
class Thresholds:
    disk_free_gigabytes_min: float = 8
    memory_gigabytes_min: float = 1.8


@dataclass(frozen=True)
class PreflightInput:
    """All that is looked at. ``images``: the catalog. ``files``: path on the controller -> content.

    ``said``: what the inventory says (``said.what_is_said``). ``given``: variables of the command line. ``who``: whose
    run it is.
    """

    raw: RawInventory
    inventory: Inventory
    looks: Mapping[str, HostFacts]
    images: Mapping[str, Image]
    files: Mapping[str, FileContent]
    now: datetime
    thresholds: Thresholds = field(default_factory=Thresholds)
    said: Said = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    who: str = ""

    def facts(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The docker hosts that could be looked at."""
        for host in self.inventory.docker_hosts:
            facts = self.looks.get(host, HostFacts()).facts
            if facts:
                yield host, facts

    def variable(self, name: str) -> Any:
        return self.inventory.variables[name]


def file_path(inventory_dir: str, name: str) -> str:
    """Where a file that the inventory names lies on the controller."""
    return posixpath.normpath(posixpath.join(inventory_dir, posixpath.expanduser(name)))


def seen_file(inputs: PreflightInput, name: str) -> FileContent | None:
    """What the controller has at a path of the inventory. None for what is no path, which is told as that."""
    if PATH.why(name):
        return None
    return inputs.files.get(file_path(inputs.inventory.inventory_dir, name), FileContent(error="it was not read"))


def vault_password_file(raw: RawInventory, inventory: Inventory) -> str:
    values = (raw.hosts.get(host, {}).get("jenkins_vault_password_file") for host in inventory.jenkins_hosts)
    return next((value for value in values if value and isinstance(value, str)), "")


def memory_file(inventory: Inventory) -> str:
    """Where the controller remembers what is in force."""
    return posixpath.join(str(inventory.variables["platform_secrets_dir"]), controllers_file(inventory.name))


def ca_file(inventory: Inventory) -> str:
    """The platform's CA on the controller."""
    return posixpath.join(str(inventory.variables["platform_secrets_dir"]), "ca.crt")


def proxy_certificate_file(inventory: Inventory) -> str:
    """The proxy's certificate on the controller, where the platform makes it; else empty."""
    if inventory.variables["proxy_certificate_file"]:
        return ""
    return posixpath.join(str(inventory.variables["platform_secrets_dir"]), "proxy.crt")


def platform_ids(inputs: PreflightInput) -> list[str]:
    """What tells the platform from another one of its name, and what that replaces (``pki.platform_ids``)."""
    file = inputs.files.get(file_path(inputs.inventory.inventory_dir, ca_file(inputs.inventory)), FileContent())
    try:
        return pki.platform_ids(file.content.decode(), str(inputs.variable("platform_id_replaced")))
    except (PlatformError, UnicodeDecodeError):
        return pki.platform_ids("", str(inputs.variable("platform_id_replaced")))


def wanted_files(raw: RawInventory, inventory: Inventory) -> list[str]:
    """The files on the controller that are looked at."""
    names = [app["env_file"] for app in inventory.apps.values()]
    names += [
        inventory.variables[f"{what}_certificate_{part}"]
        for what in ("proxy", "jenkins")
        for part in ("file", "key_file")
    ]
    names += [vault_password_file(raw, inventory), memory_file(inventory), ca_file(inventory)]
    names.append(proxy_certificate_file(inventory))
    names += inventory.variables["monitoring_rule_files"]
    names.append((inventory.variables["proxy_acme"] or {}).get("ca_file", ""))
    return sorted({file_path(inventory.inventory_dir, name) for name in names if name})


def named_files(inputs: PreflightInput) -> dict[str, dict[str, bytes]]:
    """Of the variables that name files whose content is applied and is no secret: path -> content. Env files apart."""
    found: dict[str, dict[str, bytes]] = {}
    for variable in ("monitoring_rule_files", "proxy_certificate_file", "jenkins_certificate_file"):
        value = inputs.variable(variable)
        names = value if isinstance(value, list) else [value]
        files = {name: file for name in names if name and (file := seen_file(inputs, name)) and not file.error}
        found[variable] = {name: file.content for name, file in files.items()}
    return found


def is_given(inputs: PreflightInput, variable: str) -> bool:
    return any(variable in variables for variables in inputs.raw.hosts.values())


def why_unread(file: FileContent, folder: str, name: str) -> str:
    """``folder``: where a relative name begins. The rest of the name may be anything."""
    path = file_path(folder, name)
    where = f" ({path})" if show(name) != HIDDEN else "" if path == name else f" (in {folder})"
    return f"can't be read: {file.error}{where}"


def utc_now() -> datetime:
    return datetime.now(timezone.utc)
