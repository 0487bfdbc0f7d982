# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an entry of ``apps`` to a compose file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import made_for
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import (
    DEFAULTS,
    app_listens,
    catalog_images,
    delay_seconds,
    monitor_seconds,
    resolve_app,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_compose import app_compose, compose_text, wrong_services
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_volumes import asked_of_their_node, mounted
from ansible_collections.fungap.swarm.plugins.plugin_utils.jenkins import PIPELINE_SETTINGS
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import app_routes

IMAGE = "registry:5000/express-app@sha256:" + "1a" * 32
VERSION = "0123456789ab"
ROOT = Path(__file__).resolve().parents[2]


def compose(changes: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    app = resolve_app("web", {"image": "express-app", "port": 3000, **(changes or {})})
    # As a reader of the file gets it.
    document: dict[str, Any] = yaml.safe_load(compose_text(app_compose(app, image=IMAGE, **settings)))
    return document


def at(document: Any, path: str) -> Any:
    *parents, last = path.split("/")
    for key in parents:
        document = document[int(key) if isinstance(document, list) else key]
    return document[int(last)] if isinstance(document, list) else document.get(last)


S = "services/web"
UPLOADS = {"volumes": {"uploads": "/srv/uploads/"}, "services": {"db": {"image": "r/db:1"}}}
SHARED: dict[str, Any] = {
    "volumes": {"a": "/a", "b": ""},
    "constraints": ["node.labels.disk == ssd"],
    "service": {"volumes": ["a:/a:ro"]},
    "services": {
        "db": {
            "image": "r/db:1",
            "volumes": ["a:/x", "b:/y"],
            "deploy": {"placement": {"constraints": ["node.role == worker"]}},
        }
    },
}


@pytest.mark.parametrize(
    ("changes", "settings", "path", "expected"),
    [
        ({}, {}, "version", "3.9"),
        ({}, {}, f"{S}/image", IMAGE),
        ({}, {}, f"{S}/init", True),
        ({}, {}, f"{S}/networks", ["public", "default"]),
        ({}, {}, "networks/public", {"external": True}),
        ({}, {"network": "front"}, f"{S}/networks", ["front", "default"]),
        ({}, {}, "networks/default", {"driver": "overlay"}),
        ({}, {"mtu": 1400}, "networks/default/driver_opts", {"com.docker.network.driver.mtu": "1400"}),
        ({}, {}, f"{S}/stop_grace_period", "30s"),
        ({"stop_grace_seconds": 5}, {}, f"{S}/stop_grace_period", "5s"),
        # A volume: made before, where it is; one task at a time writes to it.
        (UPLOADS, {}, "volumes/uploads", {"external": True, "name": "web_uploads"}),
        (UPLOADS, {}, f"{S}/volumes", [{"type": "volume", "source": "uploads", "target": "/srv/uploads"}]),
        (UPLOADS, {}, f"{S}/deploy/placement/constraints", ["node.labels.fungap.volume.web.uploads == here"]),
        (UPLOADS, {}, f"{S}/deploy/update_config/order", "stop-first"),
        (UPLOADS, {}, f"{S}/deploy/rollback_config/order", "stop-first"),
        (UPLOADS, {}, "services/db/deploy", {"endpoint_mode": "dnsrr"}),
        (SHARED, {}, f"{S}/volumes", [{"type": "volume", "source": "a", "target": "/a", "read_only": True}]),
        (
            SHARED,
            {},
            f"{S}/deploy/placement/constraints",
            ["node.labels.disk == ssd", "node.labels.fungap.volume.web.a == here"],
        ),
        (SHARED, {}, "services/db/volumes", ["a:/x", "b:/y"]),
        (
            SHARED,
            {},
            "services/db/deploy/placement/constraints",
            [
                "node.labels.fungap.volume.web.a == here",
                "node.labels.fungap.volume.web.b == here",
                "node.role == worker",
            ],
        ),
        ({"before": ["sh", "-c", "echo $HOME"]}, {}, "x-before/command", ["sh", "-c", "echo $$HOME"]),
        ({"after": ["warm"], "job_deadline_seconds": 5}, {}, "x-after/deadline_seconds", 5),
        (
            {
                "cron": {
                    "clean": {"schedule": "0 3 * * *", "command": ["echo", "$HOME", True], "deadline_seconds": "60"}
                }
            },
            {},
            f"{S}/deploy/labels/io.fungap.cron",
            '{"clean": {"command": ["echo", "$$HOME", "true"], "deadline_seconds": 60.0, "overlap": "forbid", '
            '"schedule": "0 3 * * *", "timezone": "UTC"}}',
        ),
        ({}, {}, f"{S}/deploy/replicas", 1),
        ({"replicas": 3}, {}, f"{S}/deploy/replicas", 3),
        # Virtual addresses need IPVS.
        ({}, {}, f"{S}/deploy/endpoint_mode", "dnsrr"),
        ({}, {"ipvs": True}, f"{S}/deploy/endpoint_mode", "vip"),
        ({}, {}, f"{S}/deploy/update_config/order", "start-first"),
        ({}, {}, f"{S}/deploy/update_config/monitor", "30s"),
        ({}, {}, f"{S}/deploy/update_config/failure_action", "rollback"),
        ({}, {}, f"{S}/deploy/update_config/max_failure_ratio", 0),
        ({}, {}, f"{S}/deploy/rollback_config/order", "start-first"),
        ({"update": {"order": "stop-first"}}, {}, f"{S}/deploy/rollback_config/order", "stop-first"),
        ({"update": {"delay_seconds": 1.5}}, {}, f"{S}/deploy/update_config/delay", "1500ms"),
        # Watched for longer than the health check takes to fail: (30 + 3) x 3 + 5.
        ({"health": {"interval_seconds": 30}}, {}, f"{S}/deploy/update_config/monitor", "104s"),
        ({}, {}, f"{S}/deploy/restart_policy", {"condition": "any", "delay": "2s"}),
        ({}, {}, f"{S}/deploy/resources/limits", {"cpus": "0.5", "memory": "128M"}),
        ({"limits": {"cpus": 2}}, {}, f"{S}/deploy/resources/limits", {"cpus": "2", "memory": "128M"}),
        ({}, {}, f"{S}/deploy/resources/reservations", {"cpus": "0.1", "memory": "64M"}),
        ({}, {}, f"{S}/healthcheck/interval", "5s"),
        ({}, {}, f"{S}/healthcheck/start_period", "20s"),
        ({}, {}, f"{S}/healthcheck/start_interval", None),
        ({}, {"start_interval": True}, f"{S}/healthcheck/start_interval", "1s"),
        ({}, {"start_interval": True}, "version", "3.12"),
        ({"health": {"start_interval_seconds": 4}}, {"start_interval": True}, f"{S}/healthcheck/start_interval", "4s"),
        ({"health": {"enabled": False}}, {"start_interval": True}, f"{S}/healthcheck", {"disable": True}),
        # No shell reads what the inventory says.
        ({"health": {"path": "/a?b=1&c=$(id)"}}, {}, f"{S}/healthcheck/test/6", "/a?b=1&c=$$(id)"),
        ({}, {}, f"{S}/healthcheck/test/7", "3"),
        # The proxy's Host header.
        ({}, {}, f"{S}/healthcheck/test/8", "localhost"),
        ({"hosts": ["a.example", "b.example"]}, {}, f"{S}/healthcheck/test/8", "a.example"),
        ({"hosts": ["a.example"]}, {"https_port": 8443}, f"{S}/healthcheck/test/8", "a.example:8443"),
        # No HTTP: a connection is enough, and monitoring has its first page.
        ({"health": {"path": ""}}, {}, f"{S}/healthcheck/test/6", ""),
        ({"health": {"path": ""}, "hosts": ["a.example"]}, {}, f"{S}/deploy/labels/io.fungap.probe.path", "/"),
        ({"health": {"path": "/a b"}, "hosts": ["a.example"]}, {}, f"{S}/deploy/labels/io.fungap.probe.path", "/a%20b"),
        (
            {"health": {"path": ""}, "hosts": ["a.example"], "route": {"protocol": "grpc"}},
            {},
            f"{S}/deploy/labels",
            None,
        ),
        *(
            (
                {"health": {"path": health}, "hosts": ["a.example"], "route": route},
                {},
                f"{S}/deploy/labels/io.fungap.probe.path",
                probed,
            )
            for route, health, probed in [
                ({"paths": ["/api/"]}, "/healthz", "/api"),
                ({"paths": ["/files", "/api"]}, "/api?x=1", "/api?x=1"),
                ({"paths": ["/api"]}, "/apix", "/api"),
                ({"paths": ["/api/"], "strip_path": True}, "/healthz", "/api/healthz"),
                ({"paths": ["/api"], "strip_path": True}, "", "/api/"),
            ]
        ),
        # Who may read the env file.
        (
            {"env_file": "web.env"},
            {"env_version": VERSION, "env_owner": "1500:1500", "env_mode": "0640"},
            f"{S}/healthcheck/test/11",
            "1500",
        ),
        ({"health": {"test": ["CMD", "true"]}}, {}, f"{S}/healthcheck/test", ["CMD", "true"]),
        ({"health": {"enabled": False}}, {}, f"{S}/healthcheck", {"disable": True}),
        # Env volume: mounted and placed.
        (
            {"env_file": "web.env"},
            {"env_version": VERSION},
            f"{S}/volumes",
            [
                {
                    "type": "volume",
                    "source": f"web_env_{VERSION}",
                    "target": "/usr/src/app/env",
                    "read_only": True,
                    "volume": {"nocopy": True},
                }
            ],
        ),
        (
            {"env_file": "web.env", "env_target": "/app/config"},
            {"env_version": VERSION},
            f"{S}/volumes/0/target",
            "/app/config",
        ),
        ({}, {"env_version": VERSION}, f"volumes/web_env_{VERSION}", {"external": True, "name": f"web_env_{VERSION}"}),
        (
            {"constraints": ["node.role == worker"]},
            {"env_version": VERSION},
            f"{S}/deploy/placement/constraints",
            ["node.role == worker", f"node.labels.fungap.env.web.{VERSION} == ready"],
        ),
        # Env as a secret: same path.
        (
            {"env_file": "web.env", "env_delivery": "secret"},
            {},
            f"{S}/secrets",
            [{"source": "env", "target": "/usr/src/app/env/.env"}],
        ),
        (
            {"env_file": "web.env", "env_delivery": "secret", "env_owner": "1500"},
            {},
            f"{S}/secrets",
            [{"source": "env", "target": "/usr/src/app/env/.env", "uid": "1500", "gid": "0", "mode": 0o600}],
        ),
        (
            {"env_file": "web.env", "env_delivery": "secret", "env_mode": "0440"},
            {},
            f"{S}/secrets/0/mode",
            0o440,
        ),
        # Environment: text, and $ survives.
        (
            {"environment": {"A": 1, "B": True, "C": "p$w", "D": ""}},
            {},
            f"{S}/environment",
            {"A": "1", "B": "true", "C": "p$$w", "D": ""},
        ),
        # Ports: the node's own without IPVS, and then nothing can start beside what holds them.
        (
            {"ports": ["8025:25"]},
            {},
            f"{S}/ports",
            [{"target": 25, "published": 8025, "protocol": "tcp", "mode": "host"}],
        ),
        ({"ports": ["8025:25"]}, {}, f"{S}/deploy/update_config/order", "stop-first"),
        (
            {"ports": ["53/udp"]},
            {"ipvs": True},
            f"{S}/ports",
            [{"target": 53, "published": 53, "protocol": "udp", "mode": "ingress"}],
        ),
        ({"ports": ["53/udp"]}, {"ipvs": True}, f"{S}/deploy/update_config/order", "start-first"),
        ({"ports": [{"target": 25, "mode": "host"}]}, {"ipvs": True}, f"{S}/ports/0/published", 25),
        ({"ports": [{"target": "25", "published": "8025"}]}, {}, f"{S}/ports/0/published", 8025),
        ({"ports": [{"target": "25", "published": "8025"}]}, {}, f"{S}/ports/0/target", 25),
        (
            {"ports": [{"target": 25, "mode": "host"}]},
            {"ipvs": True},
            f"{S}/deploy/update_config/order",
            "stop-first",
        ),
        # What monitoring finds it by.
        (
            {"hosts": ["a.example", "b.example"]},
            {},
            f"{S}/deploy/labels",
            {"io.fungap.hosts": "a.example,b.example", "io.fungap.probe.path": "/healthz"},
        ),
        (
            {"hosts": ["a.example"], "route": {"maintenance": {"enabled": True}}},
            {},
            f"{S}/deploy/labels/io.fungap.maintenance",
            "true",
        ),
        (
            {"hosts": ["a.example"], "health": {"test": ["CMD", "x"]}},
            {},
            f"{S}/deploy/labels/io.fungap.probe.path",
            "/",
        ),
        ({"hosts": ["a.example"], "health": {"enabled": False}}, {}, f"{S}/deploy/labels/io.fungap.probe.path", "/"),
        (
            {"hosts": ["a.example"], "service": {"healthcheck": {"test": ["CMD", "x"]}}},
            {},
            f"{S}/deploy/labels/io.fungap.probe.path",
            "/",
        ),
        (
            {"metrics": {"path": "/metrics"}},
            {},
            f"{S}/deploy/labels",
            {"io.fungap.metrics.kind": "app", "io.fungap.metrics.path": "/metrics", "io.fungap.metrics.port": "3000"},
        ),
        ({"metrics": {"path": "/m", "port": 9}}, {}, f"{S}/deploy/labels/io.fungap.metrics.port", "9"),
        # Pass-through.
        ({"service": {"user": "node"}}, {}, f"{S}/user", "node"),
        ({"service": {"deploy": {"labels": {"a": "b"}}}}, {}, f"{S}/deploy/labels", {"a": "b"}),
        ({"service": {"deploy": {"labels": {"a": "b"}}}}, {}, f"{S}/deploy/replicas", 1),
        (
            {"services": {"cache": {"image": f"redis@sha256:{'0' * 64}"}}},
            {},
            "services/cache",
            {
                "init": True,
                "networks": ["default"],
                "deploy": {"endpoint_mode": "dnsrr"},
                "image": f"redis@sha256:{'0' * 64}",
            },
        ),
        ({"services": {"cache": {"image": "redis:7"}}}, {"ipvs": True}, "services/cache/deploy", None),
        # By digest, whatever it is called in the catalog.
        ({"services": {"cache": {"image": "kit"}}}, {"images": {"cache": IMAGE}}, "services/cache/image", IMAGE),
        (
            {"services": {"cache": {"image": "redis:7", "networks": ["public"]}}},
            {},
            "services/cache/networks",
            ["public"],
        ),
        (
            {"services": {"cache": {"image": "redis:7", "ports": ["80:80"]}}},
            {},
            "services/cache/ports/0/mode",
            "host",
        ),
        (
            {"services": {"job": {"image": "kit", "deploy": {"restart_policy": {"condition": "none"}}}}},
            {"ipvs": True},
            "services/job/deploy",
            {"update_config": {"failure_action": "continue"}, "restart_policy": {"condition": "none"}},
        ),
        # One on each node.
        ({"service": {"deploy": {"mode": "global"}}}, {}, f"{S}/deploy/replicas", None),
        ({"service": {"deploy": {"mode": "global"}}}, {}, f"{S}/deploy/mode", "global"),
        ({"service": {"deploy": {"mode": "global"}}}, {}, f"{S}/hostname", "web-{{.Node.Hostname}}"),
        ({"service": {"deploy": {"mode": "global"}}}, {}, f"{S}/deploy/update_config/delay", "15s"),
        # Beside what the platform needs, never instead of it.
        (
            {"env_file": "x", "service": {"volumes": [{"type": "tmpfs", "target": "/scratch"}, "/srv/a:/a:ro"]}},
            {"env_version": VERSION},
            f"{S}/volumes",
            [
                {
                    "type": "volume",
                    "source": f"web_env_{VERSION}",
                    "target": "/usr/src/app/env",
                    "read_only": True,
                    "volume": {"nocopy": True},
                },
                {"type": "tmpfs", "target": "/scratch"},
                {"type": "bind", "source": "/srv/a", "target": "/a", "read_only": True},
            ],
        ),
        (
            {
                "env_file": "x",
                "constraints": ["node.labels.disk == fast"],
                "service": {"deploy": {"placement": {"constraints": ["node.role == worker"]}}},
            },
            {"env_version": VERSION},
            f"{S}/deploy/placement/constraints",
            [
                "node.labels.disk == fast",
                f"node.labels.fungap.env.web.{VERSION} == ready",
                "node.role == worker",
            ],
        ),
        (
            {"environment": {"A": 1, "B": "$2"}, "service": {"environment": ["A=2", "C=a$$b=c"]}},
            {},
            f"{S}/environment",
            {"A": "2", "B": "$$2", "C": "a$$b=c"},
        ),
        (
            {"hosts": ["a.example"], "service": {"deploy": {"labels": ["team=shop"]}}},
            {},
            f"{S}/deploy/labels",
            {"io.fungap.hosts": "a.example", "io.fungap.probe.path": "/healthz", "team": "shop"},
        ),
        ({"service": {"networks": ["default"]}}, {}, f"{S}/networks", ["public", "default"]),
        (
            {"service": {"networks": {"default": {"aliases": ["shop"]}}}},
            {},
            f"{S}/networks",
            {"public": None, "default": {"aliases": ["shop"]}},
        ),
        (
            {"env_file": "x", "env_delivery": "secret", "service": {"secrets": [{"source": "env", "target": "again"}]}},
            {},
            f"{S}/secrets",
            [{"source": "env", "target": "/usr/src/app/env/.env"}, {"source": "env", "target": "again"}],
        ),
        (
            {"ports": ["8025:25"], "service": {"ports": ["8026:26"]}},
            {"ipvs": True},
            f"{S}/ports",
            [
                {"target": target, "published": published, "protocol": "tcp", "mode": "ingress"}
                for target, published in ((25, 8025), (26, 8026))
            ],
        ),
        ({"service": {"ports": ["8026:26"]}}, {}, f"{S}/deploy/update_config/order", "stop-first"),
        ({"service": {"healthcheck": {"test": ["CMD", "x"]}}}, {}, f"{S}/healthcheck/test", ["CMD", "x"]),
        ({"service": {"healthcheck": {"test": ["CMD", "x"]}}}, {}, f"{S}/healthcheck/interval", "5s"),
        ({"service": {"command": "echo $$HOME"}}, {}, f"{S}/command", "echo $$HOME"),
    ],
)
def test_compose(changes: dict[str, Any], settings: dict[str, Any], path: str, expected: Any) -> None:
    assert at(compose(changes, **settings), path) == expected


@pytest.mark.parametrize("key", ["environment", "ports", "volumes", "secrets", "configs", "logging"])
def test_what_is_not_asked_for_is_not_there(key: str) -> None:
    document = compose()
    assert key not in document["services"]["web"]
    assert key not in document
    assert not {"placement", "labels"} & set(document["services"]["web"]["deploy"])


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ({"port": 1}, "image is missing"),
        ({"image": "a"}, "port is missing"),
        ({"image": "a", "port": 1, "replica": 2}, "replica is no setting"),
        ({"image": "a", "port": 1, "services": {"web": {"image": "b"}}}, "the service that is the app itself"),
        (
            {"image": "a", "port": 1, "service": {"environment": "A=1"}},
            "apps.web.service.environment must be a list or a",
        ),
        ({"image": "a", "port": 1, "ports": ["x"]}, "port 'x'"),
    ],
)
def test_refused(app: dict[str, Any], words: str) -> None:
    with pytest.raises(PlatformError, match=words):
        app_compose(resolve_app("web", app), image=IMAGE)


