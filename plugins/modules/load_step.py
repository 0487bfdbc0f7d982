#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: load_step
short_description: Send one step of a load test from a docker host
version_added: 0.1.0
description:
  - Runs Locust in a container of the docker host's engine, waits until it is done, removes it, and returns what was
    counted, and how busy the machine's CPUs were meanwhile.
  - It is bounded in users, requests and time. M(fungap.swarm.load_test) runs it for each step of a profile.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Sends nothing.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: none
    description: Each run sends its requests.
options:
  name:
    description: Name of the container. One step of that name can run at a time.
    type: str
    required: true
  platform:
    description: Name of the platform, for the container's label.
    type: str
    required: true
  image:
    description: An image of Locust that the engine has.
    type: str
    required: true
  locustfile:
    description: What Locust plays; it writes what it has counted as one line of JSON.
    type: str
    required: true
  ca:
    description: Certificates in PEM to trust beside those of the image.
    type: str
    required: true
  host:
    description: The host name of the app.
    type: str
    required: true
  address:
    description: The IP address that requests for it go to.
    type: str
    required: true
  port:
    description: The port for HTTPS.
    type: int
    default: 443
  path:
    description: What is asked for.
    type: str
    default: /
  users:
    description: How many users there are.
    type: int
    required: true
  ramp_seconds:
    description: The time over which they arrive.
    type: float
    required: true
  loops:
    description: How many requests each of them sends, one after the other.
    type: int
    default: 1
  timeout_seconds:
    description: How long a user waits for an answer.
    type: float
    default: 60
  deadline_seconds:
    description: After this time the step is over, whatever has been answered.
    type: float
    default: 300
  memory:
    description: How much memory the container may use, in bytes.
    type: int
    default: 1073741824
  docker_socket:
    description: The socket of the docker host's engine.
    type: path
    default: /var/run/docker.sock
"""

EXAMPLES = r"""
- name: Let 200 users in, over 10 s
  fungap.swarm.load_step:
    name: fungap-load-test
    platform: fungap
    image: sha256:0d5a8b1e7c3f
    locustfile: "{{ lookup('ansible.builtin.file', 'locustfile.py') }}"
    ca: "{{ lookup('ansible.builtin.file', '.secrets/ca.crt') }}"
    host: web.example.com
    address: 172.30.0.3
    users: 200
    ramp_seconds: 10
    loops: 5
