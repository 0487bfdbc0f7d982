# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation of module image_prune: remove from engines the images that nothing needs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import in_parallel
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.prune.plan import (
    LocalImage,
    RemoveImage,
    human,
    parse_images,
    plan_images,
)


@dataclass(frozen=True)
class Look:
    """What one engine has: to be removed, and kept -> why."""

    removals: list[RemoveImage]
    kept: dict[LocalImage, str]


class ImagePrune:
    """One call: all engines of a docker host, in parallel."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        found: dict[str, str] = {}
        self.sockets: dict[str, str] = {}
        for name, socket in params["sockets"].items():
            # A docker host that is itself a node is one engine by two names.
            if found.setdefault(os.path.realpath(socket), name) == name:
                self.sockets[name] = socket

    # --- look ---

    def plan(self) -> Plan:
        looks: dict[str, Look] = {}

        def look(name: str) -> Callable[[], None]:
            def look_at_engine() -> None:
                looks[name] = self._look(name)

            return look_at_engine

        silent = in_parallel({name: look(name) for name in self.sockets})
        if silent and not looks:
            raise PlatformError("; ".join(f"{name}: {why}" for name, why in silent.items()))
        looks = {name: looks[name] for name in self.sockets if name in looks}
        removals = [removal for look in looks.values() for removal in look.removals]
        stays = {name: [f"{_title(image)}: {why}" for image, why in look.kept.items()] for name, look in looks.items()}
        goes = {
            name: [f"{_title(one.image)}: nothing needs it" for one in look.removals] for name, look in looks.items()
        }
        return Plan(
            actions=removals,
            before={name: sorted(stays[name] + goes[name]) for name in looks},
            after={name: sorted(stays[name]) for name in looks},
            result={
                "engines": {
                    name: {
                        "kept": [{"names": image.names or [image.id], "why": why} for image, why in look.kept.items()],
                        "removed": _as_rows(look.removals),
                        "bytes_freed": 0,
                    }
                    for name, look in looks.items()
                },
                "silent": list(silent),
            },
            warnings=[f"{name}: its images stay as they are: {why}" for name, why in silent.items()],
        )

    def _look(self, name: str) -> Look:
        engine = Engine(self.sockets[name], timeout_seconds=30)
        return Look(
            *plan_images(
                name,
                parse_images(engine.images.all(), engine.containers.with_labels({})),
                self.params["needed"],
                platform=self.params["platform"],
                others=engine.platforms_beside(self.params["platform"]),
                registry=self.params["registry_address"],
                catalog=self.params["catalog"],
                now=time.time(),
                grace_seconds=self.params["grace_seconds"],
            )
        )

    # --- act ---

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        engines = dict(plan.result["engines"])
        removals: dict[str, list[RemoveImage]] = {}
        for action in plan.actions:
            removals.setdefault(action.engine, []).append(action)

        def remove(name: str) -> Callable[[], None]:
            def remove_from_engine() -> None:
                removed, bytes_freed = self._remove(name, removals[name])
                engines[name] = {**engines[name], "removed": _as_rows(removed), "bytes_freed": bytes_freed}

            return remove_from_engine

        failed = in_parallel({name: remove(name) for name in removals})
        if failed:
            raise PlatformError("; ".join(f"{name}: {why}" for name, why in failed.items()))
        return {"engines": engines}

    def _remove(self, name: str, removals: list[RemoveImage]) -> tuple[list[RemoveImage], int]:
        """What was removed, and the bytes that it freed."""
        engine, removed = Engine(self.sockets[name], timeout_seconds=300), list[RemoveImage]()
        before = engine.images.layer_bytes()
        while removals:
            for removal in removals:
                for reference in removal.names or (removal.image.id,):
                    engine.images.untag(reference)
            removed += removals
            # In containerd's store each step of a build is an image, and comes into sight when the next one is gone.
            tried = {(one.image.id, one.names) for one in removed}
            removals = [one for one in self._look(name).removals if (one.image.id, one.names) not in tried]
        return removed, before - engine.images.layer_bytes()


def _as_rows(removals: list[RemoveImage]) -> list[dict[str, Any]]:
    return [{"names": one.names or [one.image.id], "size_bytes": one.image.size_bytes} for one in removals]


def _title(image: LocalImage) -> str:
    return f"{' '.join(image.names) or image.id} ({human(image.size_bytes)})"