def test_where_all_apps_are_an_app_has_its_full_name_only() -> None:
    document = compose(network="apps")
    assert document["x-full-names"] == ["apps"]
    assert document["services"]["web"]["networks"] == ["apps", "default"]


ENV = {"env_file": "web.env"}
GLOBAL = {"deploy": {"mode": "global"}}


@pytest.mark.parametrize(
    ("changes", "ipvs", "places"),
    [
        ({}, False, []),
        ({"service": {"user": "node", "x-note": {"a": None}, "networks": {"default": None}}}, False, []),
        # Shapes: everything at once, each with its place.
        (
            {"service": {"environment": "A=1", "labels": 5}, "services": {"x": {"image": "a", "configs": 5}}},
            False,
            ["service.environment", "service.labels", "services.x.configs"],
        ),
        ({"services": {"x": None}}, False, ["services.x"]),
        ({"services": {"x": {}}}, False, ["services.x.image"]),
        ({"services": {"a b": {"image": "a"}}}, False, ["services.(not shown)"]),
        ({"services": {7: {"image": "a"}, None: {"image": "a"}}}, False, ["services.7", "services.None"]),
        ({"services": {"web": {"image": "a"}}}, False, ["services.web"]),
        # Nothing is filled in from anywhere.
        ({"service": {"environment": {"P": "${DB_PASSWORD:-x}", "Q": "a$$b"}}}, False, ["service.environment.P"]),
        ({"services": {"x": {"image": "a", "command": ["echo", "$HOME"]}}}, False, ["services.x.command[1]"]),
        # What has a setting of its own.
        ({"service": {"image": "a"}}, False, ["service.image"]),
        ({"service": {"deploy": {"replicas": 2}}}, False, ["service.deploy.replicas"]),
        ({"service": {"deploy": {"mode": "replicated-job"}}}, False, ["service.deploy.mode"]),
        ({"service": {"healthcheck": {"disable": True}}}, False, ["service.healthcheck.disable"]),
        ({"service": {"healthcheck": {"test": ["NONE"]}}}, False, ["service.healthcheck.test"]),
        (
            {"health": {"enabled": False}, "service": {"healthcheck": {"test": ["CMD", "x"]}}},
            False,
            ["service.healthcheck"],
        ),
        ({"hosts": ["a.b"], "service": {"deploy": {"labels": ["io.fungap.hosts=x"]}}}, False, [
            "service.deploy.labels.io.fungap.hosts"
        ]),
        ({**ENV, "service": {"volumes": ["/srv/x:/usr/src/app/env"]}}, False, ["service.volumes[0]"]),
        ({**ENV, "service": {"tmpfs": "/usr/src/app/env/tmp:size=1m"}}, False, ["service.tmpfs"]),
        ({**ENV, "service": {"volumes": ["/srv/x:/usr/src/app"]}}, False, []),
        ({"route": {"sticky": True}, "service": {"hostname": "x"}}, False, ["service.hostname"]),
        # One on each node.
        ({"service": GLOBAL}, False, []),
        ({"service": GLOBAL, "replicas": 3}, False, ["replicas"]),
        ({"service": GLOBAL, "route": {"sticky": True}}, False, ["service.deploy.mode"]),
        ({"services": {"x": {"image": "a", "deploy": {"mode": "global", "replicas": 1}}}}, False, [
            "services.x.deploy.replicas"
        ]),
        # Jobs, which no app is.
        ({"services": {"x": {"image": "a", "deploy": {"mode": "replicated-job", "replicas": 2}}}}, False, []),
        (
            {"services": {"x": {"image": "a", "deploy": {"mode": "global-job", "update_config": {"delay": "1s"}}}}},
            False,
            ["services.x.deploy.update_config"],
        ),
        # Addresses that nothing answers.
        ({"services": {"x": {"image": "a", "deploy": {"endpoint_mode": "vip"}}}}, False, [
            "services.x.deploy.endpoint_mode"
        ]),
        ({"services": {"x": {"image": "a", "deploy": {"endpoint_mode": "vip"}}}}, True, []),
        (
            {"services": {"x": {"image": "a", "ports": ["1:1"], "deploy": {"endpoint_mode": "dnsrr"}}}},
            True,
            ["services.x.ports[0]"],
        ),
        # What is not there.
        ({"services": {"db": {"image": "a", "volumes": ["data:/data"]}}}, False, ["services.db.volumes[0]"]),
        (
            {"services": {"db": {"image": "a", "volumes": [{"type": "volume", "source": "d", "target": "/d"}, "/e"]}}},
            False,
            ["services.db.volumes[0]"],
        ),
        # One thing in each place.
        ({"services": {"x": {"image": "a", "volumes": ["/a:/d", "/b:/d/"]}}}, False, ["services.x.volumes[1]"]),
        ({"service": {"volumes": ["./a:/a", "~/a:/b", "/c:/c"]}}, False, ["service.volumes[0]", "service.volumes[1]"]),
        ({"service": {"networks": ["back"]}}, False, ["service.networks[0]"]),
        ({"service": {"secrets": ["key"], "configs": [{"source": "c"}]}}, False, [
            "service.configs[0]", "service.secrets[0]"
        ]),
        ({"service": {"secrets": [{"source": "env"}]}, **ENV, "env_delivery": "secret"}, False, []),
        ({"service": {"build": ".", "restart": "always"}}, False, ["service.build", "service.restart"]),
    ],
)  # fmt: skip
def test_what_services_may_say(changes: dict[str, Any], ipvs: bool, places: list[str]) -> None:
    """The preflight's word, and the same of what is deployed, but for what Docker would take: it may have run."""
    app = resolve_app("web", {"image": "express-app", "port": 3000, **changes})
    found = wrong_services(app, ipvs=ipvs)
    assert [one.place for one in found] == places
    refused = [one.place for one in found if not one.is_ours]
    settings: dict[str, Any] = {"image": IMAGE, "ipvs": ipvs, "env_version": VERSION if app["env_file"] else None}
    if refused:
        with pytest.raises(PlatformError, match=re.escape(f"apps.web.{refused[0]} ")):
            app_compose(app, **settings)
    else:
        app_compose(app, **settings)


