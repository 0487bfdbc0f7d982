# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform is made of right now, in the words of ``docker node ls`` and ``docker service ls``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.model import volumes_said
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    STACK_LABEL,
    Revision,
    done_places,
    parse_revision,
    parse_task,
)

Json = Mapping[str, Any]


def node_row(node: Json) -> dict[str, Any]:
    """A row of ``docker node ls`` from an element of ``GET /nodes``."""
    manager = node.get("ManagerStatus") or {}
    return {
        "name": node["Description"]["Hostname"],
        "role": node["Spec"]["Role"],
        "state": node["Status"]["State"],
        "availability": node["Spec"]["Availability"],
        "address": node["Status"].get("Addr", ""),
        "leader": bool(manager.get("Leader")),
        "reachability": manager.get("Reachability", ""),
        "engine": node["Description"]["Engine"]["EngineVersion"],
        "volumes": volumes_said(node["Spec"].get("Labels") or {}),
    }


def service_row(service: Json, tasks: Iterable[Json], nodes: Mapping[str, str]) -> dict[str, Any]:
    """A row of ``docker service ls`` from an element of ``GET /services`` and the tasks of that service.

    ``nodes`` maps node IDs to names. ``wanted`` is the number of replicas, for a global service that of its tasks that
    are to run. ``done``: how many ended well and are not to run any more, which ``wanted`` leaves out. ``nodes`` of the
    row lists where replicas run.
    """
    tasks = [task for task in tasks if task["ServiceID"] == service["ID"]]
    done = len(done_places(service["Spec"]["TaskTemplate"], map(parse_task, tasks)))
    to_run = [task for task in tasks if task["DesiredState"] == "running"]
    running = [task for task in to_run if task["Status"]["State"] == "running"]
    mode = service["Spec"]["Mode"]
    wanted = max(mode["Replicated"]["Replicas"] - done, 0) if "Replicated" in mode else len(to_run)
    failing = [task for task in tasks if task["Status"]["State"] in ("failed", "rejected")]
    return {
        "name": service["Spec"]["Name"],
        "mode": "replicated" if "Replicated" in mode else "global",
        "running": len(running),
        "wanted": wanted,
        "done": done,
        "image": service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"],
        "nodes": sorted(nodes.get(task.get("NodeID", ""), "?") for task in running),
        "update": (service.get("UpdateStatus") or {}).get("State", ""),
        "error": failing[-1]["Status"].get("Err", "") if failing and len(running) < wanted else "",
    }


def revision_row(revision: Revision) -> dict[str, Any]:
    """A row of an app's history. ``images``: by service."""
    return {
        "number": revision.number,
        "when": revision.when,
        "kind": revision.kind,
        "who": revision.who,
        "why": revision.why,
        "verdict": revision.verdict,
        "cause": revision.cause,
        "images": revision.images,
        "release": dict(revision.release),
    }


def what_inventories_said(configs: Iterable[Json]) -> dict[str, Any]:
    """By stack, its history without what has nothing to do with the inventory. ``configs``: records alone."""
    stacks: dict[str, Any] = {}
    for config in configs:
        row = revision_row(parse_revision(config))
        row["release"] = {"inventory": row["release"].get("inventory") or {}}
        stack = stacks.setdefault(config["Spec"]["Labels"][STACK_LABEL], {"revisions": []})
        stack["revisions"].append({key: row[key] for key in ("number", "when", "kind", "who", "verdict", "release")})
    for stack in stacks.values():
        stack["revisions"].sort(key=lambda row: -row["number"])
    return stacks


def unwell(nodes: Sequence[Json], services: Sequence[Json]) -> list[str]:
    """What does not work, a sentence each. ``nodes``, ``services``: rows as above."""
    found = [f"node {node['name']} is {node['state']}" for node in nodes if node["state"] != "ready"]
    if nodes and not any(node["leader"] for node in nodes):
        found.append("the swarm has no leader")
    for service in services:
        if service["running"] < service["wanted"]:
            why = f": {service['error']}" if service["error"] else ""
            found.append(f"service {service['name']} runs {service['running']} of {service['wanted']}{why}")
    return found
