# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The picture of a platform that a tired person can read at night."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.stack.access_log import parse_request
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import stack_of_jobs
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import ACTIVE_VERDICTS
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
        notable += in_maintenance(name, stack["revisions"], stack["in_force"])
    return [*unwell(nodes, services), *gone(stacks), *lost_volumes(nodes, stacks), *notable]


def in_maintenance(name: str, revisions: Sequence[Row], in_force: int) -> list[str]:
    """That visitors of an app see a page in its place, and since when. ``revisions``: of platform_info."""
    shown: list[Row] = []
    for row in sorted(revisions, key=lambda row: -int(row["number"])):
        if row["number"] > in_force or row["verdict"] not in ACTIVE_VERDICTS:
            continue
        route = ((row["release"] or {}).get("app") or {}).get("route") or {}
        if not (route.get("maintenance") or {}).get("enabled"):
            break
        shown.append(row)
    if not shown:
        return []
    why = f": {shown[-1]['why']}" if shown[-1].get("why") else ""
    by = f" by {shown[-1]['who']}" if shown[-1].get("who") else ""
    return [
        f"app {name} is in maintenance since {shown[-1]['when']}{by}{why}. "
        f"playbooks/maintenance.yml -e app={name} -e on=false ends it"
    ]


def volume_places(nodes: Iterable[Row]) -> dict[str, str]:
    """Where each volume of an app is. On two nodes while it is moved."""
    places: dict[str, list[str]] = {}
    for node in sorted(nodes, key=lambda node: str(node["name"])):
        for volume in node.get("volumes", ()):
            places.setdefault(volume, []).append(node["name"])
    return {volume: " ".join(names) for volume, names in sorted(places.items())}


def lost_volumes(nodes: Iterable[Row], stacks: Mapping[str, Row]) -> list[str]:
    """The volumes that a revision in force mounts and no node of the swarm says it has: nothing of it starts."""
    places = volume_places(nodes)
    return [
        f"volume {name}_{volume} of app {name} is on no node of the swarm: its services wait for it"
        for name, stack in stacks.items()
        for row in stack["revisions"]
        if row["number"] == stack["in_force"]
        for volume in sorted(((row["release"] or {}).get("app") or {}).get("volumes") or {})
        if f"{name}_{volume}" not in places
    ]


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
    return [
        *_strange_nodes(platform["nodes"], seen["nodes"]),
        *_missing_apps(platform["apps"], seen["stacks"]),
        *_strange_stacks(platform, seen["stacks"]),
        *_strange_services(seen["services"], seen["stacks"]),
        *_missing_scheduler(seen["stacks"]),
        *_strange_jenkins(platform, containers or {}),
    ]


def _strange_nodes(wanted: Sequence[Row], seen: Sequence[Row]) -> Iterator[str]:
    members = {node["name"] for node in seen}
    # A machine that is silent doesn't say its host name, by which the swarm knows it: its address does.
    at = {node["address"]: node["name"] for node in seen if node["address"]}

    def name_in_swarm(node: Row) -> str:
        name: str = node["hostname"]
        return name if name in members else at.get(node["address"], name)

    names = {name_in_swarm(node): node["name"] for node in wanted}
    for name in sorted(names.keys() - members):
        yield f"node {names[name]} of the inventory is not in the swarm: site.yml brings it in"
    for name in sorted(members - names.keys()):
        way = "site.yml takes it out of the swarm (unless swarm_member_prune is false)"
        yield f"node {name} is not in the inventory: {way}"


def _missing_apps(apps: Iterable[str], stacks: Mapping[str, Row]) -> Iterator[str]:
    for name in apps:
        if not (stacks.get(name) or {"services": {}})["services"]:
            yield f"app {name} of the inventory is not deployed: site.yml deploys it"


def _missing_scheduler(stacks: Mapping[str, Row]) -> Iterator[str]:
    """After a rollback to what had a schedule, say."""
    for name, stack in stacks.items():
        in_force = next((row for row in stack["revisions"] if row["number"] == stack["in_force"]), None)
        scheduled = ((in_force or {}).get("release") or {}).get("app") or {}
        if scheduled.get("cron") and "cron" not in stacks:
            yield f"app {name} has schedules and no scheduler runs: site.yml brings it"


def _strange_stacks(platform: Mapping[str, Any], stacks: Mapping[str, Row]) -> Iterator[str]:
    enabled = {"monitoring": platform["monitoring"]["enabled"], "certificates": platform["proxy"].get("acme")}
    known = {*platform["apps"], "proxy", "cron", *(name for name, wanted in enabled.items() if wanted)}
    for name, stack in stacks.items():
        if name in known or not stack["services"]:
            continue
        way = "site.yml" if name in enabled else f"""site.yml -e '{{"apps_absent": ["{name}"]}}'"""
        places = [host + path.rstrip("/") for host, path in _places_in_force(stack)]
        routed = f", and its route ({', '.join(places)})" if places else ""
        yield f"stack {name} runs and is not in the inventory: ansible-playbook {way} takes it away{routed}"


