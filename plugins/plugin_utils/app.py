# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of an app: their defaults, and what follows from them. Pure."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.access_log import covers
from ansible_collections.fungap.swarm.plugins.plugin_utils.health import request_path

Json = dict[str, Any]
# Seconds that a task may take beyond its health check's own failing time before the updater looks away.
MONITOR_MARGIN_SECONDS = 5
# The longest pause between two batches, as a share of the time that a new task is watched.
LONGEST_PAUSE = Fraction(5, 6)
DEFAULT_TARGET = "/usr/src/app/env"
# The name of an app's own service within its stack: what the proxy looks for.
SERVICE = "web"
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
        "maintenance": {"enabled": False, "allow": [], "retry_after_seconds": 300},
    },
    "update": {"order": "start-first", "parallelism": 1, "delay_seconds": None, "monitor_seconds": 30},
    "restart": {"condition": "any", "delay_seconds": 2},
    "stop_grace_seconds": 30,
    "before": [],
    "after": [],
    "job_deadline_seconds": 600,
    "volumes": {},
    "cron": {},
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
    batches = math.ceil(Fraction(replicas, parallelism)) if parallelism else 1
    if batches < 2:
        return 0
    monitor = monitor_seconds(app)
    return min(math.ceil(Fraction(monitor, batches - 1)), int(monitor * LONGEST_PAUSE))


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
