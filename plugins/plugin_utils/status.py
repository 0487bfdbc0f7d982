# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The picture of a platform that a tired person can read at night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.stack.status import unwell
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import route_paths

Row = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table with columns as wide as their longest cell."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def problems(nodes: Sequence[Row], services: Sequence[Row], stacks: Mapping[str, Row]) -> list[str]:
    """What does not work, and what is worth knowing, a sentence each."""
    notable = [
        f"node {node['name']} is set to {node['availability']}" for node in nodes if node["availability"] != "active"
    ]
    notable += [
        f"the last update of service {service['name']} ended as {service['update']}"
        for service in services
        if service["update"] in ("paused", "rollback_paused", "rollback_completed")
    ]
    for name, stack in stacks.items():
        notable += [f"changed by hand since the deploy of {name}: {line}" for line in stack["drift"]]
        if stack["locked_by"]:
            notable.append(f"at work: {stack['locked_by']}")
    return [*unwell(nodes, services), *gone(stacks), *notable]


def gone(stacks: Mapping[str, Row]) -> list[str]:
    """The services that a revision in force has and the swarm lacks: what is not there, nobody counts replicas of."""
    return [
        f"service {name}_{service} is gone, which revision {row['number']} has: site.yml brings it back"
        for name, stack in stacks.items()
        for row in stack["revisions"]
        if row["number"] == stack["in_force"]
        for service in sorted(row["images"].keys() - stack["services"].keys())
    ]


def strangers(
    platform: Mapping[str, Any], seen: Mapping[str, Any], containers: Mapping[str, Sequence[Row]] | None = None
) -> list[str]:
    """What the inventory has and the swarm lacks, and what runs and nobody wants, with the command that cures it.

    ``platform``: the fact. ``seen``: of platform_info. ``containers``: docker host -> as in its fact ``docker_host``.
    """
    members = {node["name"] for node in seen["nodes"]}
    # A machine that is silent doesn't say its host name, by which the swarm knows it: its address does.
    at = {node["address"]: node["name"] for node in seen["nodes"] if node["address"]}
    wanted = {
        node["hostname"] if node["hostname"] in members else at.get(node["address"], node["hostname"]): node["name"]
        for node in platform["nodes"]
    }
    lines = [
        f"node {wanted[name]} of the inventory is not in the swarm: site.yml brings it in"
        for name in sorted(wanted.keys() - members)
    ]
    lines += [
        f"node {name} is not in the inventory: site.yml takes it out of the swarm (unless swarm_member_prune is false)"
        for name in sorted(members - wanted.keys())
    ]
    lines += [
        f"app {name} of the inventory is not deployed: site.yml deploys it"
        for name in platform["apps"]
        if not (seen["stacks"].get(name) or {"services": {}})["services"]
    ]
    known = {*platform["apps"], "proxy", *(["monitoring"] if platform["monitoring"]["enabled"] else [])}
    for name, stack in seen["stacks"].items():
        if name in known or not stack["services"]:
            continue
        way = "site.yml" if name == "monitoring" else f"""site.yml -e '{{"apps_absent": ["{name}"]}}'"""
        places = [host + path.rstrip("/") for host, path in _places_in_force(stack)]
        routed = f", and its route ({', '.join(places)})" if places else ""
        lines.append(f"stack {name} runs and is not in the inventory: ansible-playbook {way} takes it away{routed}")
    ours = {f"{name}_{service}" for name, stack in seen["stacks"].items() for service in stack["services"]}
    lines += [
        f"service {service['name']} was made by hand: docker service rm {service['name']} takes it away"
        for service in seen["services"]
        if service["name"] not in ours
    ]
    for host in sorted(containers or {}):
        if host == (platform.get("jenkins") or {}).get("host"):
            continue
        if names := " ".join(sorted(_running_jenkins(platform, containers, host))):
            lines.append(
                f"Jenkins runs on {host} and is not in the inventory: docker rm --force {names} there takes it away; "
                "its volumes stay"
            )
    return lines


def _running_jenkins(
    platform: Mapping[str, Any], containers: Mapping[str, Sequence[Row]] | None, host: str
) -> list[str]:
    """The names of Jenkins' containers that a look at a docker host has found running."""
    own = [one for one in (containers or {}).get(host, ()) if one["platform"] == f"{platform['name']}-jenkins"]
    return [str(one["name"]) for one in own if one["state"] == "running"]


RENEWED_BY = "the next deploy, rollback, scaling, prune or site.yml"


