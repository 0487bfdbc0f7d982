# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an entry of ``apps`` to what is deployed: defaults and the compose file. Pure."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import model as env
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import FULL_NAMES
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import ONE_SHOT_CONDITIONS
from ansible_collections.fungap.swarm.plugins.plugin_utils import compose_service
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_service import Wrong
from ansible_collections.fungap.swarm.plugins.plugin_utils.health import EnvFile, replica_check, request_path
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import RESERVED_LABELS
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show, show_key

Json = dict[str, Any]
# Seconds that a task may take beyond its health check's own failing time before the updater looks away.
MONITOR_MARGIN_SECONDS = 5
# The longest pause between two batches, as a share of the time that a new task is watched.
LONGEST_PAUSE = 5 / 6
DEFAULT_TARGET = "/usr/src/app/env"
# Labels of services that the swarm exporter makes Prometheus' targets of.
HOSTS_LABEL = "io.fungap.hosts"
PROBE_PATH_LABEL = "io.fungap.probe.path"
METRICS_LABEL = "io.fungap.metrics."
# The name of an app's own service within its stack: what the proxy looks for.
SERVICE = "web"
SERVICE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,29}[A-Za-z0-9])?")
# A global service has as many tasks as there are nodes; its pauses are those of so many replicas.
GLOBAL_REPLICAS = 3
# Of these an image's name has none: it is a reference to a registry of its own.
REFERENCE = re.compile(r"[:/@]")

DEFAULTS: Json = {
    "hosts": [],
    "replicas": 1,
    "env_file": "",
    "env_target": "",
    "env_delivery": "volume",
    "env_owner": "",
    "env_mode": "",
    "pinned": False,
    "environment": {},
    "health": {
        "enabled": True,
        "path": "/healthz",
        "test": [],
        "interval_seconds": 5,
        "timeout_seconds": 3,
        "retries": 3,
        "start_period_seconds": 20,
        "start_interval_seconds": 1,
    },
    "metrics": {"path": "", "port": 0},
    "limits": {"cpus": 0.5, "memory": "128M"},
    "reservations": {"cpus": 0.1, "memory": "64M"},
    "route": {
        "paths": [],
        "strip_path": False,
        "protocol": "http",
        "sticky": False,
        "upload_size": "10m",
        "read_timeout_seconds": 60,
        "cookie_flags": ["secure", "samesite=lax"],
        "headers": {},
        "default_headers": {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
        },
        "redirects": [],
        "basic_auth": {"users": {}, "paths": []},
        "allow": [],
        "deny": [],
        "buffering": True,
        "compress": False,
        "rate_limit": {"requests_per_second": 0, "burst": 20, "paths": [], "connections": 0},
        "error_pages": [],
    },
    "update": {"order": "start-first", "parallelism": 1, "delay_seconds": None, "monitor_seconds": 30},
    "restart": {"condition": "any", "delay_seconds": 2},
    "stop_grace_seconds": 30,
    "constraints": [],
    "ports": [],
    "service": {},
    "services": {},
}
REQUIRED = ("image", "port")


def resolve_app(name: str, app: Mapping[str, Any], *, recorded: bool = False) -> Json:
    """The app with every default filled in, two levels deep, and its ``name``.

    ``recorded``: only what a revision says of it counts, so it may lack what is required.
    Raises on what isn't a setting of an app.
    """
    unknown = sorted(set(app) - set(DEFAULTS) - {"name", *REQUIRED})
    if unknown:
        known = ", ".join(sorted({*REQUIRED, *DEFAULTS}))
        raise PlatformError(f"apps.{name}: {', '.join(unknown)} is no setting of an app; there are: {known}")
    missing = [key for key in REQUIRED if not app.get(key)]
    if missing and not recorded:
        raise PlatformError(f"apps.{name}: {', '.join(missing)} is missing")
    resolved: Json = {"name": name, **{key: app.get(key) for key in REQUIRED}}
    for key, default in DEFAULTS.items():
        given = app.get(key)
        if isinstance(default, dict):
            resolved[key] = {**default, **(given or {})}
        else:
            resolved[key] = default if given is None else given
    if resolved["env_target"]:
        resolved["env_target"] = posixpath.normpath(resolved["env_target"])
    return resolved


def monitor_seconds(app: Mapping[str, Any]) -> int:
    """How long a new task is watched: at least until its health check has had the time to fail."""
    health = app["health"]
    if health.get("enabled") is False:
        return int(app["update"]["monitor_seconds"])
    failing = (health["interval_seconds"] + health["timeout_seconds"]) * health["retries"]
    return int(max(app["update"]["monitor_seconds"], failing + MONITOR_MARGIN_SECONDS))


