#!/usr/bin/env python3
"""The platform on a real Debian machine, from nothing, over SSH: systemd, cgroup v2, IPVS, privileged nodes, a reboot.

Images are carried in as archives of this checkout's catalog (built first where they are missing). Asserts only what is
visible from outside: HTTPS answers, node lists, a reachable port, files' sums. The last good result goes to
docs/vm-test.md.

    run.py [--inventory DIR] [--keep]      --keep leaves the machine running (vm.py ssh, vm.py poweroff)
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from vm import CACHE, IMAGES_DIR, ROOT, Vm, VmError, alone, say, wait_for

IMAGES = ("node", "registry", "proxy", "express-app")
RESULT = ROOT / "docs" / "vm-test.md"
LOGS = CACHE / "logs"
ARCHIVES = CACHE / "images"
MESH_SERVICE = "vm-test-mesh"
MESH_PORT = 18999


class Failure(VmError):
    """An expectation that didn't hold."""


def expect(holds: bool, message: str) -> None:
    if not holds:
        raise Failure(message)


class Steps:
    """The steps with their seconds, printed as they end."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        say(f"{what} ...")
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            say(f"FAILED after {time.monotonic() - started:.0f} s: {what}: {error}")
            raise
        self.done.append((what, time.monotonic() - started))
        say(f"{what}: {self.done[-1][1]:.0f} s")


def tool(name: str) -> str:
    """A program of the project's own environment, else of the system."""
    own = ROOT / ".venv" / "bin" / name
    return str(own) if own.exists() else name


