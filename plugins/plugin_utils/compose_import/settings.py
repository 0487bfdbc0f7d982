# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service that is the app itself: what of it is a setting of the app, and the rest as ``service``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_forms import plain_dollars
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.notes import Note
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.service import Carried
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.amounts import nanoseconds_of

Json = dict[str, Any]
NO_LIMITS: Json = {"cpus": 1, "memory": "512M"}
INTERVAL_SECONDS_MAX = 10
TIMES = {
    "interval": "interval_seconds",
    "timeout": "timeout_seconds",
    "start_period": "start_period_seconds",
    "start_interval": "start_interval_seconds",
}


def app_settings(main: str, part: Carried, volumes: Mapping[str, str]) -> tuple[Json, list[Note]]:
    """``volumes``: by the compose file's name, the app's; those that the app itself does not mount have no folder."""
    rest, notes = dict(part.definition), []
    deploy = dict(rest.pop("deploy", {}))
    found: Json = {}
    if "replicas" in deploy:
        found["replicas"] = deploy.pop("replicas")
    if environment := rest.pop("environment", None):
        found["environment"] = plain_dollars(environment)
    health, note = _health(main, rest.pop("healthcheck", None))
    found["health"] = health
    notes += note
    resources = deploy.pop("resources", {})
    found["limits"], note = _limits(main, resources.get("limits") or {})
    notes += note
    if reservations := _amounts(resources.get("reservations") or {}):
        found["reservations"] = reservations
    if pids := (resources.get("limits") or {}).get("pids"):
        deploy["resources"] = {"limits": {"pids": pids}}
    if "stop_grace_period" in rest:
        found["stop_grace_seconds"] = _seconds(rest.pop("stop_grace_period"))
    _restart(found, deploy)
    placement = dict(deploy.pop("placement", {}))
    if constraints := placement.pop("constraints", None):
        found["constraints"] = constraints
    if placement:
        deploy["placement"] = placement
    if update := _update(deploy.pop("update_config", {}), health):
        found["update"] = update
    deploy.pop("rollback_config", None)
    if host := rest.pop("hostname", None):
        reason = f"each replica has a host name of its own, and not {host}"
        notes.append(Note(f"{main}.hostname", reason, "service: {hostname: ...} where it has to be that"))
    _mount(found, rest, part, volumes)
    if deploy:
        rest["deploy"] = deploy
    if rest:
        found["service"] = rest
    return {key: value for key, value in found.items() if value != DEFAULTS.get(key)}, notes


def _seconds(text: Any) -> int:
    """At least 1: the platform's settings are whole seconds."""
    return max(1, round((nanoseconds_of(str(text)) or 0) / 10**9))


def _health(main: str, check: Json | None) -> tuple[Json, list[Note]]:
    if check is None:
        reason = "without a health check it is enough that the port takes connections"
        cure = "health: {path: /} or the path by which it says that it is well"
        return {"path": ""}, [Note(f"{main}.healthcheck", reason, cure)]
    if check.get("disable"):
        return {"enabled": False}, []
    found: Json = {"test": [word.replace("$$", "$") for word in check["test"]]}
    found |= {name: _seconds(check[key]) for key, name in TIMES.items() if key in check}
    if "retries" in check:
        found["retries"] = check["retries"]
    notes = []
    if found.get("interval_seconds", 0) > INTERVAL_SECONDS_MAX:
        reason = f"it is made every {INTERVAL_SECONDS_MAX} s, and not every {found['interval_seconds']}"
        notes.append(Note(f"{main}.healthcheck", reason, "nothing: a rollout waits for some of them"))
        found["interval_seconds"] = INTERVAL_SECONDS_MAX
    return {key: value for key, value in found.items() if value != DEFAULTS["health"].get(key)}, notes


def _amounts(given: Mapping[str, Any]) -> Json:
    found: Json = {}
    if "cpus" in given:
        cpus = float(given["cpus"])
        found["cpus"] = int(cpus) if cpus.is_integer() else cpus
    if "memory" in given:
        found["memory"] = given["memory"]
    return found


def _limits(main: str, given: Mapping[str, Any]) -> tuple[Json, list[Note]]:
    found = _amounts(given)
    if "memory" in found:
        return {"cpus": 1, **found}, []
    reason = "without a limit of memory it gets 512M, which says nothing of what it needs"
    return {**NO_LIMITS, **found}, [Note(f"{main}.deploy.resources", reason, "limits of the app, as measured")]


def _restart(found: Json, deploy: Json) -> None:
    """The app is to serve: how long a policy waits is its own setting, and no end is meant."""
    policy = deploy.pop("restart_policy", {})
    if "delay" in policy:
        found["restart"] = {"delay_seconds": _seconds(policy["delay"])}


def _update(given: Mapping[str, Any], health: Mapping[str, Any]) -> Json:
    """A new task is watched at least until its health check has had the time to fail."""
    found: Json = {key: given[key] for key in ("order", "parallelism") if key in given}
    found |= {f"{key}_seconds": _seconds(given[key]) for key in ("delay", "monitor") if key in given}
    check = {**DEFAULTS["health"], **health}
    least = check["interval_seconds"] * check["retries"]
    if least > found.get("monitor_seconds", DEFAULTS["update"]["monitor_seconds"]):
        found["monitor_seconds"] = least
    return {key: value for key, value in found.items() if value != DEFAULTS["update"].get(key)}


def _mount(found: Json, rest: Json, part: Carried, volumes: Mapping[str, str]) -> None:
    folders: Json = dict.fromkeys(volumes.values(), "")
    more = []
    for given, target, is_read_only in part.volumes:
        name = volumes[given]
        if is_read_only or folders[name]:
            more.append(f"{name}:{target}{':ro' if is_read_only else ''}")
        else:
            folders[name] = target
    if folders:
        found["volumes"] = folders
    if more:
        rest["volumes"] = [*more, *rest.get("volumes", [])]