@pytest.mark.parametrize(
    ("changes", "looked_at"),
    [
        ({}, False),
        ({"health": {"path": ""}}, False),
        ({"service": {"healthcheck": {"retries": 9}}}, False),
        ({"health": {"enabled": False}}, True),
        ({"health": {"test": ["CMD", "true"]}}, True),
        ({"service": {"healthcheck": {"test": ["CMD", "true"]}}}, True),
        # The image's own.
        ({"service": {"healthcheck": {"test": []}}}, True),
        ({"hosts": [], "health": {"enabled": False}}, False),
    ],
)
def test_what_no_health_check_of_ours_asks_has_to_listen(changes: dict[str, Any], looked_at: bool) -> None:
    app = resolve_app("web", {"image": "a", "port": 3000, "hosts": ["a.example"], **changes})
    assert app_listens(app) == ({"web": {"port": 3000, "within_seconds": 30}} if looked_at else {})


def test_it_has_as_long_as_it_may_take_to_start() -> None:
    health = {"enabled": False, "start_period_seconds": 90}
    app = resolve_app("web", {"image": "a", "port": 3000, "hosts": ["a.example"], "health": health})
    assert app_listens(app)["web"]["within_seconds"] == 90


def test_images_of_the_catalog_are_those_without_a_registry_or_a_version() -> None:
    services = {
        "a": {"image": "kit"}, "b": {"image": "redis:7"}, "c": {"image": "team/x"}, "d": {"image": f"x@{IMAGE[-71:]}"},
        "e": None, "f": {"image": 5},
    }  # fmt: skip
    assert catalog_images({"image": "web", "services": services}) == {"image": "web", "services.a.image": "kit"}
    assert catalog_images({}) == {}