def _strange_services(services: Iterable[Row], stacks: Mapping[str, Row]) -> Iterator[str]:
    ours = {f"{name}_{service}" for name, stack in stacks.items() for service in stack["services"]}
    jobs = tuple(f"{stack_of_jobs(name)}_" for name in stacks)
    for service in services:
        if service["name"] not in ours and not service["name"].startswith(jobs):
            yield f"service {service['name']} was made by hand: docker service rm {service['name']} takes it away"


def _strange_jenkins(platform: Mapping[str, Any], containers: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for host in sorted(containers):
        if host == (platform.get("jenkins") or {}).get("host"):
            continue
        if names := " ".join(sorted(_running_jenkins(platform, containers, host))):
            way = f"docker rm --force {names} there takes it away; its volumes stay"
            yield f"Jenkins runs on {host} and is not in the inventory: {way}"


def _running_jenkins(platform: Mapping[str, Any], containers: Mapping[str, Sequence[Row]], host: str) -> list[str]:
    """The names of Jenkins' containers that a look at a docker host has found running."""
    own = [one for one in containers.get(host, ()) if one["platform"] == f"{platform['name']}-jenkins"]
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
    if places := volume_places(nodes):
        lines += ["", *table(("VOLUME", "ON"), places.items())]
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


def _when(run: Row) -> str:
    return str(run["when"])


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
    lines += ["", "* in force"]
    if runs := sorted((*stack.get("runs", ()), *stack.get("scheduled_runs", ())), key=_when, reverse=True):
        rows = [(run["when"], run["who"], run["revision"], run["what"], run["detail"], run["why"]) for run in runs]
        lines += ["", *table(("RAN", "WHO", "REVISION", "COMMAND", "ENDED", "WHY"), rows)]
    return lines


def log_lines(lines: Sequence[Row]) -> list[str]:
    """Lines of logs with the time to the millisecond, task and node in columns."""
    if not lines:
        return ["Nothing was logged."]
    task, node = (max(len(line[key]) for line in lines) for key in ("task", "node"))
    return [
        f"{line['when'][:23]}Z  {line['task']:<{task}}  {line['node']:<{node}}  {line['text']}".rstrip()
        for line in lines
    ]


def access_lines(lines: Sequence[Row]) -> list[str]:
    """Lines of the proxy's access log in columns; an answer of the proxy's own came from no replica."""
    if not lines:
        return ["No request was logged. (The proxy logs none where proxy_access_log_enabled is false.)"]
    head = ("TIME", "STATUS", "SECONDS", "CLIENT", "PROXY ON", "REPLICA", "REQUEST")
    return table(head, [_request(line, parse_request(line["text"])) for line in lines])


def _request(line: Row, request: Row) -> tuple[Any, ...]:
    asked = f"{request.get('method', '')} https://{request.get('host', '')}{request.get('uri', '')}"
    seconds, replica = request.get("request_time", 0), request.get("upstream_addr") or "-"
    return (line["when"][:23] + "Z", request["status"], seconds, request["remote_addr"], line["node"], replica, asked)


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
    suffix = _suffix(platform["proxy"]["https_port"])
    places = _places_there(platform, seen["stacks"])
    has_jenkins = _has_jenkins(platform, left_out or {}, containers or {})
    return [
        *(_noted("URL", f"https://{host}{suffix}{path}") for host, path in places),
        *_monitoring_notes(platform, seen["services"], secrets),
        *(_jenkins_notes(platform.get("jenkins") or {}, secrets) if has_jenkins else ()),
        *_disk_notes(disks or {}),
        *(_noted("Not asked", f"{host}: {why}") for host, why in platform.get("silent", {}).items()),
        *(_noted("Left out", f"{name}: {reason}") for name, reason in (left_out or {}).items()),
        *_image_notes(sources or {}),
        *_certificate_notes(secrets),
        *_next_notes(platform, secrets, places),
        *_socket_notes(platform["nodes"]),
    ]


def _noted(label: str, text: str) -> str:
    return f"{label:<12} {text}"


def _suffix(port: int) -> str:
    """What a URL has of an HTTPS port."""
    return "" if port == 443 else f":{port}"


def _places_there(platform: Mapping[str, Any], stacks: Mapping[str, Row]) -> list[tuple[str, str]]:
    """The host names and paths of the apps that have services."""
    there = {name: stack for name, stack in stacks.items() if stack["services"]}
    return [place for name in platform["apps"] for place in _places_in_force(there.get(name) or {})]


def _disk_notes(disks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for host, disk in disks.items():
        free, total = (disk[key] / 1e9 for key in ("free_bytes", "total_bytes"))
        where = f"{disk['path']} on {host}" if len(disks) > 1 else disk["path"]
        yield _noted("Disk", f"{free:.0f} GB of {total:.0f} GB free at {where}")


def _image_notes(sources: Mapping[str, str]) -> Iterator[str]:
    for label, ways in (("Official", {"pull"}), ("Built", {"build", "bootstrap"})):
        if names := sorted(name for name, way in sources.items() if way in ways):
            yield _noted(label, ", ".join(names))


def _certificate_notes(secrets: Mapping[str, Any]) -> Iterator[str]:
    """Of the proxy, and how to trust it."""
    certificate, authority = _certificate_and_authority(secrets)
    if certificate and authority:
        if certificate.get("pending"):
            # In check mode the facts tell of one that nobody keeps.
            yield _noted("Certificate", "to be made anew")
        else:
            yield _noted("Certificate", f"SHA-256 {certificate['fingerprint']}, until {certificate['not_after']}")
        yield _noted("Trust", f"the platform's CA is {authority['certificate_file']}")


def _next_notes(
    platform: Mapping[str, Any], secrets: Mapping[str, Any], places: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """What to try next, where there is an app to ask, and it is known how to trust it."""
    certificate, authority = _certificate_and_authority(secrets)
    if places and certificate and authority:
        (host, path), *_others = places
        trust = "" if certificate.get("given") else f"--cacert {authority['certificate_file']} "
        port, address = platform["proxy"]["https_port"], platform["proxy"]["address"]
        yield ""
        yield "Try next:"
        yield f"  curl {trust}--resolve {host}:{port}:{address} https://{host}{_suffix(port)}{path}"
        yield "  make status"


def _certificate_and_authority(secrets: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    return secrets.get("certificates", {}).get("proxy"), secrets.get("ca")


def _socket_notes(nodes: Sequence[Row]) -> list[str]:
    """How to ask the first manager that is a container."""
    managers = [node for node in nodes if node["role"] == "manager" and node["driver"] == "dind"]
    return [f"  docker --host unix://{node['socket']} service ls" for node in managers[:1]]


def _has_jenkins(
    platform: Mapping[str, Any], left_out: Mapping[str, str], containers: Mapping[str, Sequence[Row]]
) -> bool:
    """Without its image it is not made; one that ran runs on."""
    jenkins = platform.get("jenkins") or {}
    running = _running_jenkins(platform, containers, jenkins.get("host", ""))
    return "jenkins" not in left_out or jenkins.get("platform") in running


def _jenkins_notes(jenkins: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """Where Jenkins is, and where its passwords, in the run that has made them."""
    passwords = secrets.get("passwords", {})
    if not jenkins.get("host") or "jenkins" not in passwords:
        return []
    url = f"https://{jenkins['name']}{_suffix(jenkins['https_port'])}"
    return [
        _noted("Jenkins", f"{url}/"),
        _noted("", f"admin, with the password in {passwords['jenkins']['file']}"),
        _noted("Webhook", f"{url}/github-webhook/, with the secret in {passwords['jenkins-webhook']['file']}"),
    ]


def _places_in_force(stack: Row) -> list[tuple[str, str]]:
    """The host names and paths that an app really has, which a deploy may have made others than the inventory's."""
    rows = [row for row in stack.get("revisions", ()) if row["number"] == stack["in_force"] and "app" in row["release"]]
    apps = [row["release"]["app"] for row in rows]
    return [(str(host), path) for app in apps for host, path in product(app["hosts"], route_paths(app))]


def _monitoring_notes(
    platform: Mapping[str, Any], services: Sequence[Row], secrets: Mapping[str, Any]
) -> Iterator[str]:
    """Where the pages that are there are, and where their passwords."""
    running, suffix = {service["name"] for service in services}, _suffix(platform["proxy"]["https_port"])
    hosts = platform["monitoring"]["hosts"]
    pages = {page: host for page, host in hosts.items() if f"monitoring_{page}" in running}
    for page, host in pages.items():
        yield _noted(page.capitalize(), f"https://{host}{suffix}/")
    passwords = secrets.get("passwords", {})
    if pages and "monitoring" in passwords:
        login = passwords["monitoring"]
        yield _noted("Login", f"{login['user']}, with the password in {login['file']}")
        if "grafana" in pages:
            yield _noted("", f"in Grafana itself admin, with the one in {passwords['grafana']['file']}")
