# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service of a compose file, as an app may say it of one of its services, and what can't be said. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.mounts import Mounts
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.notes import Around, Note
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.variables import (
    SHOWN,
    without_secrets,
    words_without_secrets,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_shapes import CURES

Json = dict[str, Any]
KEPT = (
    *("user", "working_dir", "entrypoint", "command", "stop_signal", "init", "read_only", "tty", "stdin_open"),
    *("cap_add", "cap_drop", "dns", "dns_search", "extra_hosts", "logging", "sysctls", "ulimits", "hostname"),
    "stop_grace_period",
)
# What is carried in another way, or is of no matter to a swarm.
ELSEWHERE = {
    *("image", "build", "environment", "env_file", "deploy", "healthcheck", "volumes", "tmpfs", "shm_size", "ports"),
    *("networks", "depends_on", "restart", "profiles", "labels", "links", "container_name", "scale", "configs"),
    *("secrets", "mem_limit", "cpus", "mem_reservation", "pids_limit"),
    *("attach", "expose", "pull_policy"),
}
NOT_CARRIED = {
    "privileged": ("a swarm's service can't have all of the machine's rights", "cap_add with what it needs"),
    "network_mode": ("a swarm's service has networks of its own", "the service's name in place of localhost"),
    "devices": ("a swarm's service has no devices", "a bind mount of it, on a node with the device (constraints)"),
    "security_opt": ("a swarm does not carry it out", "the engine's own default, which is strict"),
    "develop": ("it is for developing on one's own machine", "nothing"),
    "gpus": ("a swarm has no GPUs without resources of the engine's own", "deploy.resources.reservations"),
    "platform": ("images are the docker host's own platform", "a docker host of that platform"),
    "pid": ("a swarm's service has its own processes alone", "one service for what belongs together"),
    "ipc": ("a swarm's service has a memory of its own", "a volume of type tmpfs at /dev/shm"),
    "cgroup": ("a swarm does not carry it out", "nothing"),
    "group_add": ("a swarm does not carry it out by docker stack", "user: user:group"),
    "runtime": ("a swarm's service has the engine's own runtime", "the engine's default-runtime"),
    "volumes_from": ("a swarm's service mounts volumes by their names", "the volumes themselves"),
    "external_links": ("services reach each other by their names", "the name of the app, as shop_web"),
}


@dataclass
class Carried:
    """``definition``: as an entry of ``services`` says it. ``volumes``: (name, target, read only) of named ones."""

    definition: Json
    volumes: list[tuple[str, str, bool]]
    notes: list[Note]


def carried(name: str, service: Mapping[str, Any], around: Around) -> Carried:
    """Everything but the image."""
    notes = list(_not_carried(name, service))
    found: Json = {key: service[key] for key in KEPT if service.get(key) not in (None, [], {}, "")}
    for key in ("command", "entrypoint"):
        if key in found:
            found[key] = words_without_secrets(name, found[key], around.refer)
    if environment := _environment(name, service, around):
        found["environment"] = environment
    notes += _unread(name, around)
    if labels := {key: value for key, value in (service.get("labels") or {}).items() if not _is_of_a_proxy(key)}:
        found["labels"] = without_secrets(name, labels, around.refer)
    if options := (service.get("logging") or {}).get("options"):
        found["logging"] = {**found["logging"], "options": without_secrets(name, options, around.refer)}
    if check := _healthcheck(name, service, around):
        found["healthcheck"] = check
    if deploy := _deploy(service):
        found["deploy"] = deploy
    mounts = Mounts(name, around, str((service.get("build") or {}).get("context") or ""))
    for one in service.get("volumes") or ():
        mounts.add(one)
    mounts.add_memory(service)
    if mounts.others:
        found["volumes"] = mounts.others
    return Carried(found, mounts.named, notes + mounts.notes)


def _environment(name: str, service: Mapping[str, Any], around: Around) -> Json:
    given = {} if not service.get("environment") else dict(service["environment"])
    of_files = {key: secret for key in given if (secret := _secret_of(service, key, given[key]))}
    found = without_secrets(name, {key: one for key, one in given.items() if key not in of_files}, around.refer)
    for key, secret in of_files.items():
        made = around.refer.of_value(secret, name, f"/run/secrets/{secret}", f"the secret {secret}")
        found[key.removesuffix("_FILE")] = around.refer.hidden(made)
    for key, value in (around.env_files.get(name) or {}).items():
        if value.lower() in SHOWN:
            found.setdefault(key, value)
        else:
            made = around.refer.of_value(key, name, value, f"{key} of {name}'s env file")
            found.setdefault(key, around.refer.hidden(made))
    return found


def _secret_of(service: Mapping[str, Any], key: str, value: Any) -> str:
    """The secret whose file a variable names. Images that take ``NAME_FILE`` take ``NAME``, too."""
    names = {str(one["source"]) for one in service.get("secrets") or ()}
    secret = str(value).removeprefix("/run/secrets/")
    return secret if key.endswith("_FILE") and str(value).startswith("/run/secrets/") and secret in names else ""


def _unread(name: str, around: Around) -> Iterator[Note]:
    for path in around.unread.get(name, ()):
        cure = "put it there and run this again: its names come along, its values do not; or add them to environment"
        yield Note(f"{name}.env_file", f"{path} is not there, so the names in it are not known", cure)


def _is_of_a_proxy(label: str) -> bool:
    return label.startswith(("traefik.", "caddy", "com.docker.compose", "com.centurylinklabs.watchtower"))


def _not_carried(name: str, service: Mapping[str, Any]) -> Iterator[Note]:
    for key, value in service.items():
        if not value or key in KEPT or key in ELSEWHERE or key.startswith("x-"):
            continue
        unknown = ("a swarm does not carry it out", CURES.get(key, "do without it"))
        reason, cure = NOT_CARRIED.get(key, unknown)
        yield Note(f"{name}.{key}", reason, cure)
    for key in ("configs", "secrets"):
        for one in service.get(key) or ():
            is_named = any(
                _secret_of(service, *pair) == one["source"] for pair in (service.get("environment") or {}).items()
            )
            cure = "environment; or env_file with env_delivery: secret; or a file in the image"
            cure = "nothing, if the image takes NAME in place of NAME_FILE" if is_named else cure
            yield Note(f"{name}.{key}", f"{one['source']}: an app defines no {key} of its own", cure)
    if any(_is_of_a_proxy(label) and label.startswith(("traefik", "caddy")) for label in service.get("labels") or ()):
        yield Note(
            f"{name}.labels", "they are for another proxy; the platform has its own", "hosts and route of the app"
        )
    for link in service.get("links") or ():
        target, _colon, alias = str(link).partition(":")
        if alias and alias != target:
            yield Note(f"{name}.links", f"{target} has no second name {alias}", f"{target} where it says {alias}")
    called = service.get("container_name")
    if called and called != name:
        reason = f"containers of a swarm have no name such as {called}"
        yield Note(f"{name}.container_name", reason, f"{name} is what services reach it by")
    for network, one in (service.get("networks") or {}).items():
        if aliases := [alias for alias in (one or {}).get("aliases") or () if alias != name]:
            cure = f"networks: {{default: {{aliases: [{', '.join(aliases)}]}}}} where it has to be called so"
            yield Note(f"{name}.networks.{network}.aliases", "its services have one network, default", cure)


def _healthcheck(name: str, service: Mapping[str, Any], around: Around) -> Json:
    given = service.get("healthcheck") or {}
    if given.get("disable") or given.get("test") == ["NONE"]:
        return {"disable": True}
    found = {key: value for key, value in given.items() if value not in (None, False, [])}
    if "test" in found:
        found["test"] = words_without_secrets(name, found["test"], around.refer)
    return found if "test" in found else {}


def size(value: Any) -> str:
    """Bytes, as a person writes them."""
    text = str(value)
    if not text.isdigit():
        return text
    for unit, factor in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if int(text) and int(text) % factor == 0:
            return f"{int(text) // factor}{unit}"
    return text


def _deploy(service: Mapping[str, Any]) -> Json:
    given = service.get("deploy") or {}
    found: Json = {}
    if given.get("mode") not in (None, "replicated"):
        found["mode"] = given["mode"]
    replicas = given.get("replicas", service.get("scale"))
    if replicas not in (None, 1):
        found["replicas"] = replicas
    resources = _resources(service, given.get("resources") or {})
    if resources:
        found["resources"] = resources
    for key in ("placement", "update_config", "rollback_config", "labels"):
        if rest := {name: one for name, one in (given.get(key) or {}).items() if one}:
            found[key] = rest
    if policy := given.get("restart_policy") or _restart(str(service.get("restart") or "")):
        found["restart_policy"] = policy
    return found


def _restart(word: str) -> Json:
    """``always`` and the like are what a swarm does."""
    if word == "no":
        return {"condition": "none"}
    if word.startswith("on-failure"):
        _word, _colon, times = word.partition(":")
        return {"condition": "on-failure", **({"max_attempts": int(times)} if times.isdigit() else {})}
    return {}


def _resources(service: Mapping[str, Any], given: Mapping[str, Any]) -> Json:
    old = {
        "limits": {"cpus": service.get("cpus"), "memory": service.get("mem_limit"), "pids": service.get("pids_limit")},
        "reservations": {"memory": service.get("mem_reservation")},
    }
    found: Json = {}
    for kind, names in (("limits", ("cpus", "memory", "pids")), ("reservations", ("cpus", "memory"))):
        said = {**old[kind], **{key: one for key, one in (given.get(kind) or {}).items() if key in names}}
        kept = {key: one for key, one in said.items() if one and str(one) != "0"}
        kept = {key: size(one) if key == "memory" else str(one) if key == "cpus" else one for key, one in kept.items()}
        if kept:
            found[kind] = kept
    return found
