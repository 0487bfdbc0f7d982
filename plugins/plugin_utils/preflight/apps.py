# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apps, and the services beside them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.model import split_name, volume_name
from ansible_collections.fungap.swarm.plugins.plugin_utils import cron, jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULT_TARGET, REFERENCE, SERVICE
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_compose import wrong_services
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import Inventory
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import HOST_NAME
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import why_no_template
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import VARIABLE_NAME
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import NAME, SERVICES
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.env_files import check_env_access
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput, file_path
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.networks import APPS_NETWORK
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.placement import check_reservations
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.routes import check_route, check_shared_hosts
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, Harmless, Problem, show_key

RESERVED_APPS = ("certificates", "cron", "edge", "jenkins", "monitoring", "proxy", "registry")
SCHEDULE_NAME_MAX = 20
APP_NAME = re.compile(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?")


def check_apps(inputs: PreflightInput) -> Iterator[Problem]:
    """Each app's settings in themselves."""
    inventory = inputs.inventory
    yield from _check_names_of_apps(inventory)
    yield from _check_apps_absent(inventory)
    yield from _check_apps_older_confirmed(inventory)
    yield from _check_volumes_named(inventory)
    ipvs = all(facts["kernel"]["ipvs"] for _host, facts in inputs.facts())
    for name, app in inventory.apps.items():
        at = f"apps.{show_key(name)}"
        yield from _check_host_names(at, app["hosts"])
        yield from _check_environment(at, app["environment"])
        yield from _check_names_of_schedules(at, name, app["cron"] or {})
        for wrong in wrong_services({**app, "name": name}, ipvs=ipvs):
            # A value of a service may be anything, a password too.
            yield Problem(ALL_HOSTS, f"{at}.{wrong.place}", "", wrong.problem, wrong.cure)
        yield from check_route(at, app)


def _check_names_of_apps(inventory: Inventory) -> Iterator[Problem]:
    for name in inventory.app_names:
        if not APP_NAME.fullmatch(name):
            cure = "lower case letters, digits and hyphens, beginning with a letter, at most 31"
            yield Problem(ALL_HOSTS, f"apps.{show_key(name)}", show_key(name), "is not an app's name", cure)
        if name in inventory.variables["apps_absent"]:
            yield Problem(ALL_HOSTS, "apps_absent", show_key(name), "is one of apps, too", "take it out of apps first")
        if name in RESERVED_APPS:
            problem = "is the name of a stack of the platform"
            yield Problem(ALL_HOSTS, f"apps.{name}", Harmless(name), problem, "another name")


def _check_apps_absent(inventory: Inventory) -> Iterator[Problem]:
    for name in inventory.variables["apps_absent"]:
        if not NAME.why(name) and (not APP_NAME.fullmatch(name) or name in RESERVED_APPS):
            yield Problem(ALL_HOSTS, "apps_absent", name, "is no app's name", "the one that make status shows")


def _check_apps_older_confirmed(inventory: Inventory) -> Iterator[Problem]:
    for name in inventory.variables["apps_older_confirmed"]:
        if not NAME.why(name) and name not in inventory.app_names:
            cure = f"there are: {', '.join(sorted(inventory.app_names)) or 'none'}"
            yield Problem(ALL_HOSTS, "apps_older_confirmed", name, "is not an app of the inventory", cure)


def _check_volumes_named(inventory: Inventory) -> Iterator[Problem]:
    """Of what takes data away, or lets it begin anew, nothing may be a slip of the finger."""
    declared = {volume_name(name, one) for name, app in inventory.apps.items() for one in app["volumes"]}
    for variable in ("apps_volumes_absent", "apps_volumes_anew"):
        for name in inventory.variables[variable]:
            if NAME.why(name):
                continue
            if split_name(name) is None:
                cure = "the app's name, _ and the volume's, as wiki_uploads"
                yield Problem(ALL_HOSTS, variable, name, "is not a volume of an app", cure)
            elif variable == "apps_volumes_absent" and name in declared:
                cure = "take it out of the app first"
                yield Problem(ALL_HOSTS, variable, Harmless(name), "is a volume that an app declares", cure)
            elif variable == "apps_volumes_anew" and name not in declared:
                cure = f"there are: {', '.join(sorted(declared)) or 'none'}"
                yield Problem(ALL_HOSTS, variable, name, "is not a volume that an app declares", cure)


def _check_host_names(at: str, hosts: Sequence[str]) -> Iterator[Problem]:
    for index, host in enumerate(hosts):
        if not HOST_NAME.fullmatch(host):
            cure = "lower case letters, digits, hyphens and dots, as web.example.com; no scheme, port or path"
            problem = "is not a host name"
            if host.startswith("*.") and HOST_NAME.fullmatch(host[2:]):
                problem, cure = "is a wildcard: each host name has a route and a certificate of its own", "name each"
            yield Problem(ALL_HOSTS, f"{at}.hosts[{index}]", host, problem, cure)
    named = [host for host in hosts if HOST_NAME.fullmatch(host)]
    for duplicate in sorted({host for host in named if named.count(host) > 1}):
        yield Problem(ALL_HOSTS, f"{at}.hosts", Harmless(duplicate), "is there twice", "once")


def _check_names_of_schedules(at: str, app: str, schedules: Mapping[Any, Any]) -> Iterator[Problem]:
    """That the service of a run can be called after both."""
    for name in map(str, schedules):
        if len(name) <= SCHEDULE_NAME_MAX and len(app) + len(name) > cron.NAMES_MAX:
            problem = f"is too long beside the app's: together they have {len(app) + len(name)} characters"
            cure = f"at most {cron.NAMES_MAX} together"
            yield Problem(ALL_HOSTS, f"{at}.cron.{show_key(name)}", show_key(name), problem, cure)


def _check_environment(at: str, environment: Mapping[Any, Any]) -> Iterator[Problem]:
    for number, (key, value) in enumerate(environment.items(), start=1):
        if not isinstance(key, str) or not VARIABLE_NAME.match(key):
            problem = f"is not a variable's name, as number {number} of them"
            cure = "as LOG_LEVEL; in quotes where YAML reads it as true or false, as NO and ON"
            yield Problem(ALL_HOSTS, f"{at}.environment", key, problem, cure)
        elif isinstance(value, (list, dict)):
            yield Problem(ALL_HOSTS, f"{at}.environment.{key}", HIDDEN, "must be text", "quote it")
        elif value is not None and (why := why_no_template(value)):
            yield Problem(ALL_HOSTS, f"{at}.environment.{key}", HIDDEN, why, "text that a container can be given")


def check_settings_together(inputs: PreflightInput) -> Iterator[Problem]:
    """What an app's settings come to together, and beside the other apps'.

    Of what an operator asks for, that depends on what is in force: app_releases judges it.
    """
    yield from check_shared_hosts(inputs.inventory.apps)
    for name, app in inputs.inventory.apps.items():
        at, metrics = f"apps.{show_key(name)}", app["metrics"]
        # A deploy may ask for such a one; what site.yml builds, pulls and keeps has a name of its own.
        if inputs.images and app["image"] and REFERENCE.search(app["image"]):
            cure = f"an entry of images_extra, as {{{name}: {{pull: ...}}}}, and its name here"
            yield Problem(ALL_HOSTS, f"{at}.image", app["image"], "is not a name of the image catalog", cure)
        if metrics["port"] and not metrics["path"]:
            problem = "is set without metrics.path"
            yield Problem(ALL_HOSTS, f"{at}.metrics.port", str(metrics["port"]), problem, "name the path, as /metrics")
        yield from _check_health(at, app)
        yield from check_reservations(at, app)
        yield from check_env_access(at, app)


def check_names_of_services(inputs: PreflightInput) -> Iterator[Problem]:
    """What an app calls its own services, and what it wants to be called where all apps are: names of nobody else."""
    apps = inputs.inventory.apps
    # Docker asks without regard to case.
    owners = {
        f"{name}_{key}".lower(): f"the app {name}" for name, app in apps.items() for key in (SERVICE, *app["services"])
    }
    owners |= {f"monitoring_{one}": one.capitalize() for one in SERVICES} | {
        f"proxy_{one}": "the proxy" for one in ("proxy", "state")
    }
    owners |= {f"proxy-{node.name}": "the proxy" for node in inputs.inventory.nodes}
    short = {SERVICE, *(str(key).lower() for app in apps.values() for key in app["services"])}
    for name, app in apps.items():
        at = f"apps.{show_key(name)}"
        for key in map(str, app["services"]):
            if key.lower().startswith("jobs_"):
                problem = "begins as the names of the app's jobs do"
                yield Problem(ALL_HOSTS, f"{at}.services", Harmless(key), problem, "another name, without jobs_")
            if owner := owners.get(key.lower()) or _of_replica(key.lower(), apps):
                problem = f"is a name of {owner}: it would mean the one or the other"
                yield Problem(
                    ALL_HOSTS, f"{at}.services", Harmless(key), problem, f"a short name, as {key.replace('_', '-')}-own"
                )
        for place, given in _aliases(app):
            # Docker knows each service by its tasks, too.
            alias = given.lower().removeprefix("tasks.")
            owner = "every app's own service" if alias in short else owners.get(alias) or _of_replica(alias, apps)
            if owner and owner != f"the app {name}":
                problem = f"is a name of {owner} on the network that all apps share"
                yield Problem(
                    ALL_HOSTS, f"{at}.{place}", Harmless(given), problem, f"a name of its own, as {name}-{alias}"
                )
            owners.setdefault(alias, f"the app {name}")


def _of_replica(name: str, apps: Iterable[str]) -> str:
    """The app that has a replica of this name, or of one that swarm fills in ({{.Task.Slot}})."""
    app, slot, number = re.sub(r"{{.*?}}", "0", name).rpartition("-slot-")
    return f"the app {app}" if slot and number.isdigit() and app in apps else ""


def _aliases(app: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(place, name) of the further names that an app's services want on the network that all apps share.

    A container's host name is one on each of its networks.
    """
    services = {"service": app["service"], **{f"services.{key}": one for key, one in app["services"].items()}}
    for place, service in services.items():
        if not isinstance(service, Mapping):
            continue
        networks = service.get("networks")
        is_there = place == "service" or (isinstance(networks, (list, Mapping)) and APPS_NETWORK in networks)
        if is_there and isinstance(service.get("hostname"), str):
            yield f"{place}.hostname", service["hostname"]
        given = networks.get(APPS_NETWORK) if isinstance(networks, Mapping) else None
        aliases = given.get("aliases") if isinstance(given, Mapping) else None
        for alias in aliases if isinstance(aliases, list) else ():
            yield f"{place}.networks.{APPS_NETWORK}.aliases", str(alias)


def _check_health(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    health, update = app["health"], app["update"]
    needed = health["interval_seconds"] * health["retries"]
    if health["enabled"] and 0 <= update["monitor_seconds"] < needed:
        problem = f"is over before a sick container is found out: {needed} s (interval x retries)"
        value = str(update["monitor_seconds"])
        yield Problem(ALL_HOSTS, f"{at}.update.monitor_seconds", value, problem, f"at least {needed}")


def resolved_apps(inventory: Inventory) -> dict[str, dict[str, Any]]:
    return {
        name: {
            **jenkins.without_pipeline(app),
            "env_file": file_path(inventory.inventory_dir, app["env_file"]) if app["env_file"] else "",
            "env_target": posixpath.normpath(app["env_target"])
            if app["env_target"]
            else (DEFAULT_TARGET if app["env_file"] else ""),
        }
        for name, app in inventory.apps.items()
    }