def certificate_problems(platform: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """Which certificates are to be made anew, and what does it. ``platform``, ``secrets``: the facts."""
    names = {"ca": "the platform's CA", "registry": "the registry", "jenkins": "Jenkins"}
    by = {"jenkins": "the next backup or site.yml"}
    lines = [
        f"the certificate of {names[what]} is valid until {found['until']}: {by.get(what, RENEWED_BY)} renews it"
        for what, found in platform["certificates"].items()
        if found["due"] and what in names
    ]
    # Its names, too, may have changed.
    pending = (secrets.get("certificates", {}).get("proxy") or {}).get("pending", "")
    if pending:
        due = platform["certificates"].get("proxy", {}).get("due")
        by_proxy = RENEWED_BY if due else "the next deploy, rollback, scaling or site.yml"
        lines.append(f"the certificate of the proxy is to be made anew ({pending}): {by_proxy} does it")
    return lines


def status_lines(
    nodes: Sequence[Row], services: Sequence[Row], stacks: Mapping[str, Row], more: Sequence[str] = ()
) -> list[str]:
    """Nodes, services, revisions in force, and problems. ``more``: problems that were found elsewhere."""
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
                _replicas(service),
                " ".join(service["nodes"]),
                _short(service["image"]),
            )
            for service in services
        ),
    )
    in_force = [
        (name, *_revision(row)[:6])
        for name, stack in stacks.items()
        for row in stack["revisions"]
        if row["number"] == stack["in_force"]
    ]
    if in_force:
        lines += ["", *table(("STACK", *_REVISION[:6]), in_force)]
    wrong = [*problems(nodes, services, stacks), *more]
    lines += (
        ["", *(f"! {problem}" for problem in wrong)]
        if wrong
        else ["", "All nodes are ready, all services run as wanted."]
    )
    return lines


def _replicas(service: Row) -> str:
    """How many run of how many; of a service whose work is done, that."""
    if service.get("done") and not service["wanted"]:
        return "done"
    return f"{service['running']}/{service['wanted']}"


_REVISION = ("REVISION", "SINCE", "WHAT", "WHO", "IMAGE", "ENV", "VERDICT", "WHY")


def history_lines(stack: Row | None) -> list[str]:
    """The revisions of one stack, newest first; the one in force is marked."""
    if not stack:
        return ["It was never deployed."]
    rows = [_revision(row) for row in stack["revisions"]]
    lines = table(_REVISION, [(f"{row[0]} *" if row[0] == stack["in_force"] else row[0], *row[1:]) for row in rows])
    for row in stack["revisions"]:
        if row["cause"]:
            lines += ["", f"{row['number']} {row['verdict'].replace('_', ' ')}:", *row["cause"].splitlines()[:6]]
    return [*lines, "", "* in force"]


def log_lines(lines: Sequence[Row]) -> list[str]:
    """Lines of logs with the time to the millisecond, task and node in columns."""
    if not lines:
        return ["Nothing was logged."]
    task, node = (max(len(line[key]) for line in lines) for key in ("task", "node"))
    return [
        f"{line['when'][:23]}Z  {line['task']:<{task}}  {line['node']:<{node}}  {line['text']}".rstrip()
        for line in lines
    ]


def _revision(row: Row) -> tuple[Any, ...]:
    release = row["release"]
    asked = str(release["app"]["image"]).partition("@")[0] if "app" in release else ""
    images = list(dict.fromkeys(_short(image).rpartition("/")[2] for image in row["images"].values()))
    shown = " ".join(images) if len(images) < 3 else f"{len(images)} images"
    image = f"{asked} {release['image'].rpartition('sha256:')[2][:12]}" if asked else shown
    env = str((release.get("env") or {}).get("digest") or "")
    what = row["kind"] or "deploy"
    return (row["number"], row["when"], what, row["who"], image, env, row["verdict"].replace("_", " "), row["why"])


def _short(image: str) -> str:
    """An image reference with its digest cut to the twelve characters that people compare."""
    name, at, digest = image.partition("@sha256:")
    return f"{name}{at}{digest[:12]}" if at else image