def test_the_same_app_is_the_same_text() -> None:
    app = resolve_app("web", {"image": "a", "port": 1, "env_file": "x"})
    texts = {compose_text(app_compose(app, image=IMAGE, env_version=VERSION)) for _ in range(2)}
    assert len(texts) == 1
    assert "&id" not in texts.pop()


def test_the_inventorys_order_and_the_records_make_the_same_text() -> None:
    entry: dict[str, Any] = {
        "image": "a",
        "port": 1,
        "environment": {"Z": 1, "A": 2},
        "service": {"volumes": [{"type": "tmpfs", "target": "/scratch"}], "labels": {"z": "1", "a": "2"}},
        "services": {"z": {"image": "b:1", "command": ["c"]}, "a": {"image": "b:1", "deploy": {"mode": "global"}}},
    }
    recorded = json.loads(json.dumps(entry, sort_keys=True))
    texts = {compose_text(app_compose(resolve_app("web", one), image=IMAGE)) for one in (entry, recorded)}
    assert len(texts) == 1


def test_monitor_covers_the_health_check() -> None:
    assert monitor_seconds(resolve_app("web", {"image": "a", "port": 1})) == 30


@pytest.mark.parametrize(
    ("replicas", "update", "expected"),
    [
        (1, {}, 0),
        (0, {}, 0),
        # The last one waits for the watch of the first, less what it takes to start; never as long as the watch.
        (2, {}, 25),
        (3, {}, 15),
        (6, {"parallelism": 2}, 15),
        (5, {"parallelism": 2}, 15),
        (10, {}, 4),
        (100, {}, 1),
        (3, {"monitor_seconds": 60}, 30),
        (2, {"monitor_seconds": 60}, 50),
        # All at once: there is no pause that could help.
        (6, {"parallelism": 0}, 0),
        (6, {"parallelism": 6}, 0),
        # What is asked for is what there is.
        (3, {"delay_seconds": 0}, 0),
        (3, {"delay_seconds": 7}, 7),
    ],
)
def test_pause_between_two_batches(replicas: int, update: dict[str, Any], expected: float) -> None:
    app = resolve_app("web", {"image": "a", "port": 1, "replicas": replicas, "update": update})
    assert delay_seconds(app) == expected
    assert delay_seconds(app) < monitor_seconds(app)
    deploy = app_compose(app, image=IMAGE)["services"]["web"]["deploy"]
    assert deploy["update_config"]["delay"] == f"{expected}s"
    assert "delay" not in deploy["rollback_config"], "the way back is not slowed down"


