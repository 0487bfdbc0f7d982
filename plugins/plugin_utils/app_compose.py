# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an app's settings to the compose file that is deployed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import model as env
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import FULL_NAMES
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import AFTER, BEFORE
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import ONE_SHOT_CONDITIONS
from ansible_collections.fungap.swarm.plugins.plugin_utils import app_volumes, compose_forms, cron
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import (
    DEFAULT_TARGET,
    SERVICE,
    delay_seconds,
    deploy_mode,
    is_global,
    monitor_seconds,
    probe_path,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_services import contradictions, impossible, misshapen
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_service import Wrong
from ansible_collections.fungap.swarm.plugins.plugin_utils.health import EnvFile, replica_check

Json = dict[str, Any]
# Labels of services that the swarm exporter makes Prometheus' targets of.
HOSTS_LABEL = "io.fungap.hosts"
PROBE_PATH_LABEL = "io.fungap.probe.path"
MAINTENANCE_LABEL = "io.fungap.maintenance"
METRICS_LABEL = "io.fungap.metrics."


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
    _refuse(app, misshapen(app))
    name, own = app["name"], compose_forms.plain_dollars(app["service"])
    ports = [compose_forms.port(one, ipvs=ipvs) for one in (*app["ports"], *(own.pop("ports", None) or []))]
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
        "networks": {network: {"external": True}, "default": _own_network(mtu)},
    }
    if app["environment"]:
        service["environment"] = {key: _text(value) for key, value in sorted(app["environment"].items(), key=str)}
    if ports:
        service["ports"] = ports
    if env_version and app["env_delivery"] == "volume":
        volume = env.volume_name(name, env_version)
        service["volumes"] = [_env_mount(app, volume)]
        document["volumes"] = {volume: {"external": True, "name": volume}}
    if app["volumes"]:
        service["volumes"] = [*service.get("volumes", ()), *app_volumes.own_mounts(app)]
        document["volumes"] = {**document.get("volumes", {}), **app_volumes.definitions(app)}
    if app["env_file"] and app["env_delivery"] == "secret":
        # The module that deploys it defines the secret and names it by its content.
        service["secrets"] = [{"source": "env", "target": _env_path(app), **_secret_access(app)}]
        if env_secret:
            document["secrets"] = {"env": {"external": True, "name": env_secret}}
    document.update(_jobs(app))
    _refuse(app, contradictions(app, service, own))
    _refuse(app, impossible(app, ipvs=ipvs, networks=document["networks"]))
    document["services"][SERVICE] = compose_forms.merged(service, own)
    for extra, definition in compose_forms.plain_dollars(app["services"]).items():
        constraints = app_volumes.constraints_of(app, extra)
        document["services"][extra] = _extra_service(definition, (images or {}).get(extra), constraints, ipvs=ipvs)
    return document


def _own_network(mtu: int | None) -> Json:
    options = {"driver_opts": {"com.docker.network.driver.mtu": str(mtu)}} if mtu else {}
    return {"driver": "overlay", **options}


def _jobs(app: Mapping[str, Any]) -> Json:
    """What runs once with a rollout."""
    return {
        f"x-{when}": {
            "service": SERVICE,
            "command": [_text(word) for word in app[when]],
            "deadline_seconds": app["job_deadline_seconds"],
        }
        for when in (BEFORE, AFTER)
        if app[when]
    }


def _env_mount(app: Mapping[str, Any], volume: str) -> Json:
    return {
        "type": "volume",
        "source": volume,
        "target": app["env_target"] or DEFAULT_TARGET,
        "read_only": True,
        "volume": {"nocopy": True},
    }


def wrong_services(app: Mapping[str, Any], *, ipvs: bool) -> list[Wrong]:
    """Why ``service`` and ``services`` would be refused when the app is deployed. ``app``: with every default."""
    if not app["service"] and not app["services"] and not app["volumes"]:
        return []
    wrong = list(misshapen(app))
    if not all(one.is_ours for one in wrong):
        return wrong
    try:
        bare = {**app, "service": {}, "services": {}, "volumes": {}, "cron": {}}
        found = app_compose(bare, image="", env_version="0" if app["env_file"] else None, ipvs=ipvs)
    except PlatformError:
        return wrong  # another setting of the app is wrong, and told as that
    service = found["services"][SERVICE]
    own = compose_forms.plain_dollars(app["service"])
    own.pop("ports", None)
    return [*wrong, *contradictions(app, service, own), *impossible(app, ipvs=ipvs, networks=found["networks"])]


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


def _extra_service(definition: Json, image: str | None, constraints: list[str], *, ipvs: bool) -> Json:
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
    if constraints:
        deploy["placement"] = {"constraints": constraints}
    if deploy:
        base["deploy"] = deploy
    found = compose_forms.merged(base, {**definition, **({"image": image} if image else {})})
    if found.get("ports"):
        found["ports"] = [compose_forms.port(one, ipvs=ipvs) for one in found["ports"]]
    return found


def compose_text(document: Mapping[str, Any]) -> str:
    """A compose file for people: keys in the order given, no anchors, ``$`` doubled as the format wants it."""
    text: str = yaml.dump(_escaped(document), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return text


class _Dumper(yaml.SafeDumper):
    """Without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML gives it
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
    # A port of the node is taken once only, and a volume has one writer: a new task can't start beside the old one.
    of_volumes = app_volumes.constraints_of(app, SERVICE)
    alone = of_volumes or any(one["mode"] == "host" for one in ports)
    order = "stop-first" if alone else update["order"]
    constraints = [*app["constraints"], *of_volumes]
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
    """What monitoring and the scheduler find the app by: labels of the service, which no task is started anew for."""
    labels = cron.labels(app["cron"])
    metrics = app["metrics"]
    # What speaks gRPC has no page to be asked for.
    if app["hosts"] and app["route"]["protocol"] != "grpc":
        labels[HOSTS_LABEL] = ",".join(app["hosts"])
        labels[PROBE_PATH_LABEL] = probe_path(app)
        if app["route"]["maintenance"]["enabled"]:
            labels[MAINTENANCE_LABEL] = "true"
    if metrics["path"]:
        labels[METRICS_LABEL + "kind"] = "app"
        labels[METRICS_LABEL + "path"] = metrics["path"]
        labels[METRICS_LABEL + "port"] = str(metrics["port"] or app["port"])
    return labels


def _cpus(value: Any) -> str:
    """A compose file wants a string."""
    return f"{float(value):g}"
