# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a load test step by step, and say what it shows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.model import Measured, Step
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.plan import (
    check_bounds,
    check_confirmation,
    choose_profile,
    judge,
    why_over,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.cpu_watch import CpuWatch
from ansible_collections.fungap.swarm.plugins.plugin_utils.load_test import as_csv, lines, rows
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

TARGET = {
    "app": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 443},
    "path": {"type": "str", "default": "/"},
}


class ActionModule(ActionBase):
    """``fungap.swarm.load_test``."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, validated = self.validate_argument_spec(
            {
                "platform": {"type": "str", "required": True},
                "protected": {"type": "bool", "default": False},
                "confirmed": {"type": "str", "default": ""},
                "target": {"type": "dict", "required": True, "options": TARGET},
                "ca_file": {"type": "path", "required": True},
                "image": {"type": "str", "required": True},
                "profile": {"type": "str", "default": "load"},
                "profiles": {"type": "dict", "required": True},
                "changes": {"type": "dict", "default": {}},
                "error_ratio_max": {"type": "float", "default": 0},
                "timeout_seconds": {"type": "float", "default": 60},
                "deadline_seconds": {"type": "float", "default": 300},
                "requests_max": {"type": "int", "default": 20000},
                "cpu_hosts": {"type": "list", "elements": "str", "default": []},
                "locustfile": {"type": "path", "required": True},
                "report_dir": {"type": "path", "required": True},
                "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
            }
        )
        args: dict[str, Any] = plain(validated)
        try:
            check_confirmation(args["platform"], protected=args["protected"], confirmed=args["confirmed"])
            profile = choose_profile(args["profile"], args["profiles"], args["changes"])
            steps = check_bounds(profile, requests_max=args["requests_max"], deadline_seconds=args["deadline_seconds"])
            title = f"Load test of {args['target']['app']}, profile {args['profile']}"
            if self._task.check_mode:
                users = " to ".join(dict.fromkeys(str(step.users) for step in (steps[0], steps[-1])))
                self._say([title, "", f"{len(steps)} steps at most, {users} users; check mode sends nothing"])
                return {**result, "changed": False, "steps": [], "verdict": ""}
            files = self._files(args)
            results: list[Measured] = []
            for step in steps:
                if results:
                    time.sleep(profile.pause_seconds)
                results.append(self._step(step, args, files, task_vars))
                verdict = judge(profile, results, args["error_ratio_max"])
                report = {
                    **{key: args[key] for key in ("platform", "target", "profile", "error_ratio_max")},
                    "settings": asdict(profile),
                    "steps": rows(results),
                    "causes": [dict(one.causes) for one in results],
                    "verdict": verdict.text,
                    "limit_users": verdict.limit_users,
                }
                paths = self._write(args, files["stamp"], report, results)
                if len(steps) > 1:
                    self._display.display(f"  {lines(results)[len(results)]}")
                if why_over(profile, results[-1], args["error_ratio_max"]):
                    break
        except PlatformError as error:
            raise AnsibleActionFail(error.message) from error
        self._say([title, "", *lines(results), "", verdict.text, f"Reports: {', '.join(paths)}"])
        result.update(changed=False, reports=paths, **{key: report[key] for key in ("steps", "verdict", "limit_users")})
        if verdict.failed:
            result.update(failed=True, msg=verdict.text)
        return result

    def _files(self, args: Mapping[str, Any]) -> dict[str, str]:
        """What the step's container is given, read once."""
        found = {"stamp": datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")}
        for key in ("locustfile", "ca_file"):
            try:
                with open(args[key], encoding="utf-8") as file:
                    found[key] = file.read()
            except OSError as error:
                raise PlatformError(f"{key} {args[key]} can't be read: {error.strerror}") from error
        return found

    def _step(
        self, step: Step, args: Mapping[str, Any], files: Mapping[str, str], task_vars: dict[str, Any] | None
    ) -> Measured:
        hostvars = (task_vars or {}).get("hostvars") or {}
        readers = {host: self._reader(host, hostvars[host]) for host in args["cpu_hosts"]}
        with CpuWatch(readers) as watch:
            done = self._execute_module(
                "fungap.swarm.load_step",
                {
                    "name": f"{args['platform']}-load-test",
                    **{
                        key: args[key]
                        for key in ("platform", "image", "timeout_seconds", "deadline_seconds", "docker_socket")
                    },
                    **{key: args["target"][key] for key in ("host", "address", "port", "path")},
                    **asdict(step),
                    "locustfile": files["locustfile"],
                    "ca": files["ca_file"],
                },
                task_vars=task_vars,
            )
            returned = time.time()
        if done.get("failed"):
            raise PlatformError(str(done.get("msg")))
        counted = plain(done["measured"])
        known = {key: value for key, value in counted.items() if key in Measured.__dataclass_fields__}
        if readers:
            # From the clock there to the one here.
            ahead = returned - counted["now"]
            known["cpu"] = watch.busiest(counted["begin"] + ahead, counted["end"] + ahead)
        return Measured(step=step, **known)

    def _reader(self, host: str, variables: Mapping[str, Any]) -> Callable[[], str]:
        """What reads a docker host's /proc/stat, over a connection of its own: a module's start would be seen there."""
        connection = connection_loader.get(str(variables.get("ansible_connection") or "ssh"), self._play_context)
        connection.set_options(var_options=variables)

        def read() -> str:
            try:
                code, output, errors = connection.exec_command("cat /proc/stat", sudoable=False)
            except AnsibleError as error:
                raise PlatformError(f"the CPU of {host} can't be read: {error}") from error
            if code:
                raise PlatformError(f"the CPU of {host} can't be read: {errors.decode(errors='replace').strip()}")
            return str(output.decode())

        return read

    def _write(
        self, args: Mapping[str, Any], stamp: str, report: Mapping[str, Any], results: Sequence[Measured]
    ) -> list[str]:
        """The reports so far; one that was interrupted has its steps, too."""
        base = os.path.join(args["report_dir"], f"{args['target']['app']}-{args['profile']}-{stamp}")
        texts = {f"{base}.json": json.dumps(report, indent=2) + "\n", f"{base}.csv": as_csv(results)}
        try:
            os.makedirs(args["report_dir"], exist_ok=True)
            for path, text in texts.items():
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
        except OSError as error:
            raise PlatformError(f"the report can't be written to {args['report_dir']}: {error.strerror}") from error
        return list(texts)

    def _say(self, said: Sequence[str]) -> None:
        self._display.display("\n" + "\n".join(f"  {line}".rstrip() for line in said) + "\n")