def platform_notes(
    platform: Mapping[str, Any],
    secrets: Mapping[str, Any],
    seen: Mapping[str, Any],
    disks: Mapping[str, Mapping[str, Any]] | None = None,
    left_out: Mapping[str, str] | None = None,
    sources: Mapping[str, str] | None = None,
    containers: Mapping[str, Sequence[Row]] | None = None,
) -> list[str]:
    """Where the platform is reached, how to trust it, what to try next. Of apps and pages only those that are there.

    ``secrets``: the fact, {} where unknown. ``seen``: of platform_info. ``disks``: docker host -> as in its fact
    ``docker_host``. ``left_out``: name -> why, of images that could not be had. ``sources``: name -> how,
    of the others, where that was decided image by image. ``containers``: docker host -> as in its fact, of the look
    at the beginning of the run.
    """
    port = platform["proxy"]["https_port"]
    suffix = "" if port == 443 else f":{port}"
    there = {name: stack for name, stack in seen["stacks"].items() if stack["services"]}
    places = [place for name in platform["apps"] for place in _places_in_force(there.get(name) or {})]
    lines = [f"{'URL':<12} https://{host}{suffix}{path}" for host, path in places]
    running = {service["name"] for service in seen["services"]}
    pages = {page: host for page, host in platform["monitoring"]["hosts"].items() if f"monitoring_{page}" in running}
    lines += _monitoring_notes(pages, secrets, suffix)
    jenkins = platform.get("jenkins") or {}
    # Without its image it is not made; one that ran runs on.
    runs = _running_jenkins(platform, containers, jenkins.get("host", ""))
    if "jenkins" not in (left_out or {}) or jenkins.get("platform") in runs:
        lines += _jenkins_notes(jenkins, secrets)
    for host, disk in (disks or {}).items():
        free, total = (disk[key] / 1e9 for key in ("free_bytes", "total_bytes"))
        where = f"{disk['path']} on {host}" if len(disks or {}) > 1 else disk["path"]
        lines.append(f"{'Disk':<12} {free:.0f} GB of {total:.0f} GB free at {where}")
    lines += [f"{'Not asked':<12} {host}: {why}" for host, why in platform.get("silent", {}).items()]
    lines += [f"{'Left out':<12} {name}: {reason}" for name, reason in (left_out or {}).items()]
    for label, ways in (("Official", {"pull"}), ("Built", {"build", "bootstrap"})):
        names = sorted(name for name, way in (sources or {}).items() if way in ways)
        lines += [f"{label:<12} {', '.join(names)}"] if names else []
    certificate, authority = secrets.get("certificates", {}).get("proxy"), secrets.get("ca")
    if certificate and authority:
        # In check mode the facts tell of one that nobody keeps.
        shown = "to be made anew" if certificate.get("pending") else f"SHA-256 {certificate['fingerprint']}"
        until = "" if certificate.get("pending") else f", until {certificate['not_after']}"
        lines += [
            f"{'Certificate':<12} {shown}{until}",
            f"{'Trust':<12} the platform's CA is {authority['certificate_file']}",
        ]
        if places:
            (host, path), *_others = places
            trust = "" if certificate.get("given") else f"--cacert {authority['certificate_file']} "
            lines += [
                "",
                "Try next:",
                f"  curl {trust}--resolve {host}:{port}:{platform['proxy']['address']} https://{host}{suffix}{path}",
                "  make status",
            ]
    for node in platform["nodes"]:
        if node["role"] == "manager" and node["driver"] == "dind":
            lines.append(f"  docker --host unix://{node['socket']} service ls")
            break
    return lines


def _jenkins_notes(jenkins: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """Where Jenkins is, and where its passwords, in the run that has made them."""
    passwords = secrets.get("passwords", {})
    if not jenkins.get("host") or "jenkins" not in passwords:
        return []
    suffix = "" if jenkins["https_port"] == 443 else f":{jenkins['https_port']}"
    return [
        f"{'Jenkins':<12} https://{jenkins['name']}{suffix}/",
        f"{'':<12} admin, with the password in {passwords['jenkins']['file']}",
        f"{'Webhook':<12} https://{jenkins['name']}{suffix}/github-webhook/, "
        f"with the secret in {passwords['jenkins-webhook']['file']}",
    ]


def _places_in_force(stack: Row) -> list[tuple[str, str]]:
    """The host names and paths that an app really has, which a deploy may have made others than the inventory's."""
    rows = [row for row in stack.get("revisions", ()) if row["number"] == stack["in_force"] and "app" in row["release"]]
    apps = [row["release"]["app"] for row in rows]
    return [(str(host), path) for app in apps for host, path in product(app["hosts"], route_paths(app))]


def _monitoring_notes(pages: Mapping[str, str], secrets: Mapping[str, Any], suffix: str) -> list[str]:
    """Where the pages are, and where their passwords."""
    lines = [f"{page.capitalize():<12} https://{host}{suffix}/" for page, host in pages.items()]
    passwords = secrets.get("passwords", {})
    if pages and "monitoring" in passwords:
        login = passwords["monitoring"]
        lines.append(f"{'Login':<12} {login['user']}, with the password in {login['file']}")
        if "grafana" in pages:
            lines.append(f"{'':<12} in Grafana itself admin, with the one in {passwords['grafana']['file']}")
    return lines