# --- images
def save_images() -> Path:
    """A folder with <name>.tar of each image, as this checkout's catalog makes it; done anew only where needed."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    variables = {
        "images_names": IMAGES,
        "images_source": "build",
        "images_missing": "fail",
        "images_save_dir": str(ARCHIVES),
    }
    command = [tool("ansible-playbook"), "-i", str(ROOT / "inventories/local"), str(ROOT / "playbooks/images.yml")]
    # Not the engine: it is there, and other checkouts use it.
    command += ["--tags", "images", "--extra-vars", json.dumps(variables)]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=1800, stdout=sys.stderr)
    return ARCHIVES


# --- the platform
class Platform:
    """The platform in the machine: put there by site.yml, looked at from outside."""

    def __init__(self, vm: Vm, inventory: Path) -> None:
        self.vm = vm
        self.inventory = inventory
        self.secrets = vm.folder / "secrets"
        listing = self._ansible("ansible-inventory", "--list")
        groups: dict[str, Any] = json.loads(listing)
        self.managers: list[str] = groups["swarm_managers"]["hosts"]
        self.nodes = [*self.managers, *groups.get("swarm_workers", {}).get("hosts", [])]
        self.variables: dict[str, Any] = groups["_meta"]["hostvars"][self.managers[0]]
        self.addresses = {node: groups["_meta"]["hostvars"][node].get("swarm_node_address", "") for node in self.nodes}
        self.name: str = self.variables.get("platform_name", "fungap")
        self.app, self.site = next((name, app["hosts"][0]) for name, app in self.variables["apps"].items())
        self.run_dir: str = self.variables.get("platform_run_dir", f"/run/{self.name}")

    def _ansible(self, program: str, *arguments: str) -> str:
        command = [tool(program), "-i", str(self.inventory), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
        expect(done.returncode == 0, f"{program}: {done.stderr}")
        return done.stdout

    def converge(self, log: str, deadline_seconds: float = 2700) -> int:
        """Run site.yml; return how many tasks changed something. The output goes to a log of its own."""
        LOGS.mkdir(parents=True, exist_ok=True)
        path = LOGS / f"{log}.log"
        extra = {
            **self.vm.ansible_variables(),
            "images_source": "archive",
            "images_archive_dir": IMAGES_DIR,
            "platform_secrets_dir": str(self.secrets),
            # Its images would have to be carried in, too, and its work slows everything under emulation.
            "monitoring_enabled": False,
            # Under emulation a node takes minutes to unpack an image.
            "proxy_deadline_seconds": 1200,
            "app_deadline_seconds": 1200,
        }
        command = [
            tool("ansible-playbook"),
            "-i",
            str(self.inventory),
            "site.yml",
            "--diff",
            "--extra-vars",
            json.dumps(extra),
        ]
        environment = {**os.environ, **self.vm.ansible_environment(), "ANSIBLE_TIMEOUT": "60", "LC_ALL": "C.UTF-8"}
        with path.open("w") as output:
            try:
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                    timeout=deadline_seconds,
                )
            except subprocess.TimeoutExpired:
                raise Failure(f"site.yml: not done in {deadline_seconds:.0f} s, see {path}") from None
        text = path.read_text()
        tail = "\n".join(text.splitlines()[-40:])
        expect(done.returncode == 0, f"site.yml: exit {done.returncode}, see {path}\n{tail}")
        recap = re.findall(r"ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", text)
        expect(bool(recap), f"site.yml: no recap in {path}")
        expect(
            all(unreachable == failed == "0" for _, unreachable, failed in recap),
            f"site.yml: failures in the recap, see {path}",
        )
        changed = sum(int(count) for count, _, _ in recap)
        if changed:
            lines = text.splitlines()
            tasks = [line for line in lines if line.startswith(("TASK", "changed:", "RUNNING HANDLER", "--- ", "+++ "))]
            (LOGS / f"{log}.changed").write_text("\n".join(tasks) + "\n")
        return changed

    def get(self, path: str = "/healthz") -> tuple[int, str]:
        """HTTPS from outside, verified against the platform's CA and the app's host name: status and body."""
        context = ssl.create_default_context(cafile=str(self.secrets / "ca.crt"))
        raw = socket.create_connection(("127.0.0.1", self.vm.https_port), timeout=10)
        with context.wrap_socket(raw, server_hostname=self.site) as wrapped:
            connection = http.client.HTTPConnection(self.site, timeout=15)
            connection.sock = wrapped
            connection.request("GET", path, headers={"Host": self.site, "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    def answers(self) -> bool:
        try:
            return self.get()[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def redirect(self) -> tuple[int, str]:
        """What port 80 answers: status and Location."""
        connection = http.client.HTTPConnection("127.0.0.1", self.vm.http_port, timeout=15)
        connection.request("GET", "/x", headers={"Host": self.site})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location", "")

    def api(self, path: str, node: str = "", *, method: str = "GET", body: Any = None) -> Any:
        """Ask an engine: the docker host's own, or a node's."""
        where = f"{self.run_dir}/{node}/docker.sock" if node else "/run/docker.sock"
        command = f"sudo curl -sS --max-time 60 --unix-socket {shlex.quote(where)} -X {method}"
        if body is not None:
            command += f" -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"
        text = self.vm.ssh(f"{command} {shlex.quote('http://docker' + path)}")
        return json.loads(text) if text.strip() else None

    def members(self) -> dict[str, str]:
        """Ready members of the swarm: host name -> node ID."""
        try:
            nodes = self.api("/nodes", self.managers[0])
        except (VmError, ValueError):
            return {}
        if not isinstance(nodes, list):
            return {}
        return {node["Description"]["Hostname"]: node["ID"] for node in nodes if node["Status"]["State"] == "ready"}

    def data(self) -> dict[str, str]:
        """What must outlive a reboot: sums over the registry's content and over every env volume."""
        volumes = "/var/lib/docker/volumes"
        registry = f"{volumes}/{self.name}-registry/_data"
        sums = {
            "registry": f"cd {registry} && find . -path '*/blobs/*' -type f | sort | xargs sha256sum",
            "env": f"cd {volumes} && find . -path '*/volumes/*_env_*/_data/*' -type f | sort | xargs sha256sum",
        }
        found = {what: self.vm.ssh(f"sudo sh -c {shlex.quote(command)}", timeout=300) for what, command in sums.items()}
        for what, lines in found.items():
            expect(bool(lines.strip()), f"no data to compare: {what}")
        return found

    def replicas(self) -> int:
        """How many of the app's tasks run."""
        wanted = shlex.quote(json.dumps({"desired-state": ["running"]}))
        text = self.vm.ssh(
            f"sudo curl -sS --max-time 60 -G --unix-socket {self.run_dir}/{self.managers[0]}/docker.sock"
            f" --data-urlencode filters={wanted} http://docker/tasks"
        )
        services = {service["ID"]: service["Spec"]["Name"] for service in self.api("/services", self.managers[0])}
        running = [task for task in json.loads(text) if task["Status"]["State"] == "running"]
        return sum(services.get(task["ServiceID"], "").startswith(f"{self.app}_") for task in running)


