# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where replicas may run, and whether there is room for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils import compose_forms, jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_compose import wrong_services
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import Node
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import KINDS
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.ports import published_port
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, show, show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import nearest


def check_constraints(inputs: PreflightInput) -> Iterator[Problem]:
    """That there is a node for each service."""
    ipvs = all(facts["kernel"]["ipvs"] for _host, facts in inputs.facts())
    for name, app in inputs.inventory.apps.items():
        at = f"apps.{show_key(name)}"
        yield from _check_constraints(inputs, at, app["constraints"])
        others = {f"services.{show_key(key)}": one for key, one in app["services"].items()}
        services = {"service": app["service"], **others}
        for place, service in ({} if wrong_services({**app, "name": name}, ipvs=ipvs) else services).items():
            deploy = service.get("deploy") or {}
            constraints = (deploy.get("placement") or {}).get("constraints") or []
            yield from _check_constraints(inputs, f"{at}.{place}.deploy.placement", constraints)
            own = place == "service"
            ports = [*(app["ports"] if own else ()), *(service.get("ports") or [])]
            if any(published_port(one) is None for one in ports):
                continue
            number, what = (
                (app["replicas"], f"{at}.replicas")
                if own
                else (deploy.get("replicas", 1), f"{at}.{place}.deploy.replicas")
            )
            if not str(deploy.get("mode")).startswith("global"):
                constraints = [*(app["constraints"] if own else ()), *constraints]
                yield from _check_places(inputs, what, number, constraints, deploy, ports, ipvs=ipvs)


def _check_places(
    inputs: PreflightInput,
    variable: str,
    number: int,
    constraints: Sequence[str],
    deploy: Mapping[str, Any],
    ports: Sequence[Any],
    *,
    ipvs: bool,
) -> Iterator[Problem]:
    """That there is a place for each replica, where a node takes so many and no more."""
    most = (deploy.get("placement") or {}).get("max_replicas_per_node") or 0
    why = f"each takes {most} (max_replicas_per_node)"
    if any(compose_forms.port(one, ipvs=ipvs)["mode"] == "host" for one in ports):
        most, why = 1, "each has the published port once"
    if not most or any(map(KINDS["apps{}.constraints[]"].why, constraints)):
        return
    nodes = nodes_able(inputs, constraints)
    if nodes and number > most * len(nodes):
        problem = f"has no place for each: {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'} may run it, and {why}"
        yield Problem(ALL_HOSTS, variable, number, problem, f"at most {most * len(nodes)}")


def swarm_name(node: Node, facts: Mapping[str, Any]) -> str:
    """What the swarm calls a node: its container's host name, or its machine's (``facts``), which may be any."""
    return str(facts.get("hostname") or node.name) if node.driver == "engine" else node.name


def _check_constraints(inputs: PreflightInput, at: str, constraints: Sequence[str]) -> Iterator[Problem]:
    """That some node can fulfil what is asked of its name and its role; labels may come later."""
    nodes, facts = inputs.inventory.nodes, dict(inputs.facts())
    names = {node.name: swarm_name(node, facts.get(node.host, {})) for node in nodes}
    unnamed = _unnamed(inputs)
    problems: list[Problem] = []
    for index, constraint in enumerate(constraints):
        key, equal, wanted = constraint.partition("==")
        key = key.strip().lower()
        hostnames = [] if unnamed else list(names.values())
        architectures = {
            of["node.platform.arch"] for _node, of in _known_attributes(inputs) if "node.platform.arch" in of
        }
        known = {
            "node.hostname": hostnames,
            "node.role": ["manager", "worker"],
            "node.platform.os": ["linux"],
            "node.platform.arch": sorted(architectures),
        }.get(key)
        # A swarm compares without regard to case.
        if equal and known and wanted.strip().lower() not in map(str.lower, known):
            near = names.get(wanted.strip()) or nearest(wanted.strip(), known)
            cure = f"did you mean {near}?" if near else f"one of: {', '.join(known)}"
            value = Harmless(f"{key} == {show(wanted.strip())}")
            problems.append(Problem(ALL_HOSTS, f"{at}.constraints[{index}]", value, "no node can run it", cure))
        elif equal and key == "node.role" and all(node.role != wanted.strip().lower() for node in nodes):
            problem = f"no node can run it: there is no {wanted.strip()}"
            value = Harmless(f"{key} == {wanted.strip()}")
            cure = "take it away, or add one"
            problems.append(Problem(ALL_HOSTS, f"{at}.constraints[{index}]", value, problem, cure))
    yield from problems
    if nodes and not problems and not nodes_able(inputs, constraints):
        problem = f"no node can run it: none of {', '.join(names.values())} fulfils all of them"
        yield Problem(ALL_HOSTS, f"{at}.constraints", "", problem, "take one of them away, or add a node")


def nodes_able(inputs: PreflightInput, constraints: Sequence[str]) -> list[Node]:
    """The nodes that fulfil constraints, as far as that can be known, drained ones too."""
    return [node for node, of in _known_attributes(inputs) if all(_may_run(one, of) for one in constraints)]


def _unnamed(inputs: PreflightInput) -> set[str]:
    """The nodes on machines that do not answer, which do not say what they are called."""
    facts = dict(inputs.facts())
    return {node.name for node in inputs.inventory.nodes if node.driver == "engine" and node.host not in facts}