"""

RETURN = r"""
measured:
  description: What was counted, with times in seconds.
  returned: success, not in check mode
  type: dict
  contains:
    begin: {description: Unix time of the first user's arrival., type: float}
    end: {description: Unix time of the last one's answer., type: float}
    answered: {description: "Requests that ended, well or not.", type: int}
    failed: {description: Those of them that did not end well., type: int}
    p50_seconds: {description: Half of the answers came within this time., type: float}
    p95_seconds: {description: 95 % of the answers came within this time., type: float}
    max_seconds: {description: The slowest answer., type: float}
    mean_seconds: {description: The mean of the answers' times., type: float}
    causes: {description: "Why requests failed, and how many.", type: dict}
    client_short_of_cpu: {description: Whether Locust itself had too little CPU to be exact., type: bool}
    now: {description: Unix time when the module returned., type: float}
    cpu: {description: "The busy share of this machine's CPUs, null where it could not be measured.", type: float}
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.load_test import (
    CpuSample,
    busy_share,
    parse_proc_stat,
    parse_report,
)
from ansible_collections.fungap.swarm.plugins.module_utils.model.node import PLATFORM_LABEL

NAME_LABEL = "io.fungap.load-test"
LOCUSTFILE = "/load/locustfile.py"
CA_FILE = "/load/ca.crt"
SAMPLE_SECONDS = 0.25
# For what comes before the first request and after the last answer.
GRACE_SECONDS = 30


class LoadStep:
    """The operation."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.name: str = params["name"]
        self.engine = Engine(params["docker_socket"])

    def plan(self) -> runner.Plan:
        """One load test at a time; what one that was killed has left is no hindrance."""
        if self._state() == "running":
            raise PlatformError(
                f"a load test is running already (container {self.name}). It ends by itself within its time; "
                f"to end it now: docker rm -f {self.name}"
            )
        return runner.Plan(upkeep=(f"send {self.params['users'] * self.params['loops']} requests",))

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Run the container to its end."""
        del plan
        if self._state():
            self.engine.remove_container(self.name, 1)
        files = {LOCUSTFILE: (0o444, self.params["locustfile"]), CA_FILE: (0o444, self.params["ca"])}
        self.engine.create_container(self.name, self._body(), files)
        try:
            self.engine.start_container(self.name)
            samples = self._watch()
            log = self.engine.container_log(self.name, 40)
        finally:
            with suppress(PlatformError):
                self.engine.remove_container(self.name, 1)
        measured = parse_report(log)
        if measured is None:
            raise PlatformError(f"Locust has not said what it counted; its last lines:\n{log.strip()[-2000:]}")
        begin, end = float(str(measured["begin"])), float(str(measured["end"]))
        return {"measured": {**measured, "cpu": busy_share(samples, begin, end), "now": time.time()}}

    def _watch(self) -> list[CpuSample]:
        """Look at the CPU until the container has ended or its time is up."""
        samples = [self._sample()]
        deadline = time.monotonic() + self.params["deadline_seconds"] + GRACE_SECONDS
        while self._state() == "running":
            if time.monotonic() >= deadline:
                raise PlatformError(f"Locust has not ended {GRACE_SECONDS} s after its deadline and was stopped")
            time.sleep(SAMPLE_SECONDS)
            samples.append(self._sample())
        return samples

    def _sample(self) -> CpuSample:
        with open("/proc/stat", encoding="ascii") as file:
            return parse_proc_stat(file.read(), time.time())

    def _state(self) -> str:
        """The container's state, '' where there is none."""
        return str(next((one["State"] for one in self.engine.containers({NAME_LABEL: self.name})), ""))

    def _body(self) -> dict[str, Any]:
        params = self.params
        port = "" if params["port"] == 443 else f":{params['port']}"
        users = str(params["users"])
        environment = {
            "LOAD_USERS": users,
            "LOAD_LOOPS": params["loops"],
            "LOAD_RAMP_SECONDS": params["ramp_seconds"],
            "LOAD_TIMEOUT_SECONDS": params["timeout_seconds"],
            "LOAD_PATH": params["path"],
            "LOAD_CA_FILE": CA_FILE,
        }
        return {
            "Image": params["image"],
            "Entrypoint": ["locust"],
            "Cmd": [
                *("--locustfile", LOCUSTFILE, "--headless", "--only-summary", "--loglevel", "ERROR"),
                *("--host", f"https://{params['host']}{port}", "--users", users, "--spawn-rate", users),
                *("--run-time", f"{params['deadline_seconds']:.0f}s"),
            ],
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "Labels": {PLATFORM_LABEL: params["platform"], NAME_LABEL: self.name},
            "HostConfig": {
                # As a client of this machine: no translation of addresses that would run out of ports.
                "NetworkMode": "host",
                "ExtraHosts": [f"{params['host']}:{params['address']}"],
                "Memory": params["memory"],
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
            },
        }


def main() -> None:
    """Run the module."""
    runner.run(
        LoadStep,
        {
            "name": {"type": "str", "required": True},
            "platform": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "locustfile": {"type": "str", "required": True},
            "ca": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 443},
            "path": {"type": "str", "default": "/"},
            "users": {"type": "int", "required": True},
            "ramp_seconds": {"type": "float", "required": True},
            "loops": {"type": "int", "default": 1},
            "timeout_seconds": {"type": "float", "default": 60},
            "deadline_seconds": {"type": "float", "default": 300},
            "memory": {"type": "int", "default": 1073741824},
            "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
        },
    )


if __name__ == "__main__":
    main()