def test_monitoring_outlasts_the_pause_of_a_slow_health_check() -> None:
    app = resolve_app("web", {"image": "a", "port": 1, "replicas": 2, "health": {"interval_seconds": 30}})
    assert (monitor_seconds(app), delay_seconds(app)) == (104, 86)


@pytest.mark.parametrize("name", ["web", "shop"])
def test_the_proxy_looks_where_the_app_is(name: str) -> None:
    app = resolve_app(name, {"image": "a", "port": 3000, "hosts": ["a.example"], "route": {"sticky": True}})
    route = app_routes({name: app})[0]
    assert (route["upstream"], route["port"]) == (f"tasks.{name}_web", 3000)
    assert app_compose(app, image=IMAGE)["services"]["web"]["hostname"] == route["slot_prefix"] + "{{.Task.Slot}}"


def test_defaults_are_those_that_the_inventory_check_knows() -> None:
    """Where an app's setting stands in both, it means the same."""
    path = ROOT / "roles" / "preflight" / "meta" / "argument_specs.yml"
    for name, spec in yaml.safe_load(path.read_text())["argument_specs"]["app"]["options"].items():
        if spec.get("required") or name in PIPELINE_SETTINGS:
            continue
        expected = spec.get("default")
        if "options" in spec:
            expected = {key: one.get("default") for key, one in spec["options"].items()}
        assert DEFAULTS[name] == expected, name


