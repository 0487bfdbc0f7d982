# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What monitoring asks of the platform: images, routes, the nodes that stand for their docker hosts. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import METRICS_OFFSET, Inventory, Node
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import network_of

# Of the image catalog. What serves pages of its own, with the port.
PAGES = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
EXPORTERS = ("node-exporter", "blackbox-exporter", "swarm-exporter")
# The label of the one node of each docker host that tells the host's own figures.
HOST_LABEL = "fungap.monitoring.host"
REGISTRY_METRICS_PORT = 5001
# Nobody routes to a link-local address, so no network of the site is hidden by one.
METRICS_NETWORKS = ipaddress.IPv4Network("169.254.64.0/18")


def wanted_images(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the images that monitoring runs. ``variables``: the platform's, every default filled in."""
    if not variables["monitoring_enabled"]:
        return ()
    return (
        *PAGES,
        *EXPORTERS,
        *(["mysqld-exporter"] if variables["monitoring_mysql_endpoints"] else []),
        *(["elasticsearch-exporter"] if variables["monitoring_elasticsearch_urls"] else []),
    )


def wanted_hosts(variables: Mapping[str, Any]) -> dict[str, str]:
    """Which of its pages are served under which host name."""
    if not variables["monitoring_enabled"]:
        return {}
    return {page: name for page in PAGES if (name := (variables["monitoring_hosts"] or {}).get(page))}


def registry_metrics(inventory: Inventory, networks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the registry shows its figures, as ``registry_metrics`` of the role registry; ``{}``: nowhere.

    ``networks``: of the registry's docker host, as the fact ``docker_host`` has them. The one between the registry and
    its nginx stays as it is; where there is none yet, it is one that overlaps no other, if there is such a one. Where
    the nodes are the machines themselves, nothing but a port open to all would lead to the figures.
    """
    if not wanted_images(inventory.variables) or not inventory.is_nested:
        return {}
    name = f"{inventory.name}-registry-metrics"
    own: list[str] = []
    others: list[ipaddress.IPv4Network] = []
    for network in networks:
        if network["name"] == name:
            own += network["subnets"]
        others += [subnet for text in network["subnets"] if (subnet := network_of(text))]
    subnet = network_of(own[0]) if own else _free_network(inventory.name, others)
    if subnet is None:
        return {}
    return {
        "port": REGISTRY_METRICS_PORT,
        "address": inventory.offset(METRICS_OFFSET),
        "subnet": str(subnet),
        "registry_address": str(subnet[2]),
        "nginx_address": str(subnet[3]),
    }


def _free_network(platform: str, taken: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network | None:
    """Where the search begins follows from the name, so platforms that begin at the same time don't choose the same."""
    size, begin = 8, int(METRICS_NETWORKS.network_address)
    count = METRICS_NETWORKS.num_addresses // size
    first = int(hashlib.sha256(platform.encode()).hexdigest(), 16) % count
    places = ((first + place) % count for place in range(count))
    candidates = (ipaddress.IPv4Network((begin + place * size, 29)) for place in places)
    return next((one for one in candidates if not any(one.overlaps(other) for other in taken)), None)


def host_nodes(nodes: Iterable[Node]) -> frozenset[str]:
    """Names of the nodes that stand for their docker hosts: a host's first manager, else its first worker."""
    first: dict[str, str] = {}
    for node in sorted(nodes, key=lambda node: node.role):  # managers before workers
        first.setdefault(node.host, node.name)
    return frozenset(first.values())


def monitoring_routes(platform: Mapping[str, Any], images: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``proxy_routes`` of the pages, each behind a login.

    ``platform``: the fact. ``images``: by name, those that there are; what has none is left out.
    """
    return [
        {
            "name": f"monitoring-{page}",
            "hosts": [host],
            "upstream": f"tasks.monitoring_{page}",
            "port": PAGES[page],
            "source": f"monitoring_hosts.{page}",
            "auth": True,
        }
        for page, host in platform["monitoring"]["hosts"].items()
        if page in images
    ]


def certificate_addresses(platform: Mapping[str, Any], jenkins_host_address: str) -> list[dict[str, str]]:
    """What shows a certificate and is no route: ``[{"name", "address": "address:port"}]``, as the nodes reach it.

    ``platform``: the fact. ``jenkins_host_address``: of the docker host that carries Jenkins. One that is bound to the
    loopback can't be asked from elsewhere, and is left out.
    """
    registry, jenkins = platform["registry"], platform["jenkins"]
    found = [{"name": registry["name"], "address": f"{registry['ip']}:{registry['port']}"}]
    if jenkins["host"]:
        bound = str(jenkins["bind_address"])
        address = jenkins_host_address if bound in ("", "0.0.0.0") else bound
        if address and not address.startswith("127."):
            found.append({"name": jenkins["name"], "address": f"{address}:{jenkins['https_port']}"})
    return found


def elasticsearch_logins(urls: Iterable[str]) -> list[dict[str, str]]:
    """What an exporter is started with for each cluster: its ``name``, the ``url`` without a login, and the ``login``.

    The login is a line with the user's name and one with the password, each as it is; either may be empty.
    """
    found = []
    for number, url in enumerate(urls, start=1):
        parts = urlsplit(url)
        found.append(
            {
                "name": f"elasticsearch-{number}",
                "url": urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])),
                "login": "".join(f"{unquote(one or '')}\n" for one in (parts.username, parts.password)),
            }
        )
    return found