def delay_seconds(app: Mapping[str, Any]) -> float:
    """The pause after each batch of replaced replicas.

    By default so long that the first batch has been watched before the last old one goes: what crashes late takes some
    replicas down, never all. Always shorter than the watch: swarm looks at what fails in the last pause only after it,
    and that has to be in time.
    """
    given, parallelism = app["update"]["delay_seconds"], app["update"]["parallelism"]
    if given is not None:
        return float(given)
    replicas = GLOBAL_REPLICAS if is_global(app) else app["replicas"]
    batches = math.ceil(replicas / parallelism) if parallelism else 1
    if batches < 2:
        return 0
    monitor = monitor_seconds(app)
    return min(math.ceil(monitor / (batches - 1)), int(monitor * LONGEST_PAUSE))


def deploy_mode(app: Mapping[str, Any]) -> str:
    """How the app's own service is deployed. What can't be read is told elsewhere."""
    deploy = (app.get("service") or {}).get("deploy")
    return str(deploy.get("mode", "replicated")) if isinstance(deploy, Mapping) else "replicated"


def is_global(app: Mapping[str, Any]) -> bool:
    """Whether there is one replica on each node, and so no number of them."""
    return deploy_mode(app) == "global"


def is_asked(app: Mapping[str, Any]) -> bool:
    """Whether the health check of its replicas is ours, which asks as the proxy does. ``app``: with every default."""
    own = app["service"].get("healthcheck") or {}
    return bool(app["health"]["enabled"]) and not app["health"]["test"] and "test" not in own


def app_listens(app: Mapping[str, Any]) -> Json:
    """``listens`` of swarm_stack: of what the proxy comes to, and no health check of ours asks."""
    if not app["hosts"] or is_asked(app):
        return {}
    within = max(int(app["health"]["start_period_seconds"]), int(app["update"]["monitor_seconds"]))
    return {SERVICE: {"port": app["port"], "within_seconds": within}}


def route_paths(app: Mapping[str, Any]) -> list[str]:
    """The paths that the app answers, each with all below it. ``app``: as an older version has recorded it, too."""
    paths = (app.get("route") or {}).get("paths") or ["/"]
    return [path.rstrip("/") or "/" for path in paths]


def covers(path: str, other: str) -> bool:
    """Whether the other path is that one, or below it."""
    path, other = path.rstrip("/"), other.rstrip("/")
    return other == path or other.startswith(f"{path}/")


def probe_path(app: Mapping[str, Any]) -> str:
    """Where the app says of itself that it is well, through the proxy; without such a path, its first page."""
    asked, (first, *_others) = app["health"]["path"], route_paths(app)
    path = request_path(asked) if is_asked(app) and asked else "/"
    if app["route"]["strip_path"]:
        return first.rstrip("/") + path
    return path if any(covers(one, re.split("[?#]", path)[0]) for one in route_paths(app)) else first


def catalog_images(app: Mapping[str, Any]) -> dict[str, str]:
    """Where the app names an image of the catalog: ``image`` or ``services.<name>.image`` -> the name."""
    found = {"image": app["image"]} if app.get("image") else {}
    for name, definition in (app.get("services") or {}).items():
        image = definition.get("image") if isinstance(definition, Mapping) else None
        if isinstance(image, str) and image:
            found[f"services.{name}.image"] = image
    return {place: image for place, image in found.items() if not REFERENCE.search(image)}