# --- expectations
def look_at_platform(platform: Platform) -> None:
    """HTTPS with the platform's CA, the redirect, every member, privileged nodes on cgroup v2 under systemd."""
    status, body = platform.get()
    expect(status == 200, f"https://{platform.site}/healthz answers {status}: {body[:200]}")
    status, location = platform.redirect()
    expect(status == 301 and location.startswith("https://"), f"port 80 answers {status}, Location {location!r}")
    members = platform.members()
    expect(set(members) == set(platform.nodes), f"ready members {sorted(members)}, wanted {sorted(platform.nodes)}")
    expect(platform.vm.ssh("ps -o comm= 1").strip() == "systemd", "PID 1 is not systemd")
    expect(
        platform.vm.ssh("systemctl is-active docker", check=False).strip() == "active",
        "docker is not active under systemd",
    )
    expect(
        platform.vm.ssh("systemctl is-enabled docker", check=False).strip() == "enabled",
        "docker is not enabled under systemd",
    )
    for node in platform.nodes:
        container = platform.api(f"/containers/{platform.name}-{node}/json")
        expect(
            container["HostConfig"]["Privileged"] is True,
            f"{node} is not privileged where the kernel grants everything",
        )
        info = platform.api("/info", node)
        expect(info["CgroupVersion"] == "2", f"{node}: cgroup version {info['CgroupVersion']}")
        expect(info["Driver"] == "overlay2", f"{node}: storage driver {info['Driver']}")
    platform.vm.ssh("test -e /proc/net/ip_vs")


