#!/usr/bin/env python3
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform that nobody visits costs: memory and CPU by component, of one that runs on this machine.

    sudo bench/idle.py fungap [seconds]

Memory is each process's proportional share of what it has in memory (Pss). What starts and ends meanwhile, as health
checks do, is what the containers' control groups have used beyond their processes that were there all the time. The
machine's own engine, with its shims and its docker-proxy, is not counted.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
ENGINE = {
    "dockerd": "dockerd",
    "containerd": "containerd",
    "containerd-shim": "containerd's shims",
    "docker-init": "docker-init",
}


def containers(platform: str) -> dict[str, tuple[str, int]]:
    """Name -> (ID, process ID) of the platform's containers on this machine."""
    form = "{{.Name}} {{.Id}} {{.State.Pid}}"
    label = f"label=io.fungap.platform={platform}"
    found = subprocess.run(["docker", "ps", "-q", "--filter", label], capture_output=True, text=True, check=True)
    if not (ids := found.stdout.split()):
        sys.exit(f"no container of platform {platform} runs here")
    told = subprocess.run(["docker", "inspect", "--format", form, *ids], capture_output=True, text=True, check=True)
    rows = [line.split() for line in told.stdout.splitlines()]
    return {name.removeprefix(f"/{platform}-"): (identity, int(pid)) for name, identity, pid in rows}


def processes(identity: str) -> Iterator[int]:
    """Those of a container, and of the containers within it: by their control group."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if identity in (folder / "cgroup").read_text():
                yield int(folder.name)
        except OSError:  # it has just ended
            continue


def component(name: str, pid: int) -> str:
    """What a process belongs to: a part of the engine, or the program that a container within runs."""
    comm = Path(f"/proc/{pid}/comm").read_text().strip()
    if comm in ENGINE:
        return ENGINE[comm]
    if name in ("edge", "registry", "registry-metrics"):
        return name
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return "swarm-exporter" if "swarm_exporter" in " ".join(words) else comm


def memory_of(pid: int) -> int:
    """Bytes."""
    found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def seconds_of(pid: int) -> float:
    """CPU seconds of a process itself."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def seconds_of_group(identity: str, pid: int) -> float:
    """CPU seconds of a container and all within it, of either version of control groups."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        # A node moves its own processes into a group below.
        group = path.partition(identity)[0] + identity + path.partition(identity)[2].partition("/")[0]
        if "cpuacct" in controllers.split(","):
            return int(Path(f"/sys/fs/cgroup/cpuacct{group}/cpuacct.usage").read_text()) / 1e9
        if not controllers and (file := Path(f"/sys/fs/cgroup{group}/cpu.stat")).exists():
            return int(file.read_text().split()[1]) / 1e6
    raise FileNotFoundError(f"no control group of {identity}")


def look(platform: str) -> tuple[dict[tuple[str, int], float], dict[str, float], dict[str, int], dict[str, int]]:
    """CPU by (component, process), of all containers, memory by component, processes by component."""
    cpu: dict[tuple[str, int], float] = {}
    memory: dict[str, int] = defaultdict(int)
    number: dict[str, int] = defaultdict(int)
    groups = {}
    for name, (identity, first) in containers(platform).items():
        groups[name] = seconds_of_group(identity, first)
        for pid in processes(identity):
            try:
                what = component(name, pid)
                cpu[what, pid] = seconds_of(pid)
                memory[what] += memory_of(pid)
                number[what] += 1
            except OSError:
                continue
    return cpu, groups, memory, number


def measure(platform: str, seconds: float = 60) -> str:
    """A table in Markdown."""
    cpu, groups, _memory, _number = look(platform)
    time.sleep(seconds)
    cpu_then, groups_then, memory, number = look(platform)
    used: dict[str, float] = defaultdict(float)
    for (what, pid), before in cpu.items():
        used[what] += cpu_then.get((what, pid), before) - before
    total = sum(groups_then[name] - before for name, before in groups.items() if name in groups_then)
    passing = total - sum(used.values())
    rows = sorted(((memory[what], what) for what in memory), reverse=True)
    lines = ["| component | processes | MiB | CPU, % of one |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {what} | {number[what]} | {size / 1024**2:.0f} | {100 * used[what] / seconds:.1f} |" for size, what in rows
    ]
    lines.append(f"| what starts and ends meanwhile (health checks) | | | {100 * passing / seconds:.1f} |")
    share = 100 * total / seconds
    lines.append(f"| **in all** | {sum(number.values())} | {sum(memory.values()) / 1024**2:.0f} | {share:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(measure(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60))
