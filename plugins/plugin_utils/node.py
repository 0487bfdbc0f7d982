# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of ``swarm_node``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import SeenFolder, whose
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import SPEC_LABEL, Host, wanted_host
from ansible_collections.fungap.swarm.plugins.module_utils.node.plan import (
    SeenContainer,
    SeenHost,
    nodes_to_remove,
    plan_nodes,
)

Json = Mapping[str, Any]


def surplus_if_as_wanted(params: Json, facts: Json) -> list[str] | None:
    """Where a look shows that all is as wanted, the nodes that there are besides; None where anything is to be done.

    ``params``: of the module, with every default. ``facts``: the fact ``docker_host``. What it doesn't show, and what
    is wrong, is the module's matter.
    """
    # Of an image's name it is not known which one it is.
    if not params["image"].startswith("sha256:") or not _are_ours(params, facts):
        return None
    try:
        host = wanted_host(params)
        specs = {node.name: str(host.container(node, host.image)["Labels"][SPEC_LABEL]) for node in host.nodes}
        seen = _seen(host, facts["docker"])
        network = host.network
        todo = plan_nodes(
            network=network.name,
            subnet=network.subnet,
            mtu=network.mtu,
            specs=specs,
            seen=seen,
            prune=params["prune"],
        )
    except (PlatformError, ValueError):
        return None
    return None if todo else nodes_to_remove(specs, seen)


def _seen(host: Host, docker: Json) -> SeenHost:
    networks = [one for one in docker["networks"] if one["name"] == host.network.name and one["subnets"]]
    return SeenHost(
        subnet=networks[0]["subnets"][0] if networks else None,
        mtu=networks[0]["mtu"] if networks else None,
        containers=tuple(
            SeenContainer(node=one["node"], spec=one["spec"], state=one["state"])
            for one in docker["containers"]
            if one["platform"] == host.platform and one["node"]
        ),
    )


def _are_ours(params: Json, facts: Json) -> bool:
    """Whether the folders have the platform's marker already."""
    folders, owner = facts.get("own_folders") or {}, params["owner"] or params["platform"]
    return all(
        path in folders and whose(path, owner, SeenFolder(**folders[path]), ids=params["platform_ids"]).state == "ours"
        for path in (params["own_folders"] if params["nodes"] else ())
    )
