"""A whole platform as its operator, its engines and its clients see it: the one way in which tests bring one up.

Each stage has an inventory; what follows from the checkout (names, subnet, ports) is added to it. Another platform, in
a virtual machine say, is tested by a JSON file that FUNGAP_LIVE_PLATFORM names, with the fields of ``Settings``; its
engines' sockets have to be within reach of this machine (``ssh -L``).
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import docker

from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import controllers_file

from .. import checkout, installed, seed, timeline
from ..steps import tell
from ..waiting import wait_for
from ..warm_ansible import WarmAnsible
from .client import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
APP = "web"
SERVICE = f"{APP}_web"
# How a POST ends that was being answered when a node died, and how many there can be at 10 a second.
CUT_OFF = ("Broken: ", "ConnectionResetError: ", "status 502")
IN_FLIGHT_MAX = 4


@dataclass(frozen=True)
class Settings:
    """Where a platform is. ``node_socket``: with {node}; ``address``: where its HTTPS port is reached."""

    name: str
    inventory: str
    address: str
    ca: str
    node_socket: str
    registry: str
    registry_config: str
    host: str = "web.localhost"
    docker_host_socket: str = "/var/run/docker.sock"
    ansible_arguments: tuple[str, ...] = ()
    # Times the client's rates: less for a slow machine.
    factor: float = 1.0
    # Whether the last worker gets a disk that can be filled, and is empty after a restart.
    has_small_disk: bool = False
    # Whether its registry starts with the catalog's images, instead of being pushed each.
    has_seed: bool = True
    # Whether the tests bring it up and take it away.
    is_ours: bool = True
    # The folder where the collection is installed that runs it; empty: the checkout does.
    installed: str = ""


NODES = {"manager1": 11, "worker1": 21, "worker2": 22}


def our_settings(name: str, inventory: Path, nodes: Mapping[str, int] = NODES, **more: Any) -> Settings:
    """A platform of the tests' own. ``name``: of checkout.PLATFORMS; ``inventory``: a stage's, which says all else.

    ``more``: further variables for the inventory.
    """
    here, secrets = checkout.name(name), f"/var/tmp/{checkout.name(name)}/secrets"
    # Of tests that were killed, and whose platform somebody took away without reset.yml.
    Path(secrets, controllers_file(here)).unlink(missing_ok=True)
    file = ROOT / ".cache" / "inventories" / f"{name}.json"
    added = checkout.write_inventory(name, file, nodes, platform_secrets_dir=secrets, **more)
    return Settings(
        name=here,
        inventory=str(inventory),
        address=f"127.0.0.1:{checkout.port(name, 1)}",
        ca=f"{secrets}/ca.crt",
        node_socket=f"/run/{here}/{{node}}/docker.sock",
        registry=f"{here}-registry:5000",
        registry_config=f"/etc/{here}/registry-client",
        ansible_arguments=("-i", str(added)),
    )


def settings(ours: Callable[[], Settings]) -> Settings:
    """The platform that FUNGAP_LIVE_PLATFORM describes, or one of the tests' own."""
    file = os.environ.get("FUNGAP_LIVE_PLATFORM")
    return Settings(**{"is_ours": False, **json.loads(Path(file).read_text())}) if file else ours()


@dataclass(frozen=True)
class Run:
    """A finished playbook."""

    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", self.output))

    @property
    def cause(self) -> str:
        """What its failed task says, as the operator reads it."""
        return self.output.partition("[ERROR]")[2].partition("\nOrigin:")[0]


@dataclass(frozen=True)
class Running:
    """A playbook that runs."""

    process: subprocess.Popen[str]
    output: IO[str]
    began: float
    times: timeline.Playbook

    def wait(self) -> Run:
        with self.times.awaited():
            code = self.process.wait()
        seconds = time.monotonic() - self.began
        with self.output:
            self.output.seek(0)
            return Run(code, self.output.read(), seconds)


