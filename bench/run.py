#!/usr/bin/env python3
"""This collection beside its peers, in one run on one machine; medians and ratios go to bench/results.md.

    cold    site.yml where engine and images are there but no platform, beside peers/up.sh (the Docker CLI, the limit)
    no-op   site.yml on the running platform, beside the same platform by a plain community.docker playbook
    nodes   the node part of a cold run (roles swarm_node and swarm_member) with 3, 6 and 9 nodes
    rollout deploy.yml of another environment for 6 replicas, beside a bare docker service update with the same policy
    fresh   the phases of a run from nothing, from a file (--fresh FILE, written by FUNGAP_PHASES_FILE=FILE make up)

Every platform here has its own prefix, subnet and ports, so one that runs here already is left alone. All is removed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.images import MissingImageError, image

PEERS = ROOT / "bench" / "peers"
CACHE = ROOT / ".cache" / "bench"
RESULTS = ROOT / "bench" / "results.md"
OWN, OWN_SUBNET, OWN_HTTP, OWN_HTTPS = "bench-own", "172.31.76", 38080, 38443
SCRIPT, SCRIPT_SUBNET = "bench-sh", "172.31.77"
COMMUNITY, COMMUNITY_SUBNET = "bench-cd", "172.31.78"
IMAGES = ("node", "registry", "proxy", "express-app")
# What the project promises: own time / peer's time.
PROMISES = {"cold": 1.5, "no-op": 0.5, "rollout": 1.15, "rollback": 1.25}
DEADLINE_SECONDS = 900
SETTLE_SECONDS = 45


class BenchError(Exception):
    """A run that did not end well: its time says nothing."""


@dataclass
class Series:
    """Runs of one contender: wall-clock seconds and CPU seconds of the client's own processes (not the engines')."""

    what: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    @property
    def row(self) -> str:
        runs = ", ".join(f"{seconds:.1f}" for seconds in self.wall)
        return f"| {self.what} | {self.median:.1f} | {statistics.median(self.cpu):.1f} | {runs} |"


def say(message: str) -> None:
    print(f"[bench] {message}", file=sys.stderr, flush=True)


def tool(name: str) -> str:
    own = ROOT / ".venv" / "bin" / name
    return str(own) if own.exists() else name


def run(command: Sequence[str], log: str, *, environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run to the end with the output in a log; return it. A bad end is a BenchError with the log's tail."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{log}.log"
    with path.open("w") as output:
        try:
            code = subprocess.run(
                command,
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=DEADLINE_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise BenchError(f"{log}: not done in {DEADLINE_SECONDS} s, see {path}") from None
    text = path.read_text()
    if code:
        tail = "\n".join(text.splitlines()[-25:])
        raise BenchError(f"{log}: exit {code}, see {path}\n{tail}")
    return text


def timed(series: Series, work: Callable[[], Any]) -> Any:
    def cpu() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    wall_before, cpu_before = time.monotonic(), cpu()
    result = work()
    series.wall.append(time.monotonic() - wall_before)
    series.cpu.append(cpu() - cpu_before)
    say(f"{series.what}: {series.wall[-1]:.1f} s")
    return result


def changed(output: str) -> int:
    recap = re.findall(r"changed=(\d+) +unreachable=\d+ +failed=\d+", output)
    if not recap:
        raise BenchError("no recap in Ansible's output")
    return sum(map(int, recap))


# --- the contenders
class Own:
    """This collection, by an inventory of its own with any number of nodes."""

    def __init__(self, nodes: int = 3, **settings: Any) -> None:
        self.inventory = CACHE / f"inventory-{nodes}{''.join(f'-{key}' for key in settings)}"
        (self.inventory / "files").mkdir(parents=True, exist_ok=True)
        (self.inventory / "files" / "web.env").write_text("GREETING=hello\nDB_PASSWORD=of-the-benchmark\n")
        workers = {f"worker{n}": {"swarm_node_address": f"{OWN_SUBNET}.{20 + n}"} for n in range(1, nodes)}
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        on_this_machine = {"swarm_node_host": "vm1"}
        app = {
            "image": "express-app",
            "port": 3000,
            "hosts": ["web.localhost"],
            "replicas": 3,
            "env_file": "files/web.env",
            "env_target": "/usr/src/app/env",
            **settings,
        }
        variables = {
            "platform_name": OWN,
            "platform_subnet": f"{OWN_SUBNET}.0/24",
            "platform_config_dir": f"/etc/{OWN}",
            "platform_run_dir": f"/run/{OWN}",
            "registry_address": f"{OWN}-registry:5000",
            "proxy_http_port": OWN_HTTP,
            "proxy_https_port": OWN_HTTPS,
            # The others have none.
            "monitoring_enabled": False,
            "apps": {"web": app},
        }
        groups = {
            "docker_hosts": {"hosts": {"vm1": local}},
            "registry": {"hosts": {"vm1": {}}},
            "swarm_managers": {
                "hosts": {"manager1": {"swarm_node_address": f"{OWN_SUBNET}.11"}},
                "vars": on_this_machine,
            },
            "swarm_workers": {"hosts": workers, "vars": on_this_machine},
        }
        # JSON is YAML.
        (self.inventory / "hosts.yml").write_text(
            json.dumps({"all": {"vars": variables, "children": groups}}, indent=1)
        )

    def _playbook(self, name: str, log: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        command = [tool("ansible-playbook"), "-i", str(self.inventory), name, *arguments]
        return run(command, log, environment=environment)

    def up(self, log: str = "own-up") -> int:
        """site.yml; return how many tasks changed something."""
        return changed(self._playbook("site.yml", log))

    def up_with_phases(self) -> list[dict[str, Any]]:
        """site.yml; return every task with its play, phase and seconds."""
        file = CACHE / "phases.json"
        file.unlink(missing_ok=True)
        environment = {"FUNGAP_PHASES_FILE": str(file)}
        self._playbook("site.yml", "own-phases", environment=environment)
        spans: list[dict[str, Any]] = json.loads(file.read_text())
        return spans

    def deploy(self, number: int) -> int:
        """Another environment variable, and nothing else: a rolling update of all replicas."""
        extra = json.dumps({"app": "web", "settings": {"environment": {"ROUND": str(number)}}})
        return changed(self._playbook("playbooks/deploy.yml", "own-deploy", "--extra-vars", extra))

    def bare_update(self, number: int) -> None:
        """The same by the Docker CLI, which waits too."""
        run([*self.docker, "service", "update", "--quiet", "--env-add", f"ROUND={number}", "web_web"], "bare-update")

    def rollback(self) -> int:
        """Back to the revision before."""
        return changed(
            self._playbook("playbooks/rollback.yml", "own-rollback", "--extra-vars", json.dumps({"app": "web"}))
        )

    def bare_rollback(self) -> None:
        """The same by the Docker CLI."""
        run([*self.docker, "service", "rollback", "--quiet", "web_web"], "bare-rollback")

    @property
    def docker(self) -> list[str]:
        """The Docker CLI, speaking to the manager, with the registry's login."""
        return [
            "docker",
            "--config",
            f"/etc/{OWN}/registry-client",
            "--host",
            f"unix:///run/{OWN}/manager1/docker.sock",
        ]

    @contextmanager
    def clients(self, what: str) -> Iterator[dict[str, Any]]:
        """Requests at a steady rate while something is done; filled with the counts afterwards."""
        authority = self.inventory / ".secrets" / "ca.crt"
        command = [tool("python"), str(ROOT / "tests/load/client.py"), "--address", f"127.0.0.1:{OWN_HTTPS}"]
        command += ["--host", "web.localhost", "--ca", str(authority)]
        client = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        report: dict[str, Any] = {}
        try:
            if not client.stdout or not client.stdout.readline():
                raise BenchError(f"{what}: the load client gets no good answers")
            yield report
        finally:
            client.send_signal(signal.SIGINT)
            output, errors = client.communicate(timeout=120)
        if not output.splitlines():
            raise BenchError(f"{what}: {errors[-2000:]}")
        report.update(json.loads(output.splitlines()[-1]))
        say(f"{what}: sent {report['sent']}, good {report['good']}")

    def down(self) -> None:
        confirmation = json.dumps({"reset_confirmed": OWN, "reset_volumes": True})
        self._playbook("playbooks/reset.yml", "own-down", "--extra-vars", confirmation)


