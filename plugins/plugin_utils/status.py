# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The picture of a platform that a tired person can read at night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.model.status import unwell

Row = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table with columns as wide as their longest cell."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def problems(nodes: Sequence[Row], services: Sequence[Row]) -> list[str]:
    """What does not work, and what is worth knowing, a sentence each."""
    notable = [
        f"node {node['name']} is set to {node['availability']}" for node in nodes if node["availability"] != "active"
    ]
    notable += [
        f"the last update of service {service['name']} ended as {service['update']}"
        for service in services
        if service["update"] in ("paused", "rollback_paused", "rollback_completed")
    ]
    return [*unwell(nodes, services), *notable]


def status_lines(nodes: Sequence[Row], services: Sequence[Row]) -> list[str]:
    """Nodes, services and problems."""
    lines = table(
        ("NODE", "ROLE", "STATE", "AVAILABILITY", "ADDRESS", "ENGINE"),
        (
            (
                node["name"],
                node["role"] + (" (leader)" if node["leader"] else ""),
                node["state"],
                node["availability"],
                node["address"],
                node["engine"],
            )
            for node in nodes
        ),
    )
    lines += [""]
    lines += table(
        ("SERVICE", "REPLICAS", "RUNNING ON", "IMAGE"),
        (
            (
                service["name"],
                f"{service['running']}/{service['wanted']}",
                " ".join(service["nodes"]),
                _short(service["image"]),
            )
            for service in services
        ),
    )
    wrong = problems(nodes, services)
    lines += (
        ["", *(f"! {problem}" for problem in wrong)]
        if wrong
        else ["", "All nodes are ready, all services run as wanted."]
    )
    return lines


def _short(image: str) -> str:
    """An image reference with its digest cut to the twelve characters that people compare."""
    name, at, digest = image.partition("@sha256:")
    return f"{name}{at}{digest[:12]}" if at else image


def platform_notes(platform: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """Where the platform is reached, how to trust it, what to try next. ``secrets``: the fact, {} where unknown."""
    port = platform["proxy"]["https_port"]
    suffix = "" if port == 443 else f":{port}"
    hosts = [host for app in platform["apps"].values() for host in app["hosts"]]
    bind = platform["proxy"]["bind_address"]
    address = "127.0.0.1" if bind in ("", "0.0.0.0") else bind
    lines = [f"{'URL':<12} https://{host}{suffix}/" for host in hosts]
    certificate, authority = secrets.get("certificates", {}).get("proxy"), secrets.get("ca")
    if certificate and authority:
        lines += [
            f"{'Certificate':<12} SHA-256 {certificate['fingerprint']}, until {certificate['not_after']}",
            f"{'Trust':<12} the platform's CA is {authority['certificate_file']}",
        ]
        if hosts:
            trust = "" if certificate.get("given") else f"--cacert {authority['certificate_file']} "
            lines += [
                "",
                "Try next:",
                f"  curl {trust}--resolve {hosts[0]}:{port}:{address} https://{hosts[0]}{suffix}/",
                "  make status",
            ]
    for node in platform["nodes"]:
        if node["role"] == "manager" and node["driver"] == "dind":
            lines.append(f"  docker --host unix://{node['socket']} service ls")
            break
    return lines
