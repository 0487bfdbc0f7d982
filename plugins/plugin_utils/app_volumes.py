# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The volumes that an app declares (``volumes``), and which of its services mount them. Pure.

``app``: with every default, as ``resolve_app`` returns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import model
from ansible_collections.fungap.swarm.plugins.plugin_utils import compose_forms
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULT_TARGET, SERVICE, deploy_mode
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_service import Wrong
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.env_files import why_no_target
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

Json = dict[str, Any]


def own_mounts(app: Mapping[str, Any]) -> list[Json]:
    """The mounts of the app's own service that ``volumes`` says. Docker fills an empty volume from the image."""
    return [
        {"type": "volume", "source": name, "target": target.rstrip("/")}
        for name, target in sorted(app["volumes"].items())
        if target
    ]


def mounted(app: Mapping[str, Any]) -> dict[str, list[str]]:
    """Which services mount which volumes of the app, by the services' names; without those that mount none."""
    given = {SERVICE: [*own_mounts(app), *_named(app["service"])]}
    given |= {name: _named(definition) for name, definition in app["services"].items()}
    found = {
        name: sorted({one["source"] for one in mounts if one["source"] in app["volumes"]})
        for name, mounts in given.items()
    }
    return {name: volumes for name, volumes in found.items() if volumes}


def _named(service: Any) -> list[Json]:
    """A service's mounts of named volumes; of well shaped ones."""
    given = service.get("volumes") if isinstance(service, Mapping) else None
    found = [compose_forms.volume(one) for one in given or () if isinstance(one, (str, Mapping)) and one]
    return [one for one in found if one.get("type") == "volume" and one.get("source")]


def constraints_of(app: Mapping[str, Any], service: str) -> list[str]:
    """What keeps a service where its volumes are."""
    return [model.constraint(app["name"], volume) for volume in mounted(app).get(service, ())]


def asked_of_their_node(app: Mapping[str, Any]) -> list[str]:
    """The constraints of all services that mount a volume: the node that has the volumes fulfils them all."""
    found: list[str] = []
    for name in mounted(app):
        definition = app["service"] if name == SERVICE else app["services"][name]
        placement = (definition.get("deploy") or {}).get("placement") or {}
        found += [*(app["constraints"] if name == SERVICE else ()), *(placement.get("constraints") or ())]
    return list(dict.fromkeys(found))


def definitions(app: Mapping[str, Any]) -> Json:
    """The compose file's ``volumes``: they are made before, on the node that has them, and never by the file."""
    return {name: {"external": True, "name": model.volume_name(app["name"], name)} for name in sorted(app["volumes"])}


def wrong_volumes(app: Mapping[str, Any]) -> Iterator[Wrong]:
    """What can't be declared, and what can't be together with it. Of well shaped services."""
    wrong = [*_misshapen(app)]
    yield from wrong
    if wrong:
        return
    used = mounted(app)
    for name in app["volumes"]:
        if not any(name in volumes for volumes in used.values()):
            cure = "the folder in which the app finds it, as /srv/uploads, or name it in a service of services"
            yield Wrong(f"volumes.{name}", "is mounted by no service", cure)
    yield from _overlapping(app)
    for service, volumes in used.items():
        yield from _unfit_service(app, service, volumes[0])


def _misshapen(app: Mapping[str, Any]) -> Iterator[Wrong]:
    for name, target in app["volumes"].items():
        place = f"volumes.{show_key(str(name))}"
        if model.why_no_name(name):
            cure = "lower case letters, digits and hyphens, beginning with a letter, at most 31, and not env"
            yield Wrong(place, "is not a volume's name", cure)
        elif target and not isinstance(target, str):
            yield Wrong(place, "must be a folder in the container", "as /srv/uploads")
        elif target and (why := why_no_target(target)):
            yield Wrong(place, why, "a folder of its own, as /srv/uploads")


def _overlapping(app: Mapping[str, Any]) -> Iterator[Wrong]:
    taken: dict[str, str] = {app["env_target"] or DEFAULT_TARGET: "the env file"} if app["env_file"] else {}
    for one in own_mounts(app):
        target, name = one["target"], one["source"]
        for other, what in taken.items():
            if f"{target}/".startswith(f"{other}/") or f"{other}/".startswith(f"{target}/"):
                yield Wrong(f"volumes.{name}", f"lies in the folder of {what}, or that in it", "a folder of its own")
        taken[target] = f"the volume {name}"


def _unfit_service(app: Mapping[str, Any], name: str, volume: str) -> Iterator[Wrong]:
    """One node has a volume, and one task at a time may write to it."""
    definition = app["service"] if name == SERVICE else app["services"][name]
    deploy, place = definition.get("deploy") or {}, "service" if name == SERVICE else f"services.{name}"
    mode = deploy_mode(app) if name == SERVICE else str(deploy.get("mode") or "replicated")
    if mode.startswith("global"):
        problem = f"would be one on each node, and one node has the volume {volume}"
        yield Wrong(f"{place}.deploy.mode", problem, "one replica: take the mode away")
    replicas = app["replicas"] if name == SERVICE else deploy.get("replicas", 1)
    if isinstance(replicas, int) and replicas > 1:
        at = "replicas" if name == SERVICE else f"{place}.deploy.replicas"
        cure = "1; for more, keep the data in a database or an object store, and take the volume away"
        yield Wrong(at, f"is more than 1, and one node has the volume {volume}", cure)
    for key in ("update_config", "rollback_config"):
        if (deploy.get(key) or {}).get("order") == "start-first":
            problem = f"would let two tasks write to the volume {volume} at once"
            yield Wrong(f"{place}.deploy.{key}.order", problem, "stop-first, or take it away")
