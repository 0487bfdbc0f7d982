# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry that is read-only for a while: pulls go on, and nothing can be pushed that a clean-up would not know of.

The registry's container is set aside, stopped, under another name, and a stand-in takes its place: the same container
with the registry's own read-only switch. Closing the window puts the container back as it was. Whatever moment a run is
killed at, the next one closes the window first; and the stand-in carries a spec label that the role registry doesn't
want, so that site.yml replaces it by a registry that can be written to.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.signals import ENDING, signals_as_exceptions
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import SPEC_LABEL

Json = Mapping[str, Any]

READ_ONLY = "read-only"
READ_ONLY_SWITCH = 'REGISTRY_STORAGE_MAINTENANCE_READONLY={"enabled":true}'
STOP_SECONDS = 10


class RegistryWindow:
    """The registry in the container ``name`` of an engine."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self.aside = f"{name}-writable"
        self.prepared = f"{name}-read-only"
        self.collector = f"{name}-collector"

    def registry(self) -> Json:
        """The container that holds the registry's settings, wherever a killed run has left it."""
        found = self.engine.containers.inspect(self.name)
        if found is None or _is_stand_in(found):
            found = self.engine.containers.inspect(self.aside)
        if found is None:
            raise PlatformError(
                f"there is no registry in a container {self.name} on {self.engine.socket}: run site.yml first"
            )
        return found

    def was_left_open(self) -> bool:
        """Whether a run that was killed has left something behind, or the registry stopped."""
        current = self.engine.containers.inspect(self.name)
        return (
            current is None
            or _is_stand_in(current)
            or not current["State"]["Running"]
            or any(self.engine.containers.inspect(name) for name in (self.aside, self.prepared, self.collector))
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The window; it is closed however the block ends, by a polite signal too."""
        with signals_as_exceptions():
            try:
                self._open()
                yield
            finally:
                for number in ENDING:
                    signal.signal(number, signal.SIG_IGN)
                self.close()

    def _open(self) -> None:
        # In this order site.yml can go on from every step: it starts what is stopped, makes what is missing, and
        # replaces what has another label.
        registry = self.registry()
        self.engine.containers.create(self.prepared, stand_in(registry), {})
        # An engine before 25.0 takes no more than one network with the container itself.
        for network, address in other_networks(registry).items():
            self.engine.containers.connect(self.prepared, network, address)
        self.engine.containers.stop(self.name, STOP_SECONDS)
        self.engine.containers.rename(self.name, self.aside)
        self.engine.containers.rename(self.prepared, self.name)
        self.engine.containers.start(self.name)

    def close(self) -> None:
        """Put the registry's own container back; fine when it is there already."""
        self.engine.containers.remove_with_volumes(self.collector)
        self.engine.containers.remove_with_volumes(self.prepared)
        if self.engine.containers.inspect(self.aside) is not None:
            current = self.engine.containers.inspect(self.name)
            if current is not None and not _is_stand_in(current):
                self.engine.containers.remove(self.aside, STOP_SECONDS)  # someone has made a new one meanwhile
                return
            if current is not None:
                self.engine.containers.remove(self.name, STOP_SECONDS)
            self.engine.containers.rename(self.aside, self.name)
        self.registry()
        self.engine.containers.start(self.name)

    def collect(self, deadline_seconds: float) -> str:
        """Run the registry's garbage collection on the data that is set aside; return what it printed."""
        body = collector(self.registry(), self.aside)
        self.engine.containers.remove_with_volumes(self.collector)
        self.engine.containers.create(self.collector, body, {})
        try:
            self.engine.containers.start(self.collector)
            code = self.engine.containers.wait(self.collector, deadline_seconds)
            log = self.engine.containers.log(self.collector, lines=30)
        finally:
            self.engine.containers.remove_with_volumes(self.collector)
        if code:
            raise PlatformError(f"the registry's garbage collection ended with exit code {code}: {log.strip()[-2000:]}")
        return log


def stand_in(registry: Json) -> dict[str, Any]:
    """From a container as it is inspected to one that is created like it, but can only be read from."""
    config = registry["Config"]
    network = registry["HostConfig"]["NetworkMode"]
    endpoint = registry["NetworkSettings"]["Networks"].get(network) or {}
    return {
        **config,
        "Image": registry["Image"],
        "Env": [*(config["Env"] or []), READ_ONLY_SWITCH],
        "Labels": {**(config["Labels"] or {}), SPEC_LABEL: READ_ONLY},
        "HostConfig": registry["HostConfig"],
        "NetworkingConfig": {
            "EndpointsConfig": {
                network: {"IPAMConfig": endpoint.get("IPAMConfig"), "Aliases": endpoint.get("Aliases") or []}
            }
        }
        if endpoint
        else {},
    }


def other_networks(registry: Json) -> dict[str, str | None]:
    """The networks that a container is on besides its first, and its fixed address on each."""
    found = registry["NetworkSettings"]["Networks"]
    return {
        name: (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
        for name, endpoint in found.items()
        if name != registry["HostConfig"]["NetworkMode"]
    }


def collector(registry: Json, volumes_from: str) -> dict[str, Any]:
    """A container that collects the garbage of a registry, and reaches nothing but its data and settings."""
    config, host = registry["Config"], registry["HostConfig"]
    settings = config["Cmd"][-1]  # serve <settings>, or <settings> alone
    return {
        "Image": registry["Image"],
        "Entrypoint": config["Entrypoint"],
        "Cmd": ["garbage-collect", settings],
        "Env": config["Env"],
        "User": config["User"],
        "Labels": {key: value for key, value in (config["Labels"] or {}).items() if key != SPEC_LABEL},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "VolumesFrom": [volumes_from],
            "NetworkMode": "none",
            **{key: host.get(key) for key in ("Memory", "MemorySwap", "CapDrop", "SecurityOpt", "ReadonlyRootfs")},
        },
    }


def _is_stand_in(container: Json) -> bool:
    return bool((container["Config"].get("Labels") or {}).get(SPEC_LABEL) == READ_ONLY)