@pytest.mark.parametrize(("ipvs", "mtu"), [(True, 1450), (False, 1400)])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"services": {"cache": {"image": "redis:7"}}},
        {"services": {"cache": {"image": "redis:7", "deploy": {"endpoint_mode": "dnsrr"}}}},
        {"service": {"deploy": {"endpoint_mode": "dnsrr"}}, "services": {"cache": {"image": "redis:7"}}},
    ],
)
def test_what_it_was_made_for_is_read_back_from_what_was_deployed(ipvs: bool, mtu: int, more: dict[str, Any]) -> None:
    """A deploy that can't ask a machine goes by it."""
    app = resolve_app("web", {"image": "a", "port": 3000, **more})
    recorded = json.loads(json.dumps(app_compose(app, image=IMAGE, ipvs=ipvs, mtu=mtu), sort_keys=True))
    assert made_for(recorded) == {"ipvs": ipvs, "mtu": mtu}


def test_what_it_was_made_for_may_be_unknown() -> None:
    compose = {"services": {"a": {"image": IMAGE}}, "networks": {"n": None, "public": {"external": True}}}
    assert made_for(compose) == {"ipvs": None, "mtu": None}
    assert made_for({}) == {"ipvs": None, "mtu": None}


def test_what_an_older_version_deployed_without_ipvs_was_made_so() -> None:
    """Its further services said nothing of it."""
    services = {"cache": {"image": IMAGE}, "web": {"image": IMAGE, "deploy": {"endpoint_mode": "dnsrr"}}}
    assert made_for({"services": services})["ipvs"] is False


def test_of_another_app_what_is_recorded_counts() -> None:
    with pytest.raises(PlatformError, match="port is missing"):
        resolve_app("old", {"image": "a"})
    assert resolve_app("old", {"image": "a"}, recorded=True)["port"] is None


def test_the_node_of_the_volumes_is_one_for_all_services_that_mount_them() -> None:
    app = resolve_app("web", {"image": "x", "port": 1, **SHARED})
    assert mounted(app) == {"web": ["a"], "db": ["a", "b"]}
    assert asked_of_their_node(app) == ["node.labels.disk == ssd", "node.role == worker"]
    assert wrong_services(app, ipvs=False) == []
    alone = resolve_app("web", {"image": "x", "port": 1, "constraints": ["node.role == manager"]})
    assert (mounted(alone), asked_of_their_node(alone)) == ({}, [])
