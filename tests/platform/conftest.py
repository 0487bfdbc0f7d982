"""The platform under test: what a client, an operator and the engines see of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import docker
import pytest

from .. import checkout, seed, timeline
from ..installed import install
from ..load.live import ROOT, Live, Run, our_settings

INVENTORY = Path(__file__).resolve().parent / "inventory"
NODES = ("manager1", "worker1", "worker2")
HOST = "web.localhost"


class Platform:
    """Handles on everything. ``name``: of checkout.PLATFORMS; ``installed``: see Settings."""

    def __init__(self, name: str, installed: str = "") -> None:
        self.live = Live(replace(our_settings(name, INVENTORY), installed=installed))
        self.name = self.live.where.name
        self.subnet = checkout.subnet(name)
        self.http_port, self.https_port = checkout.port(name, 0), checkout.port(name, 1)
        self.hub_port = checkout.port(name, 2)
        self.secrets = Path(self.live.where.ca).parent
        self.outer = self.live.outer
        self.bringing_up = ""  # what the first run of site.yml said

    # --- the operator ---

    def play(self, *arguments: str, playbook: str = "site.yml", inventories: Sequence[Path] = ()) -> Run:
        more = [argument for inventory in inventories for argument in ("-i", str(inventory))]
        return self.live.run(playbook, *more, *arguments)

    def run(self, *arguments: str, playbook: str = "site.yml", inventories: Sequence[Path] = ()) -> Run:
        """A run that has to succeed."""
        done = self.play(*arguments, playbook=playbook, inventories=inventories)
        assert done.code == 0, done.output[-6000:]
        return done

    def run_and_kill(self, after_tasks: int) -> str:
        """Start site.yml, end it with all its children by SIGKILL in its n-th task; return that task's name.

        An empty name: the run was over before.
        """
        run = subprocess.Popen(
            self.live.command("ansible-playbook", self.live.playbook("site.yml")),
            cwd=ROOT,
            # Skipped tasks are shown, too: a task has the same number in each run.
            env={**self.live.environment, "PYTHONUNBUFFERED": "1", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert run.stdout
        seen, name = 0, ""
        with timeline.span("site.yml, killed"):
            for line in run.stdout:
                if line.startswith("TASK ["):
                    seen += 1
                    if seen == after_tasks:
                        name = line.split("]")[0].removeprefix("TASK [")
                        # In the middle of the task rather than before its module has started.
                        time.sleep(0.4)
                        os.killpg(run.pid, signal.SIGKILL)
                        break
            run.stdout.close()
            run.wait()
        return name

    def tasks(self) -> int:
        """How many tasks site.yml has."""
        command = self.live.command("ansible-playbook", "--list-tasks", self.live.playbook("site.yml"))
        done = subprocess.run(command, cwd=ROOT, env=self.live.environment, check=True, capture_output=True, text=True)
        return sum("TAGS:" in line and "play #" not in line for line in done.stdout.splitlines())

    def reset(self, *, volumes: bool) -> Run:
        given = {"reset_confirmed": self.name, "reset_volumes": volumes}
        return self.run("-e", json.dumps(given), playbook="playbooks/reset.yml")

    # --- the engines ---

    def container(self, node: str) -> Any:
        return self.outer.containers.get(f"{self.name}-{node}")

    def engine(self, node: str) -> docker.APIClient:
        return self.live.engine(node)

    def members(self) -> dict[str, dict[str, Any]]:
        """The swarm's nodes by name."""
        return {node["Description"]["Hostname"]: node for node in self.engine("manager1").nodes()}

    def all_ready(self, count: int = 3) -> bool:
        members = self.members()
        return len(members) == count and all(node["Status"]["State"] == "ready" for node in members.values())

    def running(self, service: str) -> int:
        tasks = self.engine("manager1").tasks(filters={"service": service, "desired-state": "running"})
        return sum(task["Status"]["State"] == "running" for task in tasks)

    def events(self, since: float, until: float) -> list[str]:
        """What happened on every engine, health checks aside (they run by themselves)."""
        engines = {"docker host": self.outer.api, **{node: self.engine(node) for node in NODES}}
        return [
            f"{name}: {event['Type']} {event['Action']} {event['Actor']['Attributes'].get('name', '')}"
            for name, engine in engines.items()
            for event in engine.events(since=int(since), until=int(until), decode=True)
            if not event["Action"].startswith(("exec_", "health_status"))
            and (name != "docker host" or event["Actor"]["Attributes"].get("name", "").startswith(self.name))
        ]

    # --- the client ---

    @property
    def trust(self) -> ssl.SSLContext:
        """A client that trusts the platform's CA and nothing else."""
        return ssl.create_default_context(cafile=self.live.where.ca)

    def get(self, path: str = "/", timeout: float = 5, host: str = HOST) -> tuple[int, dict[str, str], bytes]:
        """One HTTPS request on a connection of its own."""
        connection = HTTPConnection(host, self.https_port, timeout=timeout)
        raw = socket.create_connection(("127.0.0.1", self.https_port), timeout=timeout)
        connection.sock = self.trust.wrap_socket(raw, server_hostname=host)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def answers(self) -> bool:
        return self.get()[0] == 200

    def app(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get()[2])
        return answer

    def replicas(self, wanted: int = 3, requests: int = 60) -> set[str]:
        """The names of the replicas that answer."""
        names: set[str] = set()
        for _ in range(requests):
            names.add(str(self.app()["replica"]))
            if len(names) == wanted:
                break
        return names

    def plain_get(self, path: str) -> tuple[int, dict[str, str]]:
        """One HTTP request that follows no redirect."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", headers={"Host": HOST})
        try:
            response = urllib.request.build_opener(Stay).open(request, timeout=5)
        except urllib.error.HTTPError as error:
            response = error
        return response.status, {key.lower(): value for key, value in response.headers.items()}


@pytest.fixture(scope="module")
def bare() -> Iterator[Platform]:
    """A platform of which nothing is there yet."""
    platform = Platform("killed")
    seed.plant(platform.name, layers_only=True)
    yield platform
    platform.reset(volumes=True)


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform by site.yml, from nothing; check mode first, which changes nothing.

    It is run as users of the installed collection do, by the playbooks' names and without the checkout's settings.
    """
    folder = tmp_path_factory.mktemp("installed")
    install(folder, "platform")
    platform = Platform("site", str(folder))
    try:
        platform.run("--check", "--diff")
        assert traces(platform) == []
        seed.plant(platform.name, layers_only=True)
        platform.bringing_up = platform.run().output
        yield platform
    finally:
        platform.reset(volumes=True)


def traces(platform: Platform) -> list[str]:
    """All that a platform could leave on a docker host."""
    outer, name = platform.outer, platform.name
    found = [
        f"container {item.name}"
        for item in outer.containers.list(all=True, ignore_removed=True)
        if item.name.startswith(f"{name}-")
    ]
    found += [f"volume {item.name}" for item in outer.volumes.list() if item.name.startswith(name)]
    found += [f"network {item.name}" for item in outer.networks.list() if item.name.startswith(name)]
    found += [str(path) for path in (Path("/etc", name), Path("/run", name)) if path.exists()]
    found += [str(path) for path in Path("/etc/docker/certs.d").glob(f"{name}*")]
    found += ["/etc/hosts"] if name in Path("/etc/hosts").read_text() else []
    for tool in (["iptables-save"], ["ip", "route"]):
        rules = subprocess.run(tool, check=True, capture_output=True, text=True).stdout
        found += [f"{tool[0]}: {line}" for line in rules.splitlines() if f"{platform.subnet}." in line]
    return found