def _known_attributes(inputs: PreflightInput) -> list[tuple[Node, dict[str, str]]]:
    """Each node, with what is known of it and a constraint may ask for, in small letters."""
    facts, unnamed = dict(inputs.facts()), _unnamed(inputs)
    found = []
    for node in inputs.inventory.nodes:
        seen = facts.get(node.host, {})
        of = {"node.role": node.role, "node.platform.os": "linux"}
        if node.name not in unnamed:
            of["node.hostname"] = swarm_name(node, seen).lower()
        if seen.get("architecture"):
            of["node.platform.arch"] = str(seen["architecture"]).lower()
        found.append((node, of))
    return found


def _may_run(constraint: str, node: Mapping[str, str]) -> bool:
    """Whether what is known of a node (``node.hostname``, ``node.role``) fulfils a constraint; of the rest, perhaps."""
    operator = "==" if "==" in constraint else "!="
    key, _operator, wanted = constraint.partition(operator)
    given = node.get(key.strip().lower())
    return given is None or (given == wanted.strip().lower()) == (operator == "==")


def check_reservations(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    """The one against the other; what they are by themselves, their kinds say."""
    limits, reservations = app["limits"], app["reservations"]
    limit, reserved = bytes_of(limits["memory"]), bytes_of(reservations["memory"])
    if limit is not None and reserved is not None and limit < reserved:
        problem = f"is less than reservations.memory {reservations['memory']}"
        yield Problem(ALL_HOSTS, f"{at}.limits.memory", limits["memory"], problem, "a limit of at least that")
    if 0 < limits["cpus"] < reservations["cpus"]:
        problem = f"is less than reservations.cpus {show(reservations['cpus'])}"
        yield Problem(ALL_HOSTS, f"{at}.limits.cpus", limits["cpus"], problem, "a limit of at least that")


@dataclass(frozen=True)
class Reservation:
    """What a service reserves for each of its tasks. ``place``: where it says so. ``memory``: in bytes."""

    place: str
    tasks: int
    memory: float
    cpus: float


def check_capacity(inputs: PreflightInput) -> Iterator[Problem]:
    """What the apps reserve together against what the machines have."""
    hosts = [host for host in inputs.inventory.docker_hosts if not jenkins.is_dedicated_host(inputs.inventory, host)]
    machines = [facts for host, facts in inputs.facts() if host in hosts]
    if not machines or len(machines) != len(hosts):
        return
    reserved = [one for name, app in inputs.inventory.apps.items() for one in _reserved(inputs, name, app)]
    too_much = [*_check_together(reserved, machines)]
    yield from too_much or _check_each(reserved, machines)


def _check_together(reserved: Sequence[Reservation], machines: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    cure = "fewer replicas, smaller reservations, or bigger machines"
    memory = sum(one.tasks * one.memory for one in reserved)
    total_memory = sum(machine["memory"]["total_bytes"] for machine in machines)
    if memory > total_memory:
        value = f"{memory / 1024**3:.1f} GB"
        problem = f"the apps together reserve more than the machines' {total_memory / 1024**3:.1f} GB"
        yield Problem(ALL_HOSTS, "apps.*.reservations.memory", value, problem, cure)
    cpus = sum(one.tasks * one.cpus for one in reserved)
    total_cpus = sum(machine["cpus"] for machine in machines)
    if cpus > total_cpus:
        problem = f"the apps together reserve more than the machines' {total_cpus} CPUs"
        yield Problem(ALL_HOSTS, "apps.*.reservations.cpus", f"{cpus:g}", problem, cure)


def _check_each(reserved: Sequence[Reservation], machines: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """That there is a machine for each task."""
    memory = max(machine["memory"]["total_bytes"] for machine in machines)
    cpus = max(machine["cpus"] for machine in machines)
    for one in reserved:
        for what, is_more, most in (
            ("memory", one.memory > memory, f"{memory / 1024**3:.1f} GB"),
            ("cpus", one.cpus > cpus, f"{cpus} CPUs"),
        ):
            if one.tasks and is_more:
                problem = f"is more than any machine has, {most}: no node could run it"
                yield Problem(ALL_HOSTS, f"{one.place}.{what}", "", problem, "less, or a bigger machine")


def _reserved(inputs: PreflightInput, name: str, app: Mapping[str, Any]) -> Iterator[Reservation]:
    """What each of an app's services reserves."""
    own, place = app["reservations"], f"apps.{show_key(name)}.reservations"
    yield Reservation(place, max(app["replicas"], 0), bytes_of(own["memory"]) or 0, own["cpus"])
    services = app["services"] if not wrong_services({**app, "name": name}, ipvs=True) else {}
    for key, service in services.items():
        deploy = service.get("deploy") or {}
        asked = (deploy.get("resources") or {}).get("reservations") or {}
        is_global = str(deploy.get("mode")).startswith("global")
        number = len(inputs.inventory.nodes) if is_global else deploy.get("replicas", 1)
        place = f"apps.{show_key(name)}.services.{show_key(key)}.deploy.resources.reservations"
        yield Reservation(place, number, bytes_of(asked.get("memory") or "0") or 0, float(asked.get("cpus") or 0))
