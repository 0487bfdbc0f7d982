# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which versions of an app's env file go from one docker host to another, by what each has found on its nodes. Pure.

``first``: what env_volume returned on the manager's docker host. ``others``: what it returned on others, each with
``__app_host``, its docker host. ``nodes``: the platform's, each with ``name``, ``host`` and ``socket``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]
Ready = dict[str, set[str]]


def _ready(first: Json, others: Iterable[Json], nodes: Sequence[Json]) -> Ready:
    """What each node holds: the last word on a node is its own docker host's."""
    ready = {node: set(versions) for node, versions in first["ready"].items()}
    for call in others:
        for node in _here(call["__app_host"], nodes) - set(call["left_out"]):
            ready[node] = set(call["ready"].get(node, ()))
    return ready


def _here(host: str, nodes: Sequence[Json]) -> set[str]:
    return {node["name"] for node in nodes if node["host"] == host}


def env_copies(first: Json, others: Sequence[Json], nodes: Sequence[Json]) -> dict[str, Any]:
    """What is to be read where, and what is to be copied where.

    Returns ``reads``: docker host to versions, ``copies``: docker host to ``{version, node}`` of what its nodes lack
    and another docker host's have, and ``ready``: node to the versions that it holds. A docker host has copies, if only
    an empty list, where a node lacks the version that the app is about to run with. A version is read once, however
    many lack it, and from as few docker hosts as there need be.
    """
    if not first.get("version"):  # the app has no env volume
        return {"reads": {}, "copies": {}, "ready": {}}
    ready = _ready(first, others, nodes)
    away = set(first["left_out"]).union(*(call["left_out"] for call in others))
    answering = [node for node in nodes if node["name"] not in away]
    holders: dict[str, list[Json]] = {}
    for node in answering:
        for version in ready.get(node["name"], ()):
            holders.setdefault(version, []).append(node)
    lack: dict[str, set[str]] = {}
    for node in answering:
        missing = {first["version"], *holders} - ready.get(node["name"], set())
        if missing:
            lack.setdefault(node["host"], set()).update(missing)
    wanted = set().union(*lack.values()) & set(holders)
    return {
        "reads": _reads({version: {node["host"] for node in holders[version]} for version in wanted}),
        "copies": {
            host: [{"version": one, "node": holders[one][0]["name"]} for one in sorted(missing & wanted)]
            for host, missing in sorted(lack.items())
        },
        "ready": {node: sorted(versions) for node, versions in sorted(ready.items())},
    }


def _reads(hosts_of: dict[str, set[str]]) -> dict[str, list[str]]:
    """From which docker host each version is read; the one that has most of them first."""
    reads: dict[str, list[str]] = {}
    while hosts_of:
        counted = sorted(host for hosts in hosts_of.values() for host in hosts)
        host = max(dict.fromkeys(counted), key=counted.count)
        reads[host] = sorted(version for version, hosts in hosts_of.items() if host in hosts)
        hosts_of = {version: hosts for version, hosts in hosts_of.items() if host not in hosts}
    return reads


def env_labels(first: Json, others: Iterable[Json], nodes: Sequence[Json]) -> dict[str, dict[str, list[str]]]:
    """Node labels that are to be set (``ready``) and to go (``lost``), after what was done on other docker hosts."""
    if not first.get("version"):
        return {"ready": {}, "lost": {}}
    now, before = _ready(first, others, nodes), {node: set(versions) for node, versions in first["ready"].items()}
    changes = {
        node: (versions - before.get(node, set()), before.get(node, set()) - versions)
        for node, versions in sorted(now.items())
    }
    return {
        "ready": {node: sorted(ready) for node, (ready, _lost) in changes.items() if ready},
        "lost": {node: sorted(lost) for node, (_ready, lost) in changes.items() if lost},
    }
