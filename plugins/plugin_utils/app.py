# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an entry of ``apps`` to what is deployed: defaults and the compose file. Pure."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Mapping
from typing import Any

import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model import env
from ansible_collections.fungap.swarm.plugins.module_utils.model.compose import FULL_NAMES
from ansible_collections.fungap.swarm.plugins.plugin_utils.health import EnvFile, replica_check, request_path

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
        "sticky": False,
        "upload_size": "10m",
        "read_timeout_seconds": 60,
        "cookie_flags": ["secure", "samesite=lax"],
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


def needs_stop_first(app: Mapping[str, Any]) -> bool:
    """Whether a new task can't start beside the old one: a port of the node is taken once only."""
    return any(_port(port)["mode"] == "host" for port in app.get("ports") or [])


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
    batches = math.ceil(app["replicas"] / parallelism) if parallelism else 1
    if batches < 2:
        return 0
    monitor = monitor_seconds(app)
    return min(math.ceil(monitor / (batches - 1)), int(monitor * LONGEST_PAUSE))


def app_compose(
    app: Mapping[str, Any],
    *,
    image: str,
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

    ``app``: as ``resolve_app`` returns it. ``image``: by digest. ``env_version``: of the env volume, for
    ``env_delivery: volume``. ``env_secret``: for ``env_delivery: secret``, its name in the swarm where it is there
    already, and its content isn't at hand. ``env_owner`` and ``env_mode``: of the file in the env volume, as uid:gid
    and 0600; the health check sees to it that the app can read it. ``https_port``: of the proxy. ``ipvs``: whether the
    nodes' kernels balance virtual addresses; without, names resolve to the replicas' own addresses and ports are the
    nodes' own. ``start_interval``: whether the CLI that deploys it knows health checks that are more frequent at the
    start (25.0). ``network``: the external overlay that the proxy is on. ``mtu``: of the stack's own network, in bytes.
    """
    name = app["name"]
    service: Json = {
        "image": image,
        # A name for each replica, by which the proxy keeps a client with one.
        "hostname": f"{name}-slot-{{{{.Task.Slot}}}}",
        "init": True,
        "stop_grace_period": _seconds(app["stop_grace_seconds"]),
        "healthcheck": _healthcheck(
            app, _env_file(app, env_owner, env_mode), https_port=https_port, start_interval=start_interval
        ),
        "networks": [network, "default"],
        "deploy": _deploy(app, ipvs=ipvs, env_version=env_version),
    }
    # 3.12 knows start_interval, and is not known to a CLI before 25.0.
    version = "3.12" if start_interval else "3.8"
    document: Json = {
        "version": version,
        # Every app has a service of this name.
        FULL_NAMES: [network],
        "services": {SERVICE: service},
        "networks": {network: {"external": True}},
    }
    own: Json = {"driver": "overlay"}
    if mtu:
        own["driver_opts"] = {"com.docker.network.driver.mtu": str(mtu)}
    document["networks"]["default"] = own
    if app["environment"]:
        service["environment"] = {key: _text(value) for key, value in app["environment"].items()}
    if app["ports"]:
        service["ports"] = [_port(port, ipvs=ipvs) for port in app["ports"]]
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
    document["services"][SERVICE] = _merged(service, app["service"])
    for extra, definition in app["services"].items():
        if extra == SERVICE:
            raise PlatformError(
                f"apps.{name}.services.{extra}: that is the app itself; its settings stand in apps.{name}.service"
            )
        document["services"][extra] = _merged({"init": True, "networks": ["default"]}, definition)
    return document


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


def _merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> Json:
    """``extra`` over ``base``: dicts are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in extra.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


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


def _deploy(app: Mapping[str, Any], *, ipvs: bool, env_version: str | None) -> Json:
    update = app["update"]
    order = "stop-first" if needs_stop_first(app) or (app["ports"] and not ipvs) else update["order"]
    constraints = list(app["constraints"])
    if env_version and app["env_delivery"] == "volume":
        constraints.append(f"node.labels.{env.node_label(app['name'], env_version)} == {env.READY}")
    monitor = _seconds(monitor_seconds(app))
    deploy: Json = {
        "mode": "replicated",
        "replicas": app["replicas"],
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
    health, metrics = app["health"], app["metrics"]
    if app["hosts"]:
        labels[HOSTS_LABEL] = ",".join(app["hosts"])
        # Where the app says of itself that it is well; without such a path, its first page.
        asks = health["enabled"] and not health["test"] and health["path"]
        labels[PROBE_PATH_LABEL] = request_path(health["path"]) if asks else "/"
    if metrics["path"]:
        labels[METRICS_LABEL + "kind"] = "app"
        labels[METRICS_LABEL + "path"] = metrics["path"]
        labels[METRICS_LABEL + "port"] = str(metrics["port"] or app["port"])
    return labels


def _cpus(value: Any) -> str:
    """A compose file wants a string."""
    return f"{float(value):g}"


_SHORT_PORT = re.compile(r"(?:(?P<published>[0-9]+):)?(?P<target>[0-9]+)(?:/(?P<protocol>tcp|udp|sctp))?\Z")


def _port(port: Any, *, ipvs: bool = True) -> Json:
    """A published port in the long form. Without IPVS there is no routing mesh: the port is each node's own."""
    if isinstance(port, Mapping):
        given = dict(port)
    else:
        match = _SHORT_PORT.match(str(port))
        if not match:
            raise PlatformError(f"port {port!r} must look like 8025:25/tcp or be a dict with target and published")
        given = {key: int(value) if value.isdigit() else value for key, value in match.groupdict().items() if value}
    published = given.get("published", given["target"])
    mode = given.get("mode", "ingress") if ipvs else "host"
    return {"target": given["target"], "published": published, "protocol": given.get("protocol", "tcp"), "mode": mode}
