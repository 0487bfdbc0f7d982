"""nginx judges the proxy's configuration before anything counts on it: the role, real nginx, a real swarm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import LABEL_HELPER
from ansible_collections.fungap.swarm.plugins.module_utils.stack.validation import HELPER

from ..images import image
from ..waiting import until, wait_for
from ..warm_ansible import ansible_playbook
from .conftest import Lab, Node
from .test_swarm_stack import CommandLines, Events

ROUTE = {"name": "web", "hosts": ["web.localhost"], "upstream": "tasks.web_web", "port": 3000, "source": "apps.web"}
GUARDED = {**ROUTE, "name": "api", "hosts": ["api.localhost"], "source": "apps.api", "auth": True}
HASH = "$2y$08$" + "a" * 53
# All that a route can say.
FULL = {
    **ROUTE,
    "name": "full",
    "hosts": ["full.localhost", "www.full.localhost"],
    "source": "apps.full",
    "headers": {"X-Frame-Options": "DENY", "X-A": 'quotes " and \\ and ; }'},
    "default_headers": {"X-Content-Type-Options": "nosniff"},
    "redirects": [
        {"host": "www.full.localhost", "to": "full.localhost"},
        {"path": "/", "to": "/start", "status": 302},
        {"path": "/a.b/", "to": "https://other.example/"},
    ],
    "basic_auth": {"users": {"alice": HASH}, "paths": ["/admin", "/"]},
    "allow": ["192.0.2.0/24", "2001:db8::/32"],
    "deny": ["192.0.2.7"],
    "rate_limit": {"requests_per_second": 0.1, "burst": 0, "paths": ["/login"], "connections": 5},
    "buffering": False,
    "compress": True,
    "protocol": "https",
    "error_pages": [{"status": [502, 504], "page": "<h1>Away</h1>"}, {"status": [413], "page": "{}"}],
}
# What it says of them is in a configuration of its own.
SHARED = {
    **FULL,
    "name": "shared",
    "source": "apps.shared",
    "paths": ["/a", "/b/c"],
    "strip_path": True,
    "redirects": [],
}
STREAMS = {
    **FULL,
    "name": "grpc",
    "hosts": ["grpc.localhost"],
    "source": "apps.grpc",
    "redirects": [],
    "protocol": "grpc",
}


@pytest.fixture(scope="module")
def manager(shared_engines: Lab) -> Node:
    (manager,) = shared_engines.start("manager1")
    manager.api.init_swarm(advertise_addr=manager.address, listen_addr=f"{manager.address}:2377")
    # Its engine tells of that, too.
    wait_for("a ready node", lambda: [one["Status"]["State"] for one in manager.api.nodes()] == ["ready"], 20)
    return manager


class Proxy:
    """The role, with a manager's engine that has no image of the proxy: the docker host's own one has."""

    def __init__(self, manager: Node, folder: Path) -> None:
        self.manager, self.folder = manager, folder

    def run(
        self, routes: list[dict[str, Any]], *options: str, tasks_from: str = "validate", **more: Any
    ) -> tuple[int, str]:
        """Exit code and output."""
        variables = {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "platform_config_dir": str(self.folder / "config"),
            "proxy_image": image("proxy"),
            "proxy_socket": self.manager.socket,
            "proxy_routes": routes,
            "proxy_nodes": [{"name": "a", "address": "192.0.2.1"}, {"name": "b", "address": "192.0.2.2"}],
            "proxy_trusted_addresses": ["192.0.2.3"],
            "proxy_acme_upstream": "192.0.2.4:80",
            **more,
        }
        secrets = {
            "directory": str(self.folder / "secrets"),
            "certificates": {
                "proxy": {"names": ["web.localhost"]},
                "proxy-state": {"names": ["proxy-state"], "mutual": True},
            },
            "passwords": ["monitoring"],
            "htpasswd": {"monitoring": "admin"},
        }
        tasks = [
            {"fungap.swarm.platform_secrets": secrets, "check_mode": False},
            {"ansible.builtin.import_role": {"name": "fungap.swarm.proxy", "tasks_from": tasks_from}},
            {"ansible.builtin.debug": {"msg": "digest of {{ proxy_job.validated | default('') | length }}"}},
        ]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        done = ansible_playbook().run("-i", "localhost,", "--diff", *options, str(self.folder / "play.yml"))
        return done.code, done.output

    def keys(self) -> list[str]:
        """What nobody is to see."""
        lines = (self.folder / "secrets" / "proxy.key").read_text().splitlines()
        return [line for line in lines if "-----" not in line]


@pytest.fixture(scope="module")
def proxy(manager: Node, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    return Proxy(manager, tmp_path_factory.mktemp("proxy"))


def heard(events: Events) -> list[dict[str, Any]]:
    """What the manager's engine did, but for the network that each swarm makes of its own in the background."""
    return [one for one in events.stop() if one.get("Actor", {}).get("Attributes", {}).get("name") != "ingress"]


def nothing_stays() -> bool:
    return not docker.from_env().api.containers(all=True, filters={"label": f"{LABEL_HELPER}={HELPER}"})


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_what_nginx_accepts_is_accepted_and_nothing_is_changed(proxy: Proxy, options: tuple[str, ...]) -> None:
    events = Events(proxy.manager)
    with CommandLines() as seen:
        code, output = proxy.run([ROUTE, GUARDED, FULL, SHARED, STREAMS], *options)
    assert code == 0, output
    assert "digest of 64" in output
    assert "changed: [localhost]" not in output.partition("Have the proxy's stack")[2]
    assert heard(events) == []
    assert until(nothing_stays)
    keys = proxy.keys()
    assert keys
    assert not [line for line in (*seen.seen, output) if any(key in line for key in (*keys, HASH))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"upload_size": "banana"}, ["directive invalid value", "client_max_body_size banana;"]),
        ({"sticky": True, "slots": 20001}, ["invalid percent value", "0.00% 1;"]),
        ({"read_timeout_seconds": -1}, ["directive invalid value", "proxy_read_timeout -1s;"]),
    ],
)
@pytest.mark.parametrize("tasks_from", ["validate", "main"])
def test_what_nginx_refuses_is_told_before_anything_is_changed(
    proxy: Proxy, change: dict[str, Any], words: list[str], tasks_from: str
) -> None:
    last = {**ROUTE, "name": "last", "hosts": ["last.localhost"], "source": "apps.last"}
    events = Events(proxy.manager)
    # In the background, too: what the play goes on with may count on a route.
    code, output = proxy.run([ROUTE, {**GUARDED, **change}, last], tasks_from=tasks_from, proxy_background_seconds=60)
    assert code != 0
    told = [*words, "[emerg]", "nginx -t", "Nothing was changed", "comes from apps.api", "Correct apps.api"]
    assert [word for word in told if word not in output] == [], output
    assert heard(events) == []
    assert until(nothing_stays)


def test_check_mode_refuses_what_a_run_would_refuse(proxy: Proxy) -> None:
    code, output = proxy.run([{**ROUTE, "upload_size": "banana"}], "--check", tasks_from="main")
    assert (code != 0, "comes from apps.web" in output) == (True, True), output