class Script:
    """The Docker CLI, as one would write it by hand."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self.environment = {
            "PEER_PREFIX": SCRIPT,
            "PEER_SUBNET": SCRIPT_SUBNET,
            "PEER_NODE_IMAGE": images["node"],
            "PEER_REGISTRY_IMAGE": images["registry"],
            "PEER_PROXY_IMAGE": images["proxy"],
            "PEER_APP_IMAGE": images["express-app"],
        }
        self.phases = ""

    def up(self) -> None:
        self.phases = run([str(PEERS / "up.sh")], "script-up", environment=self.environment)

    def down(self) -> None:
        run([str(PEERS / "down.sh"), SCRIPT, SCRIPT_SUBNET], "script-down")


class Community:
    """A plain community.docker playbook."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self.variables = {
            "prefix": COMMUNITY,
            "subnet": COMMUNITY_SUBNET,
            "node_image": images["node"],
            "registry_image": images["registry"],
            "proxy_image": images["proxy"],
            "app_image": images["express-app"],
        }
        self.python = CACHE / "python"
        if not (self.python / "jsondiff").is_dir():
            needed = str(ROOT / "bench" / "requirements.txt")
            command = [
                tool("python"),
                "-m",
                "pip",
                "install",
                "-q",
                "--no-deps",
                "--target",
                str(self.python),
                "-r",
                needed,
            ]
            run(command, "community-setup")

    def up(self) -> int:
        command = [tool("ansible-playbook"), "site.yml", "--extra-vars", json.dumps(self.variables)]
        folder = PEERS / "community"
        environment = {"PYTHONPATH": str(self.python), "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}
        return changed(run(command, "community-up", environment=environment, cwd=folder))

    def down(self) -> None:
        run([str(PEERS / "down.sh"), COMMUNITY, COMMUNITY_SUBNET], "community-down")


# --- the measurements: each returns a part of the report
def ratio(name: str, own: Series, peer: Series) -> str:
    value, promise = own.median / peer.median, PROMISES[name]
    verdict = "kept" if value <= promise else "**not kept**"
    return f"Ratio {value:.2f} (promised: at most {promise}; {verdict})."


def table(*series: Series) -> str:
    head = "| contender | median s | CPU s of the client | runs |\n| --- | ---: | ---: | --- |"
    return "\n".join([head, *(one.row for one in series)])


def measure_cold(rounds: int, own: Own | None, script: Script) -> str:
    ours, theirs = Series("site.yml"), Series("peers/up.sh (Docker CLI)")
    for _ in range(rounds):
        if own:
            own.down()
            timed(ours, own.up)
            own.down()
        script.down()
        timed(theirs, script.up)
        script.down()
    parts = ["## Cold, images present", table(*([ours] if own else []), theirs)]
    if own:
        parts.append(ratio("cold", ours, theirs))
    phases = "\n".join(line for line in script.phases.splitlines() if re.match(r" *\d", line))
    return "\n\n".join([*parts, f"The script's last run, seconds since its start:\n\n```\n{phases}\n```"])


def measure_noop(rounds: int, own: Own | None, community: Community) -> str:
    ours, theirs = Series("site.yml, nothing to change"), Series("community.docker playbook, nothing to change")
    first = Series("community.docker playbook, first run")
    community.down()
    timed(first, community.up)
    community.up()  # what settles only in a second run
    if own:
        own.down()
        own.up()
    for _ in range(rounds):
        if own and (count := timed(ours, own.up)):
            raise BenchError(f"site.yml changed {count} tasks of an unchanged platform")
        if count := timed(theirs, community.up):
            raise BenchError(f"the community.docker playbook changed {count} tasks of an unchanged platform")
    community.down()
    parts = ["## No-op re-run", table(*([ours] if own else []), theirs, first)]
    if own:
        own.down()
        parts.append(ratio("no-op", ours, theirs))
    return "\n\n".join(parts)


def measure_nodes(rounds: int, sizes: Sequence[int] = (3, 6, 9)) -> str:
    medians: dict[int, float] = {}
    rows = ["| nodes | node part, median s | per node | whole run, median s |", "| ---: | ---: | ---: | ---: |"]
    for size in sizes:
        own, parts, wholes = Own(size), [], []
        for _ in range(rounds):
            own.down()
            spans = own.up_with_phases()
            node_tasks = [span for span in spans if re.search("swarm_(node|member)", f"{span['phase']} {span['task']}")]
            parts.append(sum(span["seconds"] for span in node_tasks))
            wholes.append(sum(span["seconds"] for span in spans))
            say(f"{size} nodes: {parts[-1]:.1f} s of {wholes[-1]:.1f} s")
            own.down()
        medians[size] = statistics.median(parts)
        rows.append(f"| {size} | {medians[size]:.1f} | {medians[size] / size:.2f} | {statistics.median(wholes):.1f} |")
    low, high = min(sizes), max(sizes)
    growth = medians[high] / medians[low]
    verdict = "kept" if growth < high / low else "**not kept**"
    sentence = (
        f"{low} -> {high} nodes takes {growth:.2f} times as long (promised: less than {high / low:.0f}; {verdict})."
    )
    return "\n\n".join(["## From 3 to 9 nodes", "\n".join(rows), sentence])


def measure_rollout(rounds: int) -> str:
    # Without the default's pauses, which both would spend alike: what is ours shows more against less.
    own = Own(replicas=6, update={"parallelism": 2, "delay_seconds": 0})
    ours, theirs = Series("deploy.yml"), Series("docker service update")
    back, their_back = Series("rollback.yml"), Series("docker service rollback")
    own.down()
    own.up()
    own.deploy(0)
    for number in range(1, 2 * rounds, 2):
        timed(theirs, partial(own.bare_update, number))
        timed(their_back, own.bare_rollback)
        timed(ours, partial(own.deploy, number + 1))
        timed(back, own.rollback)
    own.down()
    title = "## Rollout of 6 replicas, two at a time, each watched for 30 s"
    rollback = [table(back, their_back), ratio("rollback", back, their_back)]
    return "\n\n".join([title, table(ours, theirs), ratio("rollout", ours, theirs), *rollback])


def measure_lost(own: Own) -> str:
    """Requests that an update of three replicas costs, by us and by what others use with its defaults."""
    own.down()
    own.up()
    reports = {}
    with own.clients("deploy.yml") as reports["deploy.yml"]:
        own.deploy(1)
    form = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    image = run([*own.docker, "service", "inspect", "--format", form, "web_web"], "image").strip()
    run([*own.docker, "stack", "rm", "web"], "stack-rm")

    def stack(number: int) -> None:
        plain = {
            "image": image,
            "environment": {"ROUND": str(number)},
            "networks": ["public"],
            "deploy": {"replicas": 3},
        }
        document = {"version": "3.8", "services": {"web": plain}, "networks": {"public": {"external": True}}}
        (CACHE / "plain.yml").write_text(json.dumps(document))
        command = ["stack", "deploy", "--with-registry-auth", "--compose-file", str(CACHE / "plain.yml"), "web"]
        run([*own.docker, *command], "stack-deploy")

    def module(number: int) -> None:
        wanted = {
            "name": "web_web",
            "image": image,
            "replicas": 3,
            "env": {"ROUND": str(number)},
            "networks": ["public"],
        }
        wanted |= {"docker_host": own.docker[-1]}
        command = ["localhost", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
        run(
            [tool("ansible"), *command, "-m", "community.docker.docker_swarm_service", "-a", json.dumps(wanted)],
            "module",
        )

    for what, deploy in {"docker stack deploy": stack, "docker_swarm_service": module}.items():
        deploy(0)
        # Neither says when it is done.
        time.sleep(SETTLE_SECONDS)
        with own.clients(what) as reports[what]:
            deploy(1)
            time.sleep(SETTLE_SECONDS)
        run([*own.docker, "service", "rm", "web_web"], "service-rm")
        time.sleep(5)
    own.down()
    rows = ["| by | requests sent | good answers | lost |", "| --- | ---: | ---: | ---: |"]
    for what, report in reports.items():
        sent, good = report["sent"], report["good"]
        rows.append(f"| {what} | {sent} | {good} | {sent - good} ({(sent - good) / sent:.1%}) |")
    title = "## Requests lost while three replicas are updated, behind the same proxy"
    return "\n\n".join(
        [title, "The others with their defaults, and watched for as long as they may take.", "\n".join(rows)]
    )


def report_fresh(file: Path) -> str:
    phases: dict[str, float] = {}
    for span in json.loads(file.read_text()):
        name = span["phase"] or span["play"]
        phases[name] = phases.get(name, 0.0) + span["seconds"]
    rows = [
        "| phase | seconds |",
        "| --- | ---: |",
        *(f"| {name} | {seconds:.1f} |" for name, seconds in phases.items()),
    ]
    recorded = datetime.date.fromtimestamp(file.stat().st_mtime).isoformat()
    total = sum(phases.values())
    verdict = "kept" if total <= 300 else "**not kept**"
    sentence = f"Recorded {recorded}: {total:.0f} s (promised: at most 300 s with the set-up; {verdict})."
    return "\n\n".join(["## From nothing to HTTPS", sentence, "\n".join(rows)])


def machine() -> str:
    memory = int(re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text()).group(1)) / 1024**2  # type: ignore[union-attr]
    form = "{{.ServerVersion}}, {{.Driver}}, cgroup v{{.CgroupVersion}}, {{.OperatingSystem}}"
    docker = subprocess.run(
        ["docker", "info", "--format", form], capture_output=True, text=True, check=True
    ).stdout.strip()
    ipvs = "with" if Path("/proc/net/ip_vs").exists() else "without"
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()} {ipvs} IPVS, Docker {docker}, "
        f"Python {platform.python_version()}; load before the run {os.getloadavg()[0]:.1f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="The collection beside its peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="cold,no-op,nodes,rollout,lost", help="comma-separated, of these")
    parser.add_argument("--fresh", type=Path, help="phases of a run from nothing (FUNGAP_PHASES_FILE)")
    parser.add_argument("--peers-only", action="store_true", help="measure the peers alone")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    try:
        images = {name: image(name) for name in IMAGES}
        own = None if arguments.peers_only else Own()
        script, community = Script(images), Community(images)
        head = (
            f"Measured {datetime.date.today().isoformat()} on {machine()}. Medians of {arguments.rounds} paired runs."
        )
        parts = ["# Benchmark", head]
        try:
            if "cold" in wanted:
                parts.append(measure_cold(arguments.rounds, own, script))
            if "no-op" in wanted:
                parts.append(measure_noop(arguments.rounds, own, community))
            if "nodes" in wanted and own:
                parts.append(measure_nodes(max(1, arguments.rounds // 2)))
            if "rollout" in wanted and own:
                parts.append(measure_rollout(max(1, arguments.rounds // 2)))
            if "lost" in wanted and own:
                parts.append(measure_lost(own))
        finally:
            script.down()
            community.down()
            if own:
                own.down()
        if arguments.fresh:
            parts.append(report_fresh(arguments.fresh))
    except (BenchError, MissingImageError, subprocess.SubprocessError) as error:
        say(f"failed: {error}")
        return 1
    arguments.output.write_text("\n\n".join(parts) + "\n")
    print(arguments.output.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
