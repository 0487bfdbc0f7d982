# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An inventory as the platform that it describes.

``parse`` is lenient so that every problem can be told at once: what is wrong is replaced by its default and named.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import PREFIX, network_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import (
    HIDDEN,
    Harmless,
    Problem,
    is_beyond,
    listed,
    show,
    show_key,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import (
    Options,
    Specs,
    check_option,
    check_options,
    complete,
    merged,
    nearest,
    secrets_in,
    text_of_several,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import kind_of

DOCKER_HOSTS, REGISTRY, MANAGERS, WORKERS = "docker_hosts", "registry", "swarm_managers", "swarm_workers"
JENKINS = "jenkins"
GROUPS = (DOCKER_HOSTS, REGISTRY, MANAGERS, WORKERS, JENKINS)
NODE_PREFIX = "swarm_node_"
ENGINE_SOCKET = "/run/docker.sock"
# Offsets in the platform's subnet.
GATEWAY_OFFSET, REGISTRY_OFFSET, EDGE_OFFSET, METRICS_OFFSET = 1, 2, 3, 4


@dataclass(frozen=True)
class Undefined:
    """A value whose template can't be resolved, and why. ``template``: as far as nothing but names is in it."""

    template: str
    reason: str


@dataclass(frozen=True)
class RawInventory:
    """``hosts``: host -> its variables, plain values. ``groups``: group -> hosts, in inventory order.

    ``from_vault``: the texts that are known to come from a vault. ``beyond``: (host, place) of integers of more than 64
    bits, which count as not given.
    """

    hosts: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, Sequence[str]]
    inventory_dir: str
    from_vault: frozenset[str] = frozenset()
    beyond: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        found = [(host, place) for host, variables in self.hosts.items() for place in _beyond(variables)]
        if found:
            object.__setattr__(self, "beyond", (*self.beyond, *found))
            object.__setattr__(self, "hosts", {host: _readable(variables) for host, variables in self.hosts.items()})

    def group(self, name: str) -> tuple[str, ...]:
        return tuple(self.groups.get(name, ()))


def _beyond(value: Any, place: str = "") -> Iterator[str]:
    """Where integers of more than 64 bits are. A mapping that has one for a key is such a place."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if is_beyond(key):
                yield place
            else:
                yield from _beyond(one, f"{place}.{show_key(key)}" if place else show_key(key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _beyond(one, f"{place}[{index}]")
    elif is_beyond(value):
        yield place


def _readable(value: Any) -> Any:
    """The value without them: of a mapping without the key, of a list nothing at all."""
    if isinstance(value, Mapping):
        parts = {key: _readable(one) for key, one in value.items() if not is_beyond(key)}
        return {key: one for key, one in parts.items() if one is not _NOTHING}
    if isinstance(value, list):
        elements = [_readable(one) for one in value]
        return _NOTHING if any(one is _NOTHING for one in elements) else elements
    return _NOTHING if is_beyond(value) else value


_NOTHING = object()


@dataclass(frozen=True)
class Node:
    """A member of the swarm. ``driver``: dind or engine. ``cpus`` and ``memory`` 0 mean all."""

    name: str
    host: str
    driver: str
    role: str
    address: str
    socket: str
    container: str
    labels: Mapping[str, str] = field(default_factory=dict)
    availability: str = "active"
    cpus: float = 0
    memory: str = "0"


@dataclass(frozen=True)
class Inventory:
    """The platform as the inventory gives it, every default filled in.

    ``variables``: the platform-wide variables (types converted). ``apps``: name -> settings. ``subnet``: None when it
    could not be read. ``app_names``: those of apps that could not be read, too. ``misread``: where something has the
    wrong type, or is none of the choices, as ``apps.web.port``.
    """

    variables: Mapping[str, Any]
    nodes: tuple[Node, ...]
    docker_hosts: tuple[str, ...]
    registry_hosts: tuple[str, ...]
    apps: Mapping[str, Mapping[str, Any]]
    app_names: tuple[str, ...]
    inventory_dir: str
    jenkins_hosts: tuple[str, ...] = ()
    misread: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return str(self.variables["platform_name"])

    @property
    def subnet(self) -> ipaddress.IPv4Network | None:
        value = str(self.variables["platform_subnet"])
        return network_of(value) if "/" in value else None

    @property
    def is_nested(self) -> bool:
        """Whether nodes are containers."""
        return any(node.driver == "dind" for node in self.nodes)

    def offset(self, number: int) -> str:
        """An address of the platform's subnet by its number."""
        return str(self.subnet[number]) if self.subnet and self.subnet.num_addresses > number else ""


def bridge_network(text: Any) -> ipaddress.IPv4Network | None:
    """The network of a bridge, of whose address and prefix ``text`` is made."""
    address, _slash, prefix = str(text).partition("/")
    found = address_of(address)
    if not found or not PREFIX.match(prefix) or int(prefix) > 32:
        return None
    return ipaddress.IPv4Network((found, int(prefix)), strict=False)


def address_of(text: Any) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(str(text))
    except ValueError:
        return None


def refused(changes: Any, apps: Mapping[str, Any]) -> list[Problem]:
    """Why what an operator asks for, ``{app: settings}``, is none of an app's settings, if so."""
    if not isinstance(changes, Mapping) or len(changes) != 1:
        return [Problem("-e", "app", changes, "is not one app", "name it: -e app=NAME")]
    app, settings = asked_for(changes)
    if app not in apps:
        there = ", ".join(sorted(apps)) or "none"
        return [Problem("-e", "app", app, "is not an app of the inventory", f"there are: {there}")]
    if not isinstance(settings, Mapping):
        cure = """as JSON: -e '{"app": "NAME", "settings": {"replicas": 3}}'"""
        return [Problem("-e", "settings", settings, "must be a mapping", cure)]
    return []


def asked_for(changes: Mapping[str, Any]) -> tuple[str, Any]:
    """The app and its settings."""
    ((app, settings),) = changes.items()
    return str(app), settings


def in_operators_words(problem: Problem, app: str, settings: Mapping[str, Any]) -> Problem:
    """A problem of the inventory that would be, if it is one of what was asked for."""
    prefix = f"apps.{app}."
    key = problem.variable.removeprefix(prefix).split(".")[0].split("[")[0]
    if not problem.variable.startswith(prefix) or key not in settings:
        return problem
    own = key in ("image", "env_file", "replicas")  # they have a variable of their own
    name = problem.variable.removeprefix(prefix)
    return replace(problem, where="-e", variable=name if own else f"settings.{name}")


def with_settings(raw: RawInventory, app: str, settings: Mapping[str, Any], options: Options) -> RawInventory:
    """The inventory as it would be if it said of an app what an operator asks for.

    Dictionaries among the settings change only the keys that they have. ``options``: the spec of an app's entry.
    """

    def changed(variables: Mapping[str, Any]) -> Mapping[str, Any]:
        apps = variables.get("apps")
        if not isinstance(apps, Mapping) or not isinstance(apps.get(app), Mapping):
            return variables
        return {**variables, "apps": {**apps, app: merged(options, apps[app], settings)}}

    return replace(raw, hosts={host: changed(variables) for host, variables in raw.hosts.items()})


def parse(raw: RawInventory, specs: Specs) -> tuple[Inventory, list[Problem]]:
    """The platform, and what is wrong with names, types and choices."""
    wrong = _wrong_values(raw, specs)
    problems = [*_unknown_groups(raw), *_unknown_names(raw, specs), *wrong]
    variables = _platform_variables(raw, specs, problems)
    given_apps = variables.pop("apps")
    apps = {}
    for name, app in given_apps.items():
        if isinstance(app, Mapping):
            misread = check_options("all hosts", f"apps.{show_key(name)}", specs.app, app)
            problems, wrong = [*problems, *misread], [*wrong, *misread]
            apps[str(name)] = _app(specs, app)
        else:
            cure = "give it image, port and hosts"
            problems.append(Problem("all hosts", f"apps.{show_key(name)}", HIDDEN, "must be a mapping", cure))
            # It is there all the same: another one's deploy leaves its route alone.
            apps[str(name)] = _app(specs, {})
    nodes = tuple(
        _node(raw, specs, name, role, variables)
        for group, role in ((MANAGERS, "manager"), (WORKERS, "worker"))
        for name in raw.group(group)
        if role == "manager" or name not in raw.group(MANAGERS)
    )
    beyond = _numbers_beyond(raw)
    # What is not given for its number's sake is not missing.
    problems = [*beyond, *(one for one in problems if not any(_is_at(one.variable, told.variable) for told in beyond))]
    inventory = Inventory(
        variables=variables,
        nodes=nodes,
        docker_hosts=raw.group(DOCKER_HOSTS),
        registry_hosts=raw.group(REGISTRY),
        apps=apps,
        app_names=tuple(map(str, given_apps)),
        inventory_dir=raw.inventory_dir,
        jenkins_hosts=raw.group(JENKINS),
        misread=frozenset(one.variable for one in [*wrong, *beyond]),
    )
    return inventory, problems


def secrets(raw: RawInventory, specs: Specs) -> frozenset[str]:
    """Every text that no problem may show: from a vault, or called secret by a spec or by its name."""
    known = specs.known
    found = set(raw.from_vault)
    for variables in raw.hosts.values():
        for name, value in variables.items():
            if name == "apps" and isinstance(value, Mapping):
                found.update(text for app in value.values() for text in secrets_in("", {"options": specs.app}, app))
            else:
                found.update(secrets_in(name, known.get(name) or {}, value))
    return frozenset(found)


def _app(specs: Specs, given: Mapping[str, Any]) -> dict[str, Any]:
    """An app without what is wrong in it; what it must have and has not is None."""
    options = {key: {**spec, "required": False} for key, spec in specs.app.items()}
    usable = {}
    for key, value in given.items():
        if key not in options:
            continue
        nested = options[key].get("options")
        if nested and isinstance(value, Mapping):
            value = {
                part: item
                for part, item in value.items()
                if part in nested and not check_option("", part, nested[part], item)
            }
        if not check_option("", key, options[key], value):
            usable[key] = value
    return complete(options, usable)


def _unknown_groups(raw: RawInventory) -> list[Problem]:
    """Groups that look like ours and are not."""
    return [
        Problem("inventory", f"group {name}", listed(hosts), "is not a group of ours", f"did you mean {near}?")
        for name, hosts in sorted(raw.groups.items())
        if name not in (*GROUPS, "all", "ungrouped") and (near := nearest(name, GROUPS, cutoff=0.85))
    ]


def _unknown_names(raw: RawInventory, specs: Specs) -> list[Problem]:
    found: dict[tuple[str, str], list[str]] = {}
    for host, variables in raw.hosts.items():
        for name, near in specs.unknown(variables):
            found.setdefault((name, near), []).append(host)
    problems = []
    for (name, near), hosts in sorted(found.items()):
        cure = f"did you mean {near}?" if near else "take it away, or look the name up in the roles' documentation"
        # It is in the way of what goes by the one that was meant.
        kind, problem = kind_of(near or name), "is not a variable of this collection"
        problems.append(Problem(where(raw, hosts), name, HIDDEN, problem, cure, kind))
    return problems


def _wrong_values(raw: RawInventory, specs: Specs) -> list[Problem]:
    """Values of the wrong kind, each told once for all hosts that have it."""
    found: dict[Problem, list[str]] = {}
    known = specs.known
    for host, variables in raw.hosts.items():
        for name, value in variables.items():
            if name not in known:
                continue
            if isinstance(value, Undefined):
                # A role's variable may well be made of what only a play knows.
                if name in specs.inventory:
                    cure = "define what it is made of, for every host"
                    problem = Problem("", name, Harmless(value.template), f"can't be resolved: {value.reason}", cure)
                    found.setdefault(problem, []).append(host)
                continue
            for problem in check_option("", name, known[name], value) or text_of_several("", name, known[name], value):
                found.setdefault(problem, []).append(host)
    return [
        Problem(where(raw, hosts), wrong.variable, wrong.value, wrong.problem, wrong.cure)
        for wrong, hosts in found.items()
    ]


def _numbers_beyond(raw: RawInventory) -> list[Problem]:
    problem, cure = "has a number of more than 64 bits", "a smaller one; in quotes, where it is text"
    found: dict[str, list[str]] = {}
    for host, place in raw.beyond:
        found.setdefault(place, []).append(host)
    return [Problem(where(raw, hosts), place, "", problem, cure) for place, hosts in found.items()]


def _is_at(variable: str, place: str) -> bool:
    """Whether it is that place, or the list that it is in."""
    return variable == place or place.startswith(f"{variable}[")


def where(raw: RawInventory, hosts: Sequence[str]) -> str:
    """Hosts in few words: a group's name where they are exactly that group."""
    if set(hosts) == set(raw.hosts):
        return "all hosts"
    for group, members in raw.groups.items():
        if group != "ungrouped" and set(members) == set(hosts):
            return f"group {group}" if len(hosts) > 1 else hosts[0]
    return ", ".join(hosts)


def _platform_variables(raw: RawInventory, specs: Specs, problems: list[Problem]) -> dict[str, Any]:
    """The variables that are the same for all hosts. Wrong ones count as not given."""
    options = {name: spec for name, spec in specs.inventory.items() if not name.startswith(NODE_PREFIX)}
    values: dict[str, Any] = {}
    for name, spec in options.items():
        given = {host: variables[name] for host, variables in raw.hosts.items() if name in variables}
        distinct = _distinct(name, spec, given)
        is_on_some = bool(given) and set(given) != set(raw.hosts)
        if len(distinct) > 1 or is_on_some:
            problems.append(_not_the_same(raw, name, given, distinct))
        if distinct:
            values[name] = distinct[0][1]
    completed = complete({name: {**spec, "default": None} for name, spec in options.items()}, values)
    for name, spec in options.items():
        if completed.get(name) is None:
            completed[name] = _default_of(spec, completed, raw.inventory_dir)
    return completed


def _distinct(name: str, spec: Mapping[str, Any], given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The valid values of a variable, each with the first host that has it."""
    valid = {
        host: value
        for host, value in given.items()
        if value is not None and not isinstance(value, Undefined) and not check_option(host, name, spec, value)
    }
    first = {_text(value): (host, value) for host, value in reversed(valid.items())}
    return list(reversed(first.values()))


def _not_the_same(
    raw: RawInventory, name: str, given: Mapping[str, Any], distinct: Sequence[tuple[str, Any]]
) -> Problem:
    without = [host for host in raw.hosts if host not in given]
    told = " and ".join(f"{_as_told(value)} on {host}" for host, value in distinct)
    problem = f"must be the same for all hosts: {told}" + (f", nothing on {without[0]}" if without else "")
    return Problem("inventory", name, next(iter(given.values())), problem, "set it once, in group_vars/all.yml")


def _default_of(spec: Mapping[str, Any], before: Mapping[str, Any], inventory_dir: str) -> Any:
    """A spec's default, with what it is made of filled in: ``before``, the variables described above it."""
    default = spec.get("default")
    if isinstance(default, str):
        for name, value in {**before, "inventory_dir": inventory_dir}.items():
            default = default.replace(f"{{{{ {name} }}}}", str(value))
    return default


def _as_told(value: Any) -> str:
    return "a value" if (shown := show(value)) == HIDDEN else shown


def _text(value: Any) -> str:
    """A value as YAML writes it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _node(raw: RawInventory, specs: Specs, name: str, role: str, variables: Mapping[str, Any]) -> Node:
    options = {key: spec for key, spec in specs.inventory.items() if key.startswith(NODE_PREFIX)}
    given = {
        key: value
        for key, value in raw.hosts.get(name, {}).items()
        if key in options and not isinstance(value, Undefined) and not check_option(name, key, options[key], value)
    }
    values = {key.removeprefix(NODE_PREFIX): value for key, value in complete(options, given).items()}
    driver = values["driver"] or ("dind" if values["host"] else "engine")
    nested = driver == "dind"
    return Node(
        name=name,
        host=(values["host"] or "") if nested else name,
        driver=driver,
        role=role,
        address=values["address"] or "",
        socket=f"{variables['platform_run_dir']}/{name}/docker.sock" if nested else ENGINE_SOCKET,
        container=f"{variables['platform_name']}-{name}" if nested else "",
        labels={str(key): _label(value) for key, value in values["labels"].items()},
        availability=values["availability"],
        cpus=values["cpus"],
        memory=values["memory"],
    )


def _label(value: Any) -> str:
    """A label's value as it is written in the inventory."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
