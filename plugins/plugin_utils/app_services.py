# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app says of its services in the words of a compose file (``service``, ``services``), and what is wrong there.

Pure. ``app``: with every default, as ``resolve_app`` returns it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils import app_volumes, compose_forms, compose_service
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS, SERVICE, deploy_mode, is_global
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_service import Wrong
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import RESERVED_LABELS
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show, show_key

Json = dict[str, Any]
SERVICE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,29}[A-Za-z0-9])?")
# Keys of a service that have a setting of the app.
OWN_SETTINGS = {"image": "image", "deploy.replicas": "replicas"}


def misshapen(app: Mapping[str, Any]) -> Iterator[Wrong]:
    """What compose would not take for a service, and what it would take from somewhere else."""
    for place, service in _services(app):
        for one in (*compose_service.misshapen(service), *compose_service.interpolated(service)):
            yield replace(one, place=f"{place}.{one.place}" if one.place else place)
    seen: dict[str, str] = {}
    for name, service in app["services"].items():
        # Names know no case: the one would be asked for in the other's place.
        other = seen.setdefault(str(name).lower(), name)
        if other != name:
            problem = f"is the name of the service {show_key(other)}, in other letters"
            yield Wrong(f"services.{show_key(str(name))}", problem, "another name")
        elif str(name).lower() == SERVICE:
            cure = f"its settings stand in apps.{app['name']}.service"
            yield Wrong(f"services.{name}", "has the name of the service that is the app itself", cure)
        elif not isinstance(name, str) or not SERVICE_NAME.fullmatch(name):
            cure = "letters, digits, - and _, at most 31; in quotes where it is a number"
            yield Wrong(f"services.{show_key(str(name))}", "is not a service's name", cure)
        elif isinstance(service, Mapping) and not service.get("image"):
            yield Wrong(f"services.{name}.image", "is missing", "an image of the catalog, or one with its tag")