@dataclass
class Load:
    """A load that runs or ran.

    ``report``: the client's, once it has ended; ``died``: when a node was killed, or a replica that served crashed.
    """

    began: float = field(default_factory=time.time)
    died: list[float] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    executed: Counter[str] = field(default_factory=Counter)

    @property
    def cut(self) -> int:
        return sum(kind["cut"] for kind in self.report["kinds"].values())

    @property
    def turned_away(self) -> int:
        return sum(kind["turned_away"] for kind in self.report["kinds"].values())

    @property
    def p99(self) -> float:
        """What 99 of 100 requests took at most, but for those whose answer takes its time."""
        kinds = self.report["kinds"].items()
        seconds = sorted(one for kind, tally in kinds if kind != "slow" for one in tally["seconds"])
        return float(seconds[len(seconds) * 99 // 100])

    @property
    def beyond_help(self) -> int:
        """POSTs that were being answered by what died at that moment: nobody may send them again but who sent them."""
        return sum(
            kind == "post"
            and reason.startswith(CUT_OFF)
            and any(moment - 1 < sent < moment + 1 for moment in self.died)
            for kind, sent, reason in self.report["lost"]
        )

    @property
    def posts_done_twice(self) -> dict[str, int]:
        return {name: count for name, count in self.executed.items() if count > 1}


class Live:
    """Handles on a platform and on what it costs its clients to change it."""

    def __init__(self, where: Settings) -> None:
        self.where = where
        self.outer = docker.DockerClient(f"unix://{where.docker_host_socket}", timeout=60)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{where.name}-"))
        self.made: set[str] = set()
        listing = self._listing()
        self.managers: list[str] = listing["swarm_managers"]["hosts"]
        self.workers: list[str] = listing.get("swarm_workers", {}).get("hosts", [])
        self.variables: dict[str, Any] = listing["_meta"]["hostvars"][self.managers[0]]
        self.base: dict[str, Any] = self.variables["apps"][APP]

    @property
    def nodes(self) -> list[str]:
        return [*self.managers, *self.workers]

    # --- the operator ---

    def command(self, program: str, *arguments: str) -> list[str]:
        return [program, "-i", self.where.inventory, *self.where.ansible_arguments, *arguments]

    def playbook(self, path: str) -> str:
        """A playbook of the checkout, as it is called here."""
        return installed.playbook(path) if self.where.installed else str(ROOT / path)

    @property
    def environment(self) -> dict[str, str]:
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        if self.where.installed:
            return {**installed.environment(Path(self.where.installed)), **path}
        return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **path}

    def _listing(self) -> Any:
        """The inventory as Ansible reads it."""
        command, env = self.command("ansible-inventory", "--list"), self.environment
        return json.loads(subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True).stdout)

    def launch(self, playbook: str, *arguments: str) -> Running:
        """Start a playbook. Its output is not buffered, since Ansible does not flush it and tests read it meanwhile."""
        times = timeline.Playbook(playbook.rpartition("/")[2])
        output = (self.folder / f"{uuid.uuid4().hex[:6]}.log").open("w+")
        began = time.monotonic()
        process = subprocess.Popen(
            self.command("ansible-playbook", self.playbook(playbook), *arguments),
            cwd=ROOT,
            env={**self.environment, **times.environment, "PYTHONUNBUFFERED": "1"},
            text=True,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        return Running(process, output, began, times)

    def run(self, playbook: str, *arguments: str) -> Run:
        """A playbook from its beginning to its end, whatever that is."""
        times, began = timeline.Playbook(playbook.rpartition("/")[2]), time.monotonic()
        _, *options = self.command("ansible-playbook", self.playbook(playbook), *arguments)
        with times.awaited():
            done = self.ansible.run(*options, environment=times.environment)
        return Run(done.code, done.output, time.monotonic() - began)

    @cached_property
    def ansible(self) -> WarmAnsible:
        return WarmAnsible(self.environment)

    def play(self, playbook: str, *arguments: str) -> Run:
        """A playbook that has to succeed."""
        run = self.run(playbook, *arguments)
        assert run.code == 0, f"{playbook}: {run.cause}\n{run.output[-6000:]}"
        return run

    def up(self) -> None:
        if self.where.is_ours:
            if self.where.has_small_disk:
                self._give_small_disk(self.workers[-1])
            if self.where.has_seed:
                seed.plant(self.where.name)
            self.play("site.yml")
        self.settle(self.base["replicas"])

    def _give_small_disk(self, node: str) -> None:
        """The node's volume in memory, which can be filled; it is empty again after the node was stopped."""
        options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1g"}
        labels = {"io.fungap.platform": self.where.name}
        self.outer.volumes.create(f"{self.where.name}-{node}", driver="local", driver_opts=options, labels=labels)

    def down(self) -> None:
        for image in self.made:
            with suppress(docker.errors.DockerException):
                self.outer.images.remove(image, force=True)
        if self.where.is_ours:
            confirmed = {"reset_confirmed": self.where.name, "reset_volumes": True}
            self.play("playbooks/reset.yml", "-e", json.dumps(confirmed))
            # With the secrets, which a reset leaves: see our_settings.
            shutil.rmtree(Path(self.where.ca).parents[1], ignore_errors=True)
        self.close()

    def close(self) -> None:
        """End what runs on the controller for it; the platform stays."""
        if "ansible" in self.__dict__:
            self.ansible.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def operate(self, verb: str, **values: Any) -> Run:
        """deploy.yml, rollback.yml or scale.yml for the app, with what an operator gives by ``-e``."""
        return self.run(f"playbooks/{verb}.yml", "-e", self._given(values))

    def start(self, verb: str, **values: Any) -> Running:
        """The same as a program of its own, which can be killed."""
        return self.launch(f"playbooks/{verb}.yml", "-e", self._given(values))

    def _given(self, values: Mapping[str, Any]) -> str:
        login = {"registry": self.where.registry, **self.login}
        return json.dumps({"app": APP, "platform_source_registries": [login], **values})

    def env_file(self, content: str) -> str:
        """A file on the controller."""
        file = self.folder / f"{uuid.uuid4().hex[:6]}.env"
        file.write_text(content)
        return str(file)

    # --- the engines ---

    def engine(self, node: str) -> docker.APIClient:
        return docker.APIClient(f"unix://{self.where.node_socket.format(node=node)}", version="auto", timeout=30)

    @property
    def manager(self) -> docker.APIClient:
        return self.engine(self.managers[0])

    def container(self, node: str) -> Any:
        return self.outer.containers.get(f"{self.where.name}-{node}")

    def kill(self, node: str, load: Load) -> None:
        """A node dies at once; what it was talking to hears so."""
        load.died.append(time.time())
        self.container(node).kill()

    @contextmanager
    def cut_off(self, node: str) -> Iterator[None]:
        """A node that is gone at once, as by a power cut: what it was talking to hears nothing any more.

        It boots in the end.
        """
        container, network = self.container(node), self.outer.networks.get(self.where.name)
        address = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
        network.disconnect(container, force=True)
        try:
            yield
        finally:
            container.kill()
            network.connect(container, ipv4_address=address)
            container.start()

    def service(self) -> dict[str, Any]:
        found: dict[str, Any] = self.manager.inspect_service(SERVICE)
        return found

    def running(self, service: str = SERVICE) -> list[dict[str, Any]]:
        tasks = self.manager.tasks(filters={"service": service, "desired-state": "running"})
        return [task for task in tasks if task["Status"]["State"] == "running"]

    def revisions(self) -> list[dict[str, Any]]:
        """The records of the app, the newest first."""
        records = self.manager.configs(filters={"name": f"fungap.{APP}."})
        found = [json.loads(base64.b64decode(record["Spec"]["Data"])) for record in records]
        return sorted(found, key=lambda record: -record["revision"])

    def revision(self) -> dict[str, Any]:
        return self.revisions()[0]

    def members(self) -> dict[str, dict[str, Any]]:
        return {node["Description"]["Hostname"]: node for node in self.manager.nodes()}

    def set_availability(self, node: str, availability: str) -> None:
        def update() -> Any:
            member = self.members()[node]
            spec = {**member["Spec"], "Availability": availability}
            return self.manager.update_node(member["ID"], member["Version"]["Index"], spec)

        # Swarm may have written the node meanwhile.
        wait_for(f"{node} to be told {availability}", update, 10)

    def settle(self, replicas: int = 3, seconds: float = 90) -> None:
        """Wait until every node is ready, every replica and every proxy runs."""

        def settled() -> bool:
            ready = [node for node in self.members().values() if node["Status"]["State"] == "ready"]
            proxies = {task["NodeID"] for task in self.running("proxy_proxy")}
            return len(ready) == len(self.nodes) == len(proxies) and len(self.running()) == replicas

        wait_for("the platform to settle", settled, seconds)

    def image(self) -> str:
        """The app's image in force, by digest."""
        return str(self.service()["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])

    def image_from(self, name: str, dockerfile: str) -> str:
        """Build an image on the app's own and push it to the platform's registry, as what a deploy takes; its tag."""
        base, tag = f"{self.where.registry}/zl:base", f"{self.where.registry}/zl:{name}"
        image = self.image()
        self.outer.images.pull(image, auth_config=self.login).tag(base)
        self.made |= {base, image}
        text = f"FROM {base}\n{dockerfile}\n"
        self.outer.images.build(fileobj=io.BytesIO(text.encode()), tag=tag, rm=True, pull=False)
        return self.push(tag)

    @property
    def login(self) -> dict[str, str]:
        config = docker.auth.load_config(f"{self.where.registry_config}/config.json")
        login = docker.auth.resolve_authconfig(config, self.where.registry)
        return {key: login[key] for key in ("username", "password")}

    def push(self, tag: str) -> str:
        """Push an image of the docker host."""
        repository, _, version = tag.rpartition(":")
        for line in self.outer.api.push(repository, version, auth_config=self.login, stream=True, decode=True):
            assert "error" not in line, line
        self.made.add(tag)
        return tag

    # --- the clients ---

    @contextmanager
    def load(self, what: str, *, factor: float = 1.0, kinds: str = "", settle_seconds: float = 0) -> Iterator[Load]:
        """Steady load while something is done; its counts are told at the end of the test run."""
        load = Load()
        command = [sys.executable, str(HERE / "client.py"), "--address", self.where.address]
        command += ["--host", self.where.host, "--ca", self.where.ca, "--factor", str(factor * self.where.factor)]
        command += ["--kinds", kinds] if kinds else []
        client = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert client.stdout
            assert select.select([client.stdout], [], [], 40)[0], "the load client gets no good answers"
            assert client.stdout.readline()
            yield load
            time.sleep(settle_seconds)
        finally:
            client.send_signal(signal.SIGINT)
            output, errors = client.communicate(timeout=90)
        lines = output.splitlines()
        assert lines, errors
        load.report = json.loads(lines[-1])
        load.executed = self._executed_posts(load)
        tell(f"\nload: {what}: sent {load.report['sent']}, good {load.report['good']}\n{table(load.report)}")
        for line in load.report["timeline"]:
            tell(line)
        done = f"{len(load.executed)} POSTs executed, {len(load.posts_done_twice)} of them more than once"
        tell(f"{done}, by the logs that are there ({load.report['kinds']['post']['sent']} sent)")

    def _executed_posts(self, load: Load) -> Counter[str]:
        """How often each POST of a load was executed, by the app's own log on every node."""
        prefix, executed = f'echo "{load.report["run_id"]}-', Counter[str]()
        for node in self.nodes:
            engine = self.engine(node)
            labels = {"label": f"com.docker.swarm.service.name={SERVICE}"}
            for container in engine.containers(all=True, filters=labels):
                with suppress(docker.errors.NotFound):
                    log = engine.logs(container["Id"], since=int(load.began) - 1, stderr=False)
                    executed.update(line for line in log.decode().splitlines() if line.startswith(prefix))
        return executed


@contextmanager
def platform(where: Settings, up: Callable[[Live], None] = Live.up) -> Iterator[Live]:
    """A platform from its coming up to its going away. Each test leaves it as it found it."""
    live = Live(where)
    try:
        started = time.monotonic()
        up(live)
        tell(f"the platform was up after {time.monotonic() - started:.0f} s")
        yield live
    finally:
        live.down()


def check(load: Load, *, may_cut: bool = False, is_logged: bool = True, proxies_stop: int = 0) -> None:
    """Every request that was sent was answered well, every POST executed once.

    ``may_cut``: something died, so GETs that it was answering were sent again, and POSTs were lost. ``is_logged``:
    whether the app's log is still there and complete. ``proxies_stop``: how many of them; each may turn one client away
    whose connection came in the instant in which nginx stopped listening (docs/rollouts.md).
    """
    report = load.report
    failures = {kind: one["failures"] for kind, one in report["kinds"].items() if one["failures"]}
    if load.beyond_help:
        tell(f"{load.beyond_help} POSTs were being answered by what died")
    assert report["good"] == report["sent"] - load.beyond_help, (failures, report["timeline"])
    assert load.beyond_help <= IN_FLIGHT_MAX
    assert report["sent"] > 0
    assert load.posts_done_twice == {}
    if is_logged:
        sent = report["kinds"]["post"]["sent"]
        assert sent - load.beyond_help <= len(load.executed) <= sent
    if not may_cut:
        # What died was answering a few at that moment.
        assert load.cut <= (IN_FLIGHT_MAX if load.died else 0), report["timeline"]
        assert load.turned_away <= proxies_stop, report["timeline"]


def kill_tree(pid: int) -> None:
    """SIGKILL for a process and all that it started: Ansible's workers have sessions of their own."""
    lines = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.splitlines()
    parents = {int(child): int(parent) for child, parent in map(str.split, lines)}
    doomed = [pid]
    for one in doomed:
        doomed += [child for child, parent in parents.items() if parent == one]
    for one in doomed:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def kill_job(live: Live) -> None:
    """SIGKILL for the rollout that works in the background on this docker host, with who watches it.

    This platform's alone: it holds the lock of a stack. Who watches it is in its session.
    """
    folder = Path(live.where.registry_config).parent
    jobs: dict[int, bool] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if "AnsiballZ_swarm_stack" in (process / "cmdline").read_text().replace("\0", " "):
                holds = any(file.readlink().is_relative_to(folder) for file in (process / "fd").iterdir())
                jobs[int(process.name)] = holds
    sessions = set()
    for job in (job for job, holds in jobs.items() if holds):
        with suppress(OSError):  # it has just ended
            sessions.add(os.getsid(job))
    assert sessions, "no rollout is at work"
    for job in jobs:
        with suppress(OSError):
            if os.getsid(job) in sessions:
                os.kill(job, signal.SIGKILL)
