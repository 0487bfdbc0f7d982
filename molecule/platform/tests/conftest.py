"""The platform under test: what a client, an operator and the engines see of it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import docker
import pytest

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = ROOT / "molecule" / "platform" / "inventory"
NAME = "mol-platform"
NODES = ("manager1", "worker1", "worker2")
HOST, HTTP_PORT, HTTPS_PORT = "web.localhost", 18180, 18543
SECRETS = Path("/var/tmp", NAME, "secrets")
REGISTRY = ("172.30.9.2", 5000)


@dataclass(frozen=True)
class Run:
    """A finished ansible-playbook."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", self.output))


class Platform:
    """Handles on everything."""

    def __init__(self) -> None:
        self.outer = docker.from_env()

    # --- the operator ---

    def command(self, *arguments: str, playbook: str = "site.yml", inventories: Sequence[Path] = ()) -> list[str]:
        command = ["ansible-playbook", "-i", str(INVENTORY)]
        for inventory in inventories:
            command += ["-i", str(inventory)]
        return [*command, *arguments, str(ROOT / playbook)]

    def play(self, *arguments: str, playbook: str = "site.yml", inventories: Sequence[Path] = ()) -> Run:
        done = subprocess.run(
            self.command(*arguments, playbook=playbook, inventories=inventories),
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Run(done.returncode, done.stdout)

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
            self.command(),
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PYTHONUNBUFFERED": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert run.stdout
        seen, name = 0, ""
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

    # --- the engines ---

    def container(self, node: str) -> Any:
        return self.outer.containers.get(f"{NAME}-{node}")

    def engine(self, node: str) -> docker.APIClient:
        return docker.APIClient(f"unix:///run/{NAME}/{node}/docker.sock", version="auto", timeout=30)

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
            and (name != "docker host" or event["Actor"]["Attributes"].get("name", "").startswith(NAME))
        ]

    # --- the client ---

    @property
    def trust(self) -> ssl.SSLContext:
        """A client that trusts the platform's CA and nothing else."""
        return ssl.create_default_context(cafile=str(SECRETS / "ca.crt"))

    def get(self, path: str = "/", timeout: float = 5, host: str = HOST) -> tuple[int, dict[str, str], bytes]:
        """One HTTPS request on a connection of its own."""
        connection = HTTPConnection(host, HTTPS_PORT, timeout=timeout)
        raw = socket.create_connection(("127.0.0.1", HTTPS_PORT), timeout=timeout)
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

        request = urllib.request.Request(f"http://127.0.0.1:{HTTP_PORT}{path}", headers={"Host": HOST})
        try:
            response = urllib.request.build_opener(Stay).open(request, timeout=5)
        except urllib.error.HTTPError as error:
            response = error
        return response.status, {key.lower(): value for key, value in response.headers.items()}


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform()