def look_at_mesh(platform: Platform) -> None:
    """One replica behind an ingress port answers at every node's address: the routing mesh and IPVS work."""
    manager = platform.managers[0]
    services = platform.api("/services", manager)
    app = next(service for service in services if service["Spec"]["Name"].startswith(f"{platform.app}_"))
    container = app["Spec"]["TaskTemplate"]["ContainerSpec"]
    spec = {
        "Name": MESH_SERVICE,
        "TaskTemplate": {
            "ContainerSpec": {key: container[key] for key in ("Image", "Mounts", "Env") if key in container},
            "Placement": {"Constraints": app["Spec"]["TaskTemplate"].get("Placement", {}).get("Constraints", [])},
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {
            "Mode": "vip",
            "Ports": [
                {
                    "Protocol": "tcp",
                    "PublishedPort": MESH_PORT,
                    "TargetPort": platform.variables["apps"][platform.app]["port"],
                }
            ],
        },
    }
    created = platform.api("/services/create", manager, method="POST", body=spec)
    expect("ID" in created, f"the mesh's service was refused: {created}")
    try:
        for node, address in platform.addresses.items():

            def reached(address: str = address) -> bool:
                url = f"http://{address}:{MESH_PORT}/healthz"
                return (
                    platform.vm.ssh(f"curl -s -o /dev/null -w '%{{http_code}}' --max-time 5 {url}", check=False).strip()
                    == "200"
                )

            wait_for(f"the routing mesh at {node} ({address})", reached, deadline_seconds=180)
        expect(platform.vm.ssh("sudo cat /proc/net/ip_vs_stats").strip() != "", "no IPVS figures")
    finally:
        platform.api(f"/services/{MESH_SERVICE}", manager, method="DELETE")


def test(vm: Vm, steps: Steps, inventory: Path, *, resumed: bool) -> list[str]:
    """Everything; return facts for the report."""
    facts = [
        vm.ssh(". /etc/os-release; echo $PRETTY_NAME").strip(),
        f"kernel {vm.ssh('uname -r').strip()}",
        f"{vm.ssh('nproc').strip()} CPUs emulated without KVM",
    ]
    platform = Platform(vm, inventory)
    if resumed:
        with steps.step("site.yml on the machine that an earlier run left half done"):
            platform.converge("1-resumed")
    else:
        with steps.step("site.yml on the fresh machine (first run)"):
            expect(platform.converge("1-first") > 0, "the first run changed nothing")
    with steps.step("HTTPS, members, privileged nodes, cgroup v2, systemd"):
        wait_for("HTTPS", platform.answers, deadline_seconds=300)
        look_at_platform(platform)
    version = platform.api("/version")
    facts.append(f"Docker {version['Version']}")
    with steps.step("routing mesh on every node (IPVS)"):
        look_at_mesh(platform)
    with steps.step("site.yml again (second run)"):
        changed = platform.converge("2-second")
        expect(changed == 0, f"the second run changed {changed} tasks: {LOGS}/2-second.changed")
    members, data, replicas = platform.members(), platform.data(), platform.replicas()
    with steps.step("reboot until SSH answers"):
        vm.reboot()
    with steps.step("from there until HTTPS answers and every member is ready, by itself"):
        wait_for("HTTPS after the reboot", platform.answers, deadline_seconds=600)
        wait_for("every member ready", lambda: set(platform.members()) == set(platform.nodes), deadline_seconds=300)
        wait_for("every replica", lambda: platform.replicas() == replicas, deadline_seconds=300)
    with steps.step("the same members, the same data"):
        expect(platform.members() == members, f"members were {members}, are {platform.members()}")
        after = platform.data()
        for what, sums in data.items():
            expect(after[what] == sums, f"other {what} data after the reboot")
        look_at_platform(platform)
    with steps.step("site.yml after the reboot"):
        changed = platform.converge("3-after-reboot")
        expect(changed == 0, f"the run after the reboot changed {changed} tasks: {LOGS}/3-after-reboot.changed")
    return facts


def table(steps: Steps) -> str:
    rows = ["| step | seconds |", "| --- | ---: |", *(f"| {what} | {seconds:.0f} |" for what, seconds in steps.done)]
    return "\n".join([*rows, f"| all | {sum(seconds for _, seconds in steps.done):.0f} |"])


def main() -> int:
    parser = argparse.ArgumentParser(description="The platform on a real machine, from nothing")
    parser.add_argument("--inventory", type=Path, default=ROOT / "inventories" / "test")
    parser.add_argument("--keep", action="store_true", help="leave the machine running")
    parser.add_argument("--resume", action="store_true", help="go on with the machine that an earlier run left running")
    arguments = parser.parse_args()
    steps = Steps()
    try:
        expect(arguments.inventory.exists(), f"there is no inventory {arguments.inventory}")
        with alone():
            if arguments.resume:
                vm = Vm.running()
            else:
                with steps.step("images saved on this machine"):
                    archives = save_images()
                with steps.step("a fresh machine booted, SSH answers"):
                    vm = Vm.boot(images=archives)
            try:
                facts = test(vm, steps, arguments.inventory.resolve(), resumed=arguments.resume)
            finally:
                if not arguments.keep:
                    vm.poweroff()
    except (VmError, subprocess.SubprocessError, LookupError, OSError) as error:
        say(f"failed: {type(error).__name__}: {error}")
        print(table(steps))
        return 1
    print(table(steps))
    today = datetime.date.today().isoformat()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        f"# Last run on a real VM\n\nWritten by `make test-vm`. {today}: every step passed. {', '.join(facts)}.\n"
        "Emulation makes everything about ten times slower than a real machine.\n\n" + table(steps) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
