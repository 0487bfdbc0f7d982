# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a manager and the nodes' engines say of an app's volumes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import model
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.plan import SeenNode
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import in_parallel
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import parse_node
from ansible_collections.fungap.swarm.plugins.module_utils.stack.rollout import satisfies

Json = Mapping[str, Any]
Volumes = Mapping[str, model.SeenVolume]


def check_names(app: str, volumes: Iterable[str]) -> None:
    """Raise for what can't be a part of a volume's name."""
    if not model.NAME.fullmatch(app):
        raise PlatformError(f"app {app!r} is not an app's name")
    for name in volumes:
        if why := model.why_no_name(name):
            raise PlatformError(f"{name!r} {why}: lower case letters, digits and hyphens, and not env")


def volumes_of(app: str, sockets: Mapping[str, str]) -> tuple[dict[str, Volumes], dict[str, str]]:
    """(the app's volumes by node, why a node can't be asked)."""
    found: dict[str, Volumes] = {}

    def look(node: str) -> Callable[[], None]:
        def look_at_node() -> None:
            engine = Engine(sockets[node])
            found[node] = model.seen_volumes(app, engine.volumes.containing(model.volume_name(app, "")))

        return look_at_node

    silent = in_parallel({node: look(node) for node in sockets})
    return found, silent


def dump_volumes(found: Mapping[str, Volumes]) -> dict[str, dict[str, dict[str, Any]]]:
    """What another docker host's call is told of these."""
    return {
        node: {name: {"is_ours": one.is_ours, "moved_from": one.moved_from} for name, one in volumes.items()}
        for node, volumes in found.items()
    }


def parse_volumes(found: Mapping[str, Any]) -> dict[str, Volumes]:
    return {
        node: {name: model.SeenVolume(bool(one["is_ours"]), str(one["moved_from"])) for name, one in volumes.items()}
        for node, volumes in found.items()
    }


def seen_nodes(
    app: str, nodes: Sequence[Json], volumes: Mapping[str, Volumes], constraints: Sequence[str]
) -> tuple[list[SeenNode], dict[str, str]]:
    """(the swarm's nodes, their IDs by name). A node that is down comes behind one of its name that is not."""
    seen: dict[str, SeenNode] = {}
    ids: dict[str, str] = {}
    for raw in sorted(nodes, key=lambda node: (node.get("Status") or {}).get("State") != "ready"):
        node, labels = parse_node(dict(raw)), (raw.get("Spec") or {}).get("Labels") or {}
        if node.name in seen:
            continue
        ids[node.name] = node.id
        seen[node.name] = SeenNode(
            name=node.name,
            here=model.labelled(app, model.HERE, labels),
            leaving=model.labelled(app, model.LEAVING, labels),
            volumes=volumes.get(node.name),
            fits=satisfies(node, constraints),
            is_ready=node.ready,
            is_active=node.active,
            is_manager=node.facts["node.role"] == "manager",
            others=len(model.volumes_said(labels)),
        )
    return sorted(seen.values(), key=lambda node: node.name), ids


def own_constraints(services: Iterable[Json], ids: Collection[str]) -> list[str]:
    """What services ask of a node besides that it has their volumes."""
    found: dict[str, None] = {}
    for service in services:
        if service["ID"] in ids:
            placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
            found.update(dict.fromkeys(placement.get("Constraints") or []))
    return [one for one in found if f"node.labels.{model.LABEL_PREFIX}" not in one.replace(" ", "")]


def set_labels(manager: Engine, node_id: str, labels: Mapping[str, str | None]) -> None:
    """Set these labels of a node in one update; None takes one away. All others are left alone."""

    def changed(labels: Mapping[str, str | None], spec: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in (spec.get("Labels") or {}).items() if key not in labels}
        return {**spec, "Labels": {**kept, **{key: value for key, value in labels.items() if value is not None}}}

    manager.swarm.update_node(node_id, partial(changed, labels))