def published_ports(app: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every port that the app's services publish, and where the entry says so. Of well shaped services."""
    yield from (("ports", one) for one in app["ports"])
    yield from (("service.ports", one) for one in app["service"].get("ports") or [])
    for name, definition in app["services"].items():
        yield from ((f"services.{name}.ports", one) for one in definition.get("ports") or [])


def app_compose(
    app: Mapping[str, Any],
    *,
    image: str,
    images: Mapping[str, str] | None = None,
    env_version: str | None = None,
    env_secret: str | None = None,
    env_owner: str | None = None,
    env_mode: str | None = None,
    https_port: int = 443,
    ipvs: bool = False,
    start_interval: bool = False,
    network: str = "public",
    mtu: int | None = None,
) -> Json:
    """The app's stack as a compose file's dict.

    ``app``: as ``resolve_app`` returns it. ``image``: by digest. ``images``: of the other services, by their names; of
    one that is not there, the reference that it names itself. ``env_version``: of the env volume, for
    ``env_delivery: volume``. ``env_secret``: for ``env_delivery: secret``, its name in the swarm where it is there
    already, and its content isn't at hand. ``env_owner`` and ``env_mode``: of the file in the env volume, as uid:gid
    and 0600; the health check sees to it that the app can read it. ``https_port``: of the proxy. ``ipvs``: whether the
    nodes' kernels balance virtual addresses; without, names resolve to the replicas' own addresses and ports are the
    nodes' own. ``start_interval``: whether the CLI that deploys it knows health checks that are more frequent at the
    start (25.0). ``network``: the external overlay that the proxy is on. ``mtu``: of the stack's own network, in bytes.
    """
    _refuse(app, _misshapen(app))
    name, own = app["name"], compose_service.plain_dollars(app["service"])
    ports = [compose_service.port(one, ipvs=ipvs) for one in (*app["ports"], *(own.pop("ports", None) or []))]
    place = "{{.Node.Hostname}}" if is_global(app) else "slot-{{.Task.Slot}}"
    service: Json = {
        "image": image,
        # A name for each replica, by which the proxy keeps a client with one.
        "hostname": f"{name}-{place}",
        "init": True,
        "stop_grace_period": _seconds(app["stop_grace_seconds"]),
        "healthcheck": _healthcheck(
            app, _env_file(app, env_owner, env_mode), https_port=https_port, start_interval=start_interval
        ),
        "networks": [network, "default"],
        "deploy": _deploy(app, ipvs=ipvs, env_version=env_version, ports=ports),
    }
    # 3.12 knows start_interval, and is not known to a CLI before 25.0. 3.9 is what 20.10 knows.
    version = "3.12" if start_interval else "3.9"
    document: Json = {
        "version": version,
        # Every app has a service of this name.
        FULL_NAMES: [network],
        "services": {SERVICE: service},
        "networks": {network: {"external": True}},
    }
    own_network: Json = {"driver": "overlay"}
    if mtu:
        own_network["driver_opts"] = {"com.docker.network.driver.mtu": str(mtu)}
    document["networks"]["default"] = own_network
    if app["environment"]:
        service["environment"] = {key: _text(value) for key, value in sorted(app["environment"].items(), key=str)}
    if ports:
        service["ports"] = ports
    if env_version and app["env_delivery"] == "volume":
        volume = env.volume_name(name, env_version)
        service["volumes"] = [
            {
                "type": "volume",
                "source": volume,
                "target": app["env_target"] or DEFAULT_TARGET,
                "read_only": True,
                "volume": {"nocopy": True},
            }
        ]
        document["volumes"] = {volume: {"external": True, "name": volume}}
    if app["env_file"] and app["env_delivery"] == "secret":
        # The module that deploys it defines the secret and names it by its content.
        service["secrets"] = [{"source": "env", "target": _env_path(app), **_secret_access(app)}]
        if env_secret:
            document["secrets"] = {"env": {"external": True, "name": env_secret}}
    _refuse(app, _contradictions(app, service, own))
    _refuse(app, _impossible(app, ipvs=ipvs, networks=document["networks"]))
    document["services"][SERVICE] = compose_service.merged(service, own)
    for extra, definition in compose_service.plain_dollars(app["services"]).items():
        document["services"][extra] = _extra_service(definition, (images or {}).get(extra), ipvs=ipvs)
    return document


def wrong_services(app: Mapping[str, Any], *, ipvs: bool) -> list[Wrong]:
    """Why ``service`` and ``services`` would be refused when the app is deployed. ``app``: with every default."""
    if not app["service"] and not app["services"]:
        return []
    wrong = list(_misshapen(app))
    if not all(one.is_ours for one in wrong):
        return wrong
    try:
        found = app_compose(
            {**app, "service": {}, "services": {}}, image="", env_version="0" if app["env_file"] else None, ipvs=ipvs
        )
    except PlatformError:
        return wrong  # another setting of the app is wrong, and told as that
    service = found["services"][SERVICE]
    own = compose_service.plain_dollars(app["service"])
    own.pop("ports", None)
    return [*wrong, *_contradictions(app, service, own), *_impossible(app, ipvs=ipvs, networks=found["networks"])]


def refuse_wrong_services(app: Mapping[str, Any], ran: Mapping[str, Any] | None = None) -> None:
    """The same of an entry that comes into force, whatever the nodes' kernels can do.

    ``ran``: the app's entry that did already. What Docker took of its services then is not refused by us now.
    """
    services = {key: (ran or {}).get(key) or {} for key in ("service", "services")}
    before = wrong_services({**app, **services}, ipvs=True)
    wrong = [one for one in wrong_services(app, ipvs=True) if not (one.is_ours and one in before)]
    if wrong:
        raise PlatformError(_all_of_them(app["name"], wrong))


def _refuse(app: Mapping[str, Any], wrong: Iterable[Wrong]) -> None:
    """What can't be deployed. Of what is ours to refuse, it was said whether it ran before."""
    if found := [one for one in wrong if not one.is_ours]:
        raise PlatformError(_all_of_them(app["name"], found))


def _all_of_them(name: str, wrong: list[Wrong]) -> str:
    return "\n".join(f"apps.{name}.{one.place} {one.problem}; cure: {one.cure}" for one in wrong)


def _services(app: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the entry says of each service, and where."""
    yield "service", app["service"]
    yield from ((f"services.{show_key(str(name))}", definition) for name, definition in app["services"].items())


def _misshapen(app: Mapping[str, Any]) -> Iterator[Wrong]:
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


# Keys of a service that have a setting of the app.
_OWN_SETTINGS = {"image": "image", "deploy.replicas": "replicas"}


def _contradictions(app: Mapping[str, Any], service: Json, own: Json) -> Iterator[Wrong]:
    """Where ``service`` would take away what the platform needs. ``service``: what is made of the other settings."""
    deploy = own.get("deploy") or {}
    for place, setting in _OWN_SETTINGS.items():
        if place in own or place.removeprefix("deploy.") in deploy:
            cure = f"apps.{app['name']}.{setting}, which deploys, rollbacks and scalings change"
            yield Wrong(f"service.{place}", "is a setting of the app", cure)
    if deploy_mode(app).endswith("-job"):
        cure = f"a service of its own in apps.{app['name']}.services"
        yield Wrong("service.deploy.mode", "is a job's, which ends; the app is to serve", cure)
    if is_global(app) and app["route"]["sticky"]:
        problem = "has no numbered replicas, which route.sticky tells apart"
        yield Wrong("service.deploy.mode", problem, "take one of them away")
    if is_global(app) and app["replicas"] != DEFAULTS["replicas"]:
        problem = "has no meaning with service.deploy.mode: global, which is one on each node"
        yield Wrong("replicas", problem, "take it away, or the mode")
    if "hostname" in own and app["route"]["sticky"]:
        yield Wrong("service.hostname", "is what route.sticky tells replicas apart by", "take one of them away")
    check = own.get("healthcheck") or {}
    for key, is_off in (("disable", bool(check.get("disable"))), ("test", check.get("test") == ["NONE"])):
        if is_off and not service["healthcheck"].get("disable"):
            yield Wrong(f"service.healthcheck.{key}", "contradicts health", "health: {enabled: false}")
    if service["healthcheck"].get("disable") and set(check) - {"disable"}:
        yield Wrong("service.healthcheck", "contradicts health.enabled: false", "take one of them away")
    taken = [one["target"] for one in (*service.get("volumes", ()), *service.get("secrets", ()))]
    for kind in ("volumes", "configs", "secrets"):
        for index, one in enumerate(_mounted(kind, own.get(kind) or [])):
            target = posixpath.normpath(one)
            if any(target == mine or target.startswith(f"{mine}/") for mine in taken):
                problem = f"has the target {show(target)}, where the env file is"
                yield Wrong(f"service.{kind}[{index}]", problem, "another target, or another env_target")


def _mounted(kind: str, given: Any) -> list[str]:
    """The targets of mounts of one kind."""
    return [
        str(compose_service.volume(one)["target"]) if kind == "volumes" else compose_service.item_target(one)
        for one in given
    ]


def _impossible(app: Mapping[str, Any], *, ipvs: bool, networks: Mapping[str, Any]) -> Iterator[Wrong]:
    """What a service asks for that is not there, or can't be, together with the rest."""
    items = {
        "configs": set[str](),
        "secrets": {"env"} if app["env_file"] and app["env_delivery"] == "secret" else set(),
    }
    for place, service in _services(app):
        deploy = service.get("deploy") or {}
        for at, labels in (("labels", service.get("labels")), ("deploy.labels", deploy.get("labels"))):
            for label in compose_service.pairs(labels or {}):
                if label.startswith(RESERVED_LABELS):
                    problem = "is a label that the platform itself sets, or Docker"
                    cure = "another name, as com.example.team"
                    yield Wrong(f"{place}.{at}.{show_key(label)}", problem, cure, is_ours=True)
        for index, one in enumerate(map(compose_service.volume, service.get("volumes") or [])):
            at, source = f"{place}.volumes[{index}]", str(one.get("source") or "")
            if one["type"] == "volume" and source:
                cure = "a bind mount of a folder of the node, or data kept outside of the swarm"
                yield Wrong(at, "is a named volume, which would be another one on each node", cure)
            elif one["type"] == "bind" and not source.startswith("/"):
                yield Wrong(at, "is a path beside a compose file, and there is no folder of one", "an absolute path")
        targets: set[str] = set()
        for index, target in enumerate(map(posixpath.normpath, _mounted("volumes", service.get("volumes") or []))):
            if target in targets:
                problem = f"has the target {show(target)}, which another one has, too"
                yield Wrong(f"{place}.volumes[{index}]", problem, "another target, or take one of them away")
            targets.add(target)
        for index, network in enumerate(service.get("networks") or []):
            if network not in networks:
                cure = f"one of: {', '.join(sorted(networks))}"
                at = f".{show_key(network)}" if isinstance(service["networks"], Mapping) else f"[{index}]"
                yield Wrong(f"{place}.networks{at}", "is not defined", cure)
        for kind, known in items.items():
            for index, one in enumerate(service.get(kind) or []):
                if compose_service.item(one)["source"] not in known:
                    cure = "env_file, which may be delivered as a secret (env_delivery)"
                    yield Wrong(f"{place}.{kind}[{index}]", "is not defined: an app can't define any", cure)
        if deploy.get("mode") in ("global", "global-job") and "replicas" in deploy:
            problem = f"has no meaning with mode: {deploy['mode']}, which is one on each node"
            yield Wrong(f"{place}.deploy.replicas", problem, "take it away, or the mode")
        if str(deploy.get("mode")).endswith("-job") and "update_config" in deploy:
            yield Wrong(f"{place}.deploy.update_config", "is nothing that a job may have", "take it away")
        if deploy.get("endpoint_mode") == "vip" and not ipvs:
            problem = "needs IPVS, which the nodes' kernels don't have: its name would lead nowhere"
            yield Wrong(f"{place}.deploy.endpoint_mode", problem, "take it away")
        if deploy.get("endpoint_mode") == "dnsrr" and ipvs:
            for index, one in enumerate(service.get("ports") or []):
                if compose_service.port(one)["mode"] == "ingress":
                    problem = "needs the routing mesh, which endpoint_mode: dnsrr has not"
                    yield Wrong(f"{place}.ports[{index}]", problem, "mode: host, or take endpoint_mode away")


def _extra_service(definition: Json, image: str | None, *, ipvs: bool) -> Json:
    """A further service as it is deployed: what it says, and what it needs to be found here."""
    base: Json = {"init": True}
    if not definition.get("networks"):
        base["networks"] = ["default"]
    deploy: Json = {}
    if not ipvs:
        deploy["endpoint_mode"] = "dnsrr"
    asked = definition.get("deploy") or {}
    if (asked.get("restart_policy") or {}).get("condition") in ONE_SHOT_CONDITIONS and "job" not in asked.get(
        "mode", ""
    ):
        # To swarm, a task that ends within the monitoring period has failed, however it ended.
        deploy["update_config"] = {"failure_action": "continue"}
    if deploy:
        base["deploy"] = deploy
    found = compose_service.merged(base, {**definition, **({"image": image} if image else {})})
    if found.get("ports"):
        found["ports"] = [compose_service.port(one, ipvs=ipvs) for one in found["ports"]]
    return found


def compose_text(document: Mapping[str, Any]) -> str:
    """A compose file for people: keys in the order given, no anchors, ``$`` doubled as the format wants it."""
    text: str = yaml.dump(_escaped(document), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return text


class _Dumper(yaml.SafeDumper):
    """Without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _escaped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _escaped(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(one) for one in value]
    # Values from Ansible carry its tags: the writer wants plain ones.
    if isinstance(value, str):
        return str(value).replace("$", "$$")
    if isinstance(value, bool) or value is None:
        return value
    return float(value) if isinstance(value, float) else int(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(value: float) -> str:
    milliseconds = round(value * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def _env_path(app: Mapping[str, Any]) -> str:
    return f"{app['env_target'] or DEFAULT_TARGET}/.env"


def _env_file(app: Mapping[str, Any], owner: str | None, mode: str | None) -> EnvFile | None:
    """What the health check has to know of the file in the env volume, or of the secret in its place."""
    if app["env_delivery"] == "secret":
        access = _secret_access(app)
        return EnvFile(_env_path(app), f"{access['uid']}:{access['gid']}", f"{access['mode']:04o}") if access else None
    return EnvFile(_env_path(app), owner, mode) if owner and mode else None


def _secret_access(app: Mapping[str, Any]) -> Json:
    """Who may read the env file as a secret; nothing where everybody in the container may, as swarm has it."""
    if not app["env_owner"] and not app["env_mode"]:
        return {}
    owner = env.Owner.parse(str(app["env_owner"] or "0"))
    return {"uid": str(owner.uid), "gid": str(owner.gid), "mode": int(str(app["env_mode"] or env.MODE), 8)}


def _healthcheck(app: Mapping[str, Any], env_file: EnvFile | None, *, https_port: int, start_interval: bool) -> Json:
    health = app["health"]
    if health.get("enabled") is False:
        return {"disable": True}
    host = app["hosts"][0] + ("" if https_port == 443 else f":{https_port}") if app["hosts"] else "localhost"
    test = health.get("test") or replica_check(
        app["port"], health["path"], host=host, timeout_seconds=health["timeout_seconds"], env_file=env_file
    )
    return {
        "test": list(test) if not isinstance(test, str) else test,
        "interval": _seconds(health["interval_seconds"]),
        "timeout": _seconds(health["timeout_seconds"]),
        "retries": health["retries"],
        "start_period": _seconds(health["start_period_seconds"]),
        **({"start_interval": _seconds(health["start_interval_seconds"])} if start_interval else {}),
    }


def _deploy(app: Mapping[str, Any], *, ipvs: bool, env_version: str | None, ports: list[Json]) -> Json:
    update = app["update"]
    # A port of the node is taken once only: a new task can't start beside the old one.
    order = "stop-first" if any(one["mode"] == "host" for one in ports) else update["order"]
    constraints = list(app["constraints"])
    if env_version and app["env_delivery"] == "volume":
        constraints.append(f"node.labels.{env.node_label(app['name'], env_version)} == {env.READY}")
    monitor = _seconds(monitor_seconds(app))
    deploy: Json = {
        "mode": deploy_mode(app),
        **({} if is_global(app) else {"replicas": app["replicas"]}),
        # Without IPVS in the kernel virtual addresses lead nowhere.
        "endpoint_mode": "vip" if ipvs else "dnsrr",
        "update_config": {
            "parallelism": update["parallelism"],
            "order": order,
            "delay": _seconds(delay_seconds(app)),
            "monitor": monitor,
            "failure_action": "rollback",
            "max_failure_ratio": 0,
        },
        "rollback_config": {
            "parallelism": update["parallelism"],
            "order": order,
            "monitor": monitor,
            "failure_action": "pause",
            "max_failure_ratio": 0,
        },
        "restart_policy": {
            "condition": app["restart"]["condition"],
            "delay": _seconds(app["restart"]["delay_seconds"]),
        },
    }
    resources = {
        key: {kind: _cpus(one) if kind == "cpus" else _text(one) for kind, one in app[key].items() if one is not None}
        for key in ("limits", "reservations")
    }
    resources = {key: value for key, value in resources.items() if value}
    if resources:
        deploy["resources"] = resources
    if constraints:
        deploy["placement"] = {"constraints": constraints}
    labels = _labels(app)
    if labels:
        deploy["labels"] = labels
    return deploy


def _labels(app: Mapping[str, Any]) -> Json:
    """What monitoring finds the app by: labels of the service, which no task is started anew for."""
    labels = {}
    metrics = app["metrics"]
    # What speaks gRPC has no page to be asked for.
    if app["hosts"] and app["route"]["protocol"] != "grpc":
        labels[HOSTS_LABEL] = ",".join(app["hosts"])
        labels[PROBE_PATH_LABEL] = probe_path(app)
    if metrics["path"]:
        labels[METRICS_LABEL + "kind"] = "app"
        labels[METRICS_LABEL + "path"] = metrics["path"]
        labels[METRICS_LABEL + "port"] = str(metrics["port"] or app["port"])
    return labels


def _cpus(value: Any) -> str:
    """A compose file wants a string."""
    return f"{float(value):g}"
