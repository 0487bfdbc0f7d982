# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``load_step``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.model import (
    CpuSample,
    busy_share,
    parse_proc_stat,
    parse_report,
)
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import PLATFORM_LABEL

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
            self.engine.containers.remove(self.name, 1)
        files = {LOCUSTFILE: (0o444, self.params["locustfile"]), CA_FILE: (0o444, self.params["ca"])}
        self.engine.containers.create(self.name, self._body(), files)
        try:
            self.engine.containers.start(self.name)
            samples = self._watch()
            log = self.engine.containers.log(self.name, 40)
        finally:
            with suppress(PlatformError):
                self.engine.containers.remove(self.name, 1)
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
        return str(next((one["State"] for one in self.engine.containers.with_labels({NAME_LABEL: self.name})), ""))

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
