# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks say that a rollout failed by, and their nodes' engines: the error, the log, the health check's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import STUCK, Task, without_ids
from ansible_collections.fungap.swarm.plugins.module_utils.stack.rollout import DONE, failing_tasks, is_one_shot
from ansible_collections.fungap.swarm.plugins.module_utils.stack.watch import Outcome

LOG_LINES = 20
LOG_BYTES = 4000
# For how long a node that is up, but that swarm does not get through to, is waited for.
LOG_SECONDS = 10
# For how long a node is asked why it could not pull an image.
PULL_SECONDS = 10


class Failures:
    """Asks for them. ``engine``: a manager's; ``node_sockets``: node -> its engine's socket, where it is known."""

    def __init__(self, engine: Engine, node_sockets: Mapping[str, str], registry_config: str | None) -> None:
        self.engine = engine
        self.node_sockets = node_sockets
        self.registry_config = registry_config
        # Image and node -> why it can't be pulled: asked once.
        self.pull_problems: dict[tuple[str, str], str] = {}

    def of(self, outcome: Outcome, tasks_before: frozenset[str]) -> list[dict[str, Any]]:
        """What the failing tasks say, at most four of a service."""
        nodes = {node.id: node.name for node in outcome.look.nodes}
        down = {node.id for node in outcome.look.nodes if not node.ready}
        failures = []
        for state in outcome.states:
            if state.outcome == DONE:
                continue
            service = outcome.look.services[state.service]
            target = outcome.targets.get(state.service)
            for task in failing_tasks(service, target, outcome.look.tasks, tasks_before):
                failures.append(
                    {
                        "service": state.service,
                        "task": f"{state.service}.{task.slot}" if task.slot else state.service,
                        "node": nodes.get(task.node_id, task.node_id),
                        "state": task.state,
                        "error": self._error(task, nodes.get(task.node_id, "")),
                        "exit_code": task.exit_code,
                        **self._printed(task, nodes.get(task.node_id, ""), is_down=task.node_id in down),
                    }
                )
        return failures

    def _error(self, task: Task, node: str) -> str:
        """The task's error; of an image that could not be pulled, which swarm says is missing, also why."""
        error = task.error or task.message
        if task.state == "complete":
            # So it ends too when it is stopped for being unhealthy, if the app heeds the stop signal.
            return "it ended, or was unhealthy and was stopped, with exit code 0"
        if "No such image" not in error or node not in self.node_sockets:
            return error
        image = task.template["ContainerSpec"]["Image"]
        if (image, node) not in self.pull_problems:
            try:
                engine = Engine(self.node_sockets[node], timeout_seconds=PULL_SECONDS)
                engine.images.pull_with_config(image, self.registry_config)
                self.pull_problems[(image, node)] = "by now it can be pulled"
            except PlatformError as problem:
                self.pull_problems[(image, node)] = problem.message
        return f"{error}: {self.pull_problems[(image, node)]}"

    def _printed(self, task: Task, node: str, *, is_down: bool) -> dict[str, str]:
        """From the node's own engine, where its socket was given, or the manager's, if the task ran there.

        The log of a task elsewhere, or whose container is gone by now, comes by swarm.
        """
        printed = {"log": "", "health_log": "", "log_problem": ""}
        if not task.container_id:
            return printed
        socket = self.node_sockets.get(node)
        engine = Engine(socket, timeout_seconds=5) if socket else self.engine
        with suppress(PlatformError):
            printed["health_log"] = engine.containers.health_log(task.container_id)[-LOG_BYTES:]
        try:
            log = self._log(task, engine if socket else None, 0 if is_down else LOG_SECONDS)
            printed["log"] = log[-LOG_BYTES:].strip()
        except PlatformError as error:
            printed["log_problem"] = error.message
        return printed

    def _log(self, task: Task, own: Engine | None, seconds: float) -> str:
        if own:
            with suppress(PlatformError):
                return own.containers.log(task.container_id, lines=LOG_LINES)
        return self.engine.services.task_log(task.id, lines=LOG_LINES, wait_seconds=seconds)


def cause_of(outcome: Outcome, failures: Sequence[Mapping[str, Any]]) -> str:
    """The operator's text: each service that did not converge, its failing tasks, what they printed."""
    lines = []
    if outcome.hopeless:
        ends = all(is_one_shot(outcome.look.services[name]) for name in outcome.hopeless)
        why = "what has failed is not started again" if ends else "every task died again and again, always of the same"
        lines.append(f"Given up after {outcome.seconds:.0f} s: {why}.")
    elif outcome.verdict == STUCK:
        lines.append(f"Not converged after {outcome.seconds:.0f} s.")
    lines += [f"Node {node.name} is down." for node in outcome.look.nodes if not node.ready]
    for state in outcome.states:
        if state.outcome == DONE:
            continue
        lines.append(str(state))
        told: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for failure in failures:
            if failure["service"] == state.service:
                same_cause = (failure["state"], without_ids(failure["error"]), failure["exit_code"])
                told.setdefault(same_cause, []).append(failure)
        for same in told.values():
            failure = same[0]
            tasks = ", ".join(f"{one['task']}{' on ' + one['node'] if one['node'] else ''}" for one in same)
            code = f" (exit code {failure['exit_code']})" if failure["exit_code"] else ""
            lines.append(f"  {tasks}: {failure['state']}: {failure['error']}{code}")
            for key, title in (("log", "log"), ("health_log", "health check")):
                # One of them may have printed nothing, or not be reached.
                printed = next((one[key] for one in same if one[key]), "")
                lines += [f"    {title}: {line}" for line in printed.splitlines()]
            if not any(one["log"] for one in same):
                problem = next((one["log_problem"] for one in same if one["log_problem"]), "")
                lines += [f"    the log can't be read: {problem}"] if problem else []
    return "\n".join(lines)