def _services(app: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the entry says of each service, and where."""
    yield "service", app["service"]
    yield from ((f"services.{show_key(str(name))}", definition) for name, definition in app["services"].items())


def contradictions(app: Mapping[str, Any], service: Json, own: Json) -> Iterator[Wrong]:
    """Where ``service`` would take away what the platform needs. ``service``: what is made of the other settings."""
    yield from _settings_of_the_app(app, own)
    yield from _unfit_mode(app)
    if "hostname" in own and app["route"]["sticky"]:
        yield Wrong("service.hostname", "is what route.sticky tells replicas apart by", "take one of them away")
    yield from _unfit_health_check(service["healthcheck"], own.get("healthcheck") or {})
    yield from _over_the_env_file(app, service, own)


def _settings_of_the_app(app: Mapping[str, Any], own: Json) -> Iterator[Wrong]:
    deploy = own.get("deploy") or {}
    for place, setting in OWN_SETTINGS.items():
        if place in own or place.removeprefix("deploy.") in deploy:
            cure = f"apps.{app['name']}.{setting}, which deploys, rollbacks and scalings change"
            yield Wrong(f"service.{place}", "is a setting of the app", cure)


def _unfit_mode(app: Mapping[str, Any]) -> Iterator[Wrong]:
    if deploy_mode(app).endswith("-job"):
        cure = f"a service of its own in apps.{app['name']}.services"
        yield Wrong("service.deploy.mode", "is a job's, which ends; the app is to serve", cure)
    if is_global(app) and app["route"]["sticky"]:
        problem = "has no numbered replicas, which route.sticky tells apart"
        yield Wrong("service.deploy.mode", problem, "take one of them away")
    if is_global(app) and app["replicas"] != DEFAULTS["replicas"]:
        problem = "has no meaning with service.deploy.mode: global, which is one on each node"
        yield Wrong("replicas", problem, "take it away, or the mode")


def _unfit_health_check(made: Json, own: Json) -> Iterator[Wrong]:
    """``made``: of the app's own setting ``health``."""
    if made.get("disable"):
        if set(own) - {"disable"}:
            yield Wrong("service.healthcheck", "contradicts health.enabled: false", "take one of them away")
        return
    for key, is_off in (("disable", bool(own.get("disable"))), ("test", own.get("test") == ["NONE"])):
        if is_off:
            yield Wrong(f"service.healthcheck.{key}", "contradicts health", "health: {enabled: false}")


def _over_the_env_file(app: Mapping[str, Any], service: Json, own: Json) -> Iterator[Wrong]:
    mounts = [one for one in service.get("volumes", ()) if one["source"] not in app["volumes"]]
    taken = [one["target"] for one in (*mounts, *service.get("secrets", ()))]
    for kind in ("volumes", "configs", "secrets"):
        for index, target in enumerate(_targets(kind, own)):
            if any(target == mine or target.startswith(f"{mine}/") for mine in taken):
                problem = f"has the target {show(target)}, where the env file is"
                yield Wrong(f"service.{kind}[{index}]", problem, "another target, or another env_target")


def _targets(kind: str, service: Json) -> list[str]:
    """Where a service's mounts of one kind are."""
    given = service.get(kind) or []
    if kind == "volumes":
        return [posixpath.normpath(str(compose_forms.volume(one)["target"])) for one in given]
    return [posixpath.normpath(compose_forms.item_target(one)) for one in given]


def impossible(app: Mapping[str, Any], *, ipvs: bool, networks: Collection[str]) -> Iterator[Wrong]:
    """What a service asks for that is not there, or can't be, together with the rest."""
    has_env_secret = app["env_file"] and app["env_delivery"] == "secret"
    for place, service in _services(app):
        yield from _reserved_labels(place, service)
        yield from _undeclared_volumes(app, place, service)
        yield from _targets_twice(place, service)
        yield from _undefined_networks(place, service, networks)
        yield from _undefined_items(place, "configs", service, ())
        yield from _undefined_items(place, "secrets", service, ("env",) if has_env_secret else ())
        yield from _nothing_for_the_mode(place, service.get("deploy") or {})
        yield from _unfit_endpoint_mode(place, service, ipvs=ipvs)
    yield from app_volumes.wrong_volumes(app)


def _reserved_labels(place: str, service: Json) -> Iterator[Wrong]:
    deploy = service.get("deploy") or {}
    for at, labels in (("labels", service.get("labels")), ("deploy.labels", deploy.get("labels"))):
        for label in compose_forms.pairs(labels or {}):
            if label.startswith(RESERVED_LABELS):
                problem = "is a label that the platform itself sets, or Docker"
                cure = "another name, as com.example.team"
                yield Wrong(f"{place}.{at}.{show_key(label)}", problem, cure, is_ours=True)


def _undeclared_volumes(app: Mapping[str, Any], place: str, service: Json) -> Iterator[Wrong]:
    for index, one in enumerate(map(compose_forms.volume, service.get("volumes") or [])):
        at, source = f"{place}.volumes[{index}]", str(one.get("source") or "")
        if one["type"] == "volume" and source and source not in app["volumes"]:
            cure = f"declare it in apps.{app['name']}.volumes, by which it has a node of its own"
            yield Wrong(at, "is a named volume that the app does not declare: each node would have another one", cure)
        elif one["type"] == "bind" and not source.startswith("/"):
            yield Wrong(at, "is a path beside a compose file, and there is no folder of one", "an absolute path")


def _targets_twice(place: str, service: Json) -> Iterator[Wrong]:
    seen: set[str] = set()
    for index, target in enumerate(_targets("volumes", service)):
        if target in seen:
            problem = f"has the target {show(target)}, which another one has, too"
            yield Wrong(f"{place}.volumes[{index}]", problem, "another target, or take one of them away")
        seen.add(target)


def _undefined_networks(place: str, service: Json, known: Collection[str]) -> Iterator[Wrong]:
    given = service.get("networks") or []
    for index, network in enumerate(given):
        if network not in known:
            at = f".{show_key(network)}" if isinstance(given, Mapping) else f"[{index}]"
            yield Wrong(f"{place}.networks{at}", "is not defined", f"one of: {', '.join(sorted(known))}")


def _undefined_items(place: str, kind: str, service: Json, known: Collection[str]) -> Iterator[Wrong]:
    """Of configs or secrets."""
    for index, one in enumerate(service.get(kind) or []):
        if compose_forms.item(one)["source"] not in known:
            cure = "env_file, which may be delivered as a secret (env_delivery)"
            yield Wrong(f"{place}.{kind}[{index}]", "is not defined: an app can't define any", cure)


def _nothing_for_the_mode(place: str, deploy: Json) -> Iterator[Wrong]:
    if deploy.get("mode") in ("global", "global-job") and "replicas" in deploy:
        problem = f"has no meaning with mode: {deploy['mode']}, which is one on each node"
        yield Wrong(f"{place}.deploy.replicas", problem, "take it away, or the mode")
    if str(deploy.get("mode")).endswith("-job") and "update_config" in deploy:
        yield Wrong(f"{place}.deploy.update_config", "is nothing that a job may have", "take it away")


def _unfit_endpoint_mode(place: str, service: Json, *, ipvs: bool) -> Iterator[Wrong]:
    mode = (service.get("deploy") or {}).get("endpoint_mode")
    if mode == "vip" and not ipvs:
        problem = "needs IPVS, which the nodes' kernels don't have: its name would lead nowhere"
        yield Wrong(f"{place}.deploy.endpoint_mode", problem, "take it away")
    if mode == "dnsrr" and ipvs:
        for index, one in enumerate(service.get("ports") or []):
            if compose_forms.port(one)["mode"] == "ingress":
                problem = "needs the routing mesh, which endpoint_mode: dnsrr has not"
                yield Wrong(f"{place}.ports[{index}]", problem, "mode: host, or take endpoint_mode away")
