# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deploy from its plan to its end, on a swarm that is made of dictionaries: verdict, rollback, record."""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import carry_out
from ansible_collections.fungap.swarm.plugins.module_utils.stack import operation
from ansible_collections.fungap.swarm.plugins.module_utils.stack.listening_look import Doubt
from ansible_collections.fungap.swarm.plugins.module_utils.stack.rollout import ServiceState

HEALTHY, CRASHING, SICK = "web:healthy@sha256:1", "web:crashing@sha256:2", "web:sick@sha256:3"


class Swarm:
    """What is used of ``docker.engine.Engine``. Every write is noted.

    A task of ``CRASHING`` fails, and swarm pauses the update; one of ``SICK`` never gets beyond starting.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.deployed: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.job_state = "complete"
        self.writes: list[str] = []
        # What a validation says; the images that are there, None for all of them.
        self.judgement = (0, "")
        self.judged: list[dict[str, str]] = []
        self.here: set[str] | None = None
        self.node_state = "ready"
        self.containers = SimpleNamespace(
            with_labels=lambda _labels: [], run_once=self.run_once, health_log=lambda _container: ""
        )
        self.images = SimpleNamespace(inspect=self.image, pull_with_config=self.pull)
        self.networks = SimpleNamespace(of_swarm=list)
        self.swarm = SimpleNamespace(
            items=self.items_of, nodes=self.nodes, create_item=self.create_item, remove_item=self.remove_item
        )
        self.services = SimpleNamespace(
            of_stack=self.of_stack, tasks_of_stack=self.tasks, task_log=self.task_log, remove=self.remove_service
        )
        self.stacks = SimpleNamespace(deploy=self.deploy, problems=lambda _stack, _compose: [])

    # --- reads ---

    def is_answering(self) -> bool:
        return True

    def image(self, reference: str) -> dict[str, Any] | None:
        return {} if self.here is None or reference in self.here else None

    def run_once(self, _body: Any, files: Any, *, timeout_seconds: float) -> tuple[int, str]:
        assert timeout_seconds
        self.judged.append({entry.name: data.decode() for entry, data in files})
        return self.judgement

    def pull(self, reference: str, _config: str | None) -> None:
        self.writes.append(f"pull {reference}")

    def items_of(self, kind: str, label: str) -> list[dict[str, Any]]:
        key, _equals, value = label.partition("=")
        return [one for one in self.items if one["kind"] == kind and one["Spec"]["Labels"].get(key) == value]

    def of_stack(self, stack: str) -> list[dict[str, Any]]:
        return list((self.jobs if stack == "web_jobs" else self.deployed).values())

    def tasks(self, stack: str) -> list[dict[str, Any]]:
        if stack == "web_jobs":
            status = {"State": self.job_state, "ContainerStatus": {"ContainerID": "c", "ExitCode": 3}}
            return [
                {"ID": "task2-job", "ServiceID": one["ID"], "NodeID": "n1", "Status": status, "Spec": {}}
                for one in self.jobs.values()
            ]
        return [self._task(one, slot) for one in self.deployed.values() for slot in (1, 2)]

    def remove_service(self, service_id: str) -> None:
        self.writes.append(f"remove service {service_id}")
        self.jobs = {name: one for name, one in self.jobs.items() if one["ID"] != service_id}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"ID": "n1", "Spec": {"Availability": "active"}, "Status": {"State": self.node_state}}]

    def cluster_id(self) -> str:
        return "c1"

    def task_log(self, task_id: str, *, lines: int, wait_seconds: float = 10) -> str:
        assert wait_seconds
        # The first one had not come so far.
        return "" if task_id.startswith("task1") else f"{task_id}: no database among {lines} lines"

    # --- writes ---

    def create_item(self, kind: str, name: str, content: str, labels: dict[str, str]) -> None:
        self.writes.append(f"create {kind} {name}")
        data = base64.b64encode(content.encode()).decode()
        self.items.append({"ID": name, "kind": kind, "Spec": {"Name": name, "Labels": labels, "Data": data}})

    def remove_item(self, kind: str, item_id: str) -> None:
        self.writes.append(f"remove {kind} {item_id}")
        self.items = [one for one in self.items if one["ID"] != item_id]

    def deploy(self, stack: str, compose: str, **_options: Any) -> None:
        self.writes.append(f"deploy {stack}")
        if stack == "web_jobs":
            for name, wanted in json.loads(compose)["services"].items():
                spec = {"Name": f"{stack}_{name}", "Labels": wanted["deploy"]["labels"]}
                self.jobs[name] = {"ID": name, "Spec": spec}
            return
        for name, wanted in json.loads(compose)["services"].items():
            container = {
                "Image": wanted["image"],
                "Mounts": [{"Source": one["source"]} for one in wanted["volumes"]],
                "Healthcheck": {"Test": ["CMD", "true"]},
            }
            before = self.deployed.get(name)
            version = before["Version"]["Index"] + 1 if before else 1
            self.deployed[name] = {
                "ID": f"id-{name}",
                "Version": {"Index": version},
                "Spec": {
                    "Name": f"{stack}_{name}",
                    "Labels": {"com.docker.stack.namespace": stack},
                    "Mode": {"Replicated": {"Replicas": wanted["deploy"]["replicas"]}},
                    "TaskTemplate": {"ContainerSpec": container},
                },
                "UpdateStatus": {
                    "State": "paused" if wanted["image"] == CRASHING else "completed",
                    "StartedAt": str(version),
                },
            }

    def _task(self, service: dict[str, Any], slot: int) -> dict[str, Any]:
        template = service["Spec"]["TaskTemplate"]
        image = template["ContainerSpec"]["Image"]
        state = {CRASHING: "failed", SICK: "starting"}.get(image, "running")
        return {
            "ID": f"task{slot}-{service['Version']['Index']}",
            "ServiceID": service["ID"],
            "Slot": slot,
            "NodeID": "n1",
            "DesiredState": "shutdown" if state == "failed" else "running",
            "Status": {"State": state, "Err": f"it is {state}", "ContainerStatus": {"ContainerID": "c"}},
            "Spec": template,
        }

    def runs(self) -> tuple[str, str]:
        """Image and env volume."""
        container = self.deployed["web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
        return container["Image"], container["Mounts"][0]["Source"]


@pytest.fixture(name="swarm")
def fixture_swarm(monkeypatch: pytest.MonkeyPatch) -> Swarm:
    swarm = Swarm()
    monkeypatch.setattr(operation, "Engine", lambda *_args, **_options: swarm)
    return swarm


def deploy(folder: Path, image: str, env: str, **changes: Any) -> operation.StackOperation:
    service = {"image": image, "volumes": [{"source": env}], "deploy": {"replicas": 2}}
    params: dict[str, Any] = {
        "name": "web",
        "state": "present",
        "socket": "/s",
        "path": str(folder),
        "compose": {"services": {"web": service}},
        "text": f"{image} with {env}\n",
        "release": {"image": image, "env": env},
        "configs": {},
        "secrets": {},
        "keep": 5,
        "wait": True,
        "deadline_seconds": 0.3,
        "lock_seconds": 0,
        "resolve_image": "never",
        "jobs": True,
        **dict.fromkeys(
            (
                *("registry_config", "base_revision", "progress", "node_sockets", "who", "why", "kind", "rollout"),
                *("validate", "validated", "listens"),
            )
        ),
    }
    return operation.StackOperation({**params, **changes})


def run(one: operation.StackOperation) -> dict[str, Any]:
    return dict(carry_out(one).result)


def revisions(swarm: Swarm) -> list[tuple[str, str]]:
    """(number, verdict) of each."""
    labels = [one["Spec"]["Labels"] for one in swarm.items]
    return [(one["io.fungap.revision"], one["io.fungap.verdict"]) for one in labels]


def test_a_deploy_that_runs_is_recorded(swarm: Swarm, tmp_path: Path) -> None:
    result = run(deploy(tmp_path, HEALTHY, "web_env_1"))
    assert (result["revision"], result["verdict"]) == (1, "converged")
    assert revisions(swarm) == [("1", "converged")]
    assert swarm.runs() == (HEALTHY, "web_env_1")
    assert deploy(tmp_path, HEALTHY, "web_env_1").plan().actions == []


@pytest.mark.parametrize(
    ("image", "verdict", "said"),
    [
        pytest.param(CRASHING, "rolled_back", "it is failed", id="crashes"),
        pytest.param(SICK, "stuck", "it is starting", id="never gets healthy"),
    ],
)
def test_what_fails_gives_way_to_the_revision_in_force_with_its_env(
    swarm: Swarm, tmp_path: Path, image: str, verdict: str, said: str
) -> None:
    run(deploy(tmp_path, HEALTHY, "web_env_1"))
    with pytest.raises(PlatformError) as failure:
        run(deploy(tmp_path, image, "web_env_2"))
    assert swarm.runs() == (HEALTHY, "web_env_1")
    assert (tmp_path / "web" / "compose.yml").read_text() == f"{HEALTHY} with web_env_1\n"
    assert (failure.value.details["verdict"], failure.value.details["revision"]) == (verdict, 1)
    assert "revision 1 runs again" in failure.value.message
    assert said in failure.value.message, "why the task failed"
    assert "no database" in failure.value.message, "what the task printed"
    assert revisions(swarm) == [("1", "converged"), ("2", verdict)]
    assert deploy(tmp_path, HEALTHY, "web_env_1").plan().actions == [], "the first revision is in force"


def test_what_runs_and_is_not_reached_gives_way(swarm: Swarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(deploy(tmp_path, HEALTHY, "web_env_1"))
    # What the kernel shows of every task from now on: a listener on 127.0.0.1.
    table = functools.partial(Doubt, look=lambda _container: ["0: 0100007F:0BB8 00000000:0000 0A"])
    monkeypatch.setattr(operation, "Doubt", table)
    with pytest.raises(PlatformError, match=r"the app listens on 127\.0\.0\.1 only, port 3000") as failure:
        run(deploy(tmp_path, HEALTHY, "web_env_2", listens={"web": {"port": 3000, "within_seconds": 0}}))
    assert "revision 1 runs again" in failure.value.message
    assert swarm.runs() == (HEALTHY, "web_env_1")
    assert revisions(swarm) == [("1", "converged"), ("2", "stuck")]


def test_replicas_of_a_node_that_is_down_are_none(swarm: Swarm, tmp_path: Path) -> None:
    """Swarm shows them as running until it has others."""
    swarm.node_state = "down"
    with pytest.raises(PlatformError, match="0 of 2 tasks") as failure:
        run(deploy(tmp_path, HEALTHY, "web_env_1"))
    assert failure.value.details["verdict"] == "failed"


def test_a_first_deploy_that_fails_is_left_to_be_looked_at(swarm: Swarm, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="There is no earlier revision") as failure:
        run(deploy(tmp_path, CRASHING, "web_env_1"))
    assert failure.value.details["revision"] is None
    # Both of its tasks died of the same: one cause, and what one of them printed.
    assert "  web.1 on n1, web.2 on n1: failed: it is failed\n" in failure.value.message
    assert failure.value.message.count("no database") == 1
    assert swarm.runs() == (CRASHING, "web_env_1")
    assert revisions(swarm) == [("1", "failed")]


def test_without_waiting_nothing_is_judged(swarm: Swarm, tmp_path: Path) -> None:
    assert run(deploy(tmp_path, SICK, "web_env_1", wait=False))["verdict"] == "unverified"
    assert swarm.runs() == (SICK, "web_env_1")


def test_a_plan_writes_nothing(swarm: Swarm, tmp_path: Path) -> None:
    plan = deploy(tmp_path, HEALTHY, "web_env_1").plan()
    assert [str(action) for action in plan.actions] == [
        f"write {tmp_path}/web/compose.yml",
        "deploy stack web: it was never deployed",
    ]
    assert (plan.before, plan.after) == (
        "",
        f'{HEALTHY} with web_env_1\n\n# recorded with it\n{{\n  "env": "web_env_1",\n  "image": "{HEALTHY}"\n}}\n',
    )
    assert (swarm.writes, list(tmp_path.iterdir())) == ([], [])


def test_the_highest_revision_is_remembered_outside_of_the_swarm(swarm: Swarm, tmp_path: Path) -> None:
    run(deploy(tmp_path, HEALTHY, "web_env_1"))
    # Also where it failed: its number is not to be another's.
    with pytest.raises(PlatformError) as failed:
        run(deploy(tmp_path, CRASHING, "web_env_2"))
    remembered = json.loads((tmp_path / "web" / "in-force.json").read_text())
    assert (remembered["stack"], remembered["revision"], remembered["cluster_id"]) == ("web", 2, "c1")
    assert {**failed.value.details["memory"], "nodes": remembered["nodes"]} == remembered
    swarm.items.clear()
    with pytest.raises(PlatformError, match="of stack web, there is no record, and 2 was recorded at") as refused:
        deploy(tmp_path, HEALTHY, "web_env_1").plan()
    assert "-e swarm_member_begin_anew=c1" in refused.value.message


def test_a_tag_is_warned_of(swarm: Swarm, tmp_path: Path) -> None:
    assert swarm.deployed == {}
    plans = [deploy(tmp_path, image, "web_env_1").plan() for image in ("web:42", HEALTHY)]
    assert ["is a tag" in "".join(plan.warnings) for plan in plans] == [True, False]


def test_what_was_changed_meanwhile_is_refused(swarm: Swarm, tmp_path: Path) -> None:
    run(deploy(tmp_path, HEALTHY, "web_env_1"))
    with pytest.raises(PlatformError, match="was changed meanwhile: revision 1") as refused:
        deploy(tmp_path, HEALTHY, "web_env_2", base_revision=0).plan()
    assert refused.value.details == {"moved": True}
    # What is only judged by nginx undoes nothing.
    assert not deploy(tmp_path, HEALTHY, "web_env_2", base_revision=0, state="validated").plan().actions
    assert swarm.runs() == (HEALTHY, "web_env_1")


def test_progress_is_told_once_for_each_change(swarm: Swarm, tmp_path: Path) -> None:
    assert swarm.deployed == {}
    one = deploy(tmp_path, HEALTHY, "web_env_1", progress=str(tmp_path / "progress"))
    one._report([ServiceState("web", "waiting", 1, 2, "starting")])
    assert (tmp_path / "progress").read_text() == ("service web: starting, 1 of 2 tasks of its current version run")
    # A task that dies and comes again goes to and fro between states that were told.
    (tmp_path / "progress").unlink()
    for detail, told in (("ready", True), ("starting", False), ("ready", False), ("running", True)):
        one._report([ServiceState("web", "waiting", 1, 2, detail)])
        assert (tmp_path / "progress").exists() is told, detail
        (tmp_path / "progress").unlink(missing_ok=True)


def configured(folder: Path, content: str = "good", **changes: Any) -> operation.StackOperation:
    """A deploy whose image judges a config and a secret."""
    service = {"image": HEALTHY, "volumes": [], "deploy": {"replicas": 2}, "configs": ["c"], "secrets": ["s"]}
    compose = {
        "services": {"web": {**service, "volumes": [{"source": "v"}]}},
        "configs": {"c": {"external": True, "name": f"web_c_{content}"}},
        "secrets": {"s": {"external": True, "name": "web_s_1"}},
    }
    given = {"configs": {f"web_c_{content}": content}, "secrets": {"web_s_1": "key"}, "compose": compose}
    validate = [{"service": "web", "command": ["check", "it"]}]
    return deploy(folder, HEALTHY, "v", **{**given, "validate": validate, "text": content, **changes})


def test_what_the_image_refuses_changes_nothing(swarm: Swarm, tmp_path: Path) -> None:
    swarm.judgement = (1, "no good in /c:1\n")
    for state in ("present", "validated"):
        with pytest.raises(PlatformError, match=r"the new configuration\. Nothing was changed\. 'check it' says:"):
            configured(tmp_path, "bad", state=state).plan()
    assert (swarm.writes, list(tmp_path.iterdir())) == ([], [])
    assert swarm.judged == [{"c": "bad", "run/secrets/s": "key"}] * 2


def test_what_is_judged_is_judged_once(swarm: Swarm, tmp_path: Path) -> None:
    first = configured(tmp_path, state="validated").plan()
    assert (first.actions, first.upkeep, first.before, first.after) == ((), [], "", "")
    judged = first.result["validated"]
    assert (len(swarm.judged), swarm.writes) == (1, [])
    # The job that rolls it out is told of it; it plans again under the lock.
    later = configured(tmp_path, rollout="later", validated=judged)
    assert later.apply(later.plan()) == {"pending": True, "validated": judged}
    run(configured(tmp_path, validated=judged))
    assert len(swarm.judged) == 1
    # It runs now.
    assert configured(tmp_path).plan().actions == []
    assert configured(tmp_path, state="validated").plan().upkeep == []
    assert len(swarm.judged) == 1
    run(configured(tmp_path, "better"))
    assert len(swarm.judged) == 2


@pytest.mark.parametrize("state", ["present", "validated"])
def test_an_image_that_is_not_here_is_brought_but_not_in_check_mode(swarm: Swarm, tmp_path: Path, state: str) -> None:
    swarm.here = set()
    one = configured(tmp_path, state=state)
    plan = one.plan()
    assert (swarm.judged, swarm.writes) == ([], [])
    assert "validate service web by 'check it' of its image" in map(str, (*plan.actions, *plan.upkeep))
    swarm.judgement = (1, "no good")
    with pytest.raises(PlatformError, match="no good"):
        one.apply(plan)
    assert swarm.writes == [f"pull {HEALTHY}"]


MIGRATE = {"x-before": {"service": "web", "command": ["node", "migrate.js"]}}
WARM = {"x-after": {"service": "web", "command": ["node", "warm.js"], "deadline_seconds": 0.1}}


def with_jobs(folder: Path, image: str, said: dict[str, Any], **changes: Any) -> operation.StackOperation:
    plain = deploy(folder, image, "web_env_1")
    return deploy(folder, image, "web_env_1", compose={**plain.params["compose"], **said}, **changes)


def test_what_runs_before_a_rollout_runs_before_it(swarm: Swarm, tmp_path: Path) -> None:
    run(with_jobs(tmp_path, HEALTHY, MIGRATE))
    assert [write for write in swarm.writes if "web" in write][:2] == ["deploy web_jobs", "deploy web"]
    assert swarm.jobs == {}
    assert revisions(swarm) == [("1", "converged")]
    assert with_jobs(tmp_path, HEALTHY, MIGRATE).plan().actions == []


def test_nothing_is_replaced_without_it(swarm: Swarm, tmp_path: Path) -> None:
    run(deploy(tmp_path, HEALTHY, "web_env_1"))
    before, swarm.job_state = swarm.runs(), "failed"
    with pytest.raises(PlatformError) as failure:
        run(with_jobs(tmp_path, SICK, MIGRATE))
    assert swarm.runs() == before
    assert swarm.writes.count("deploy web") == 1
    assert (failure.value.details["verdict"], failure.value.details["revision"]) == ("before_failed", 1)
    for said in ("revision 2 was not rolled out", "Revision 1 runs on, untouched", "exit code 3", "no database"):
        assert said in failure.value.message
    assert revisions(swarm) == [("1", "converged"), ("2", "before_failed")]
    assert (tmp_path / "web" / "compose.yml").read_text() == f"{HEALTHY} with web_env_1\n"
    assert swarm.jobs == {}


def test_one_that_a_killed_run_has_done_is_believed(swarm: Swarm, tmp_path: Path) -> None:
    wanted = with_jobs(tmp_path, HEALTHY, MIGRATE)
    (job,) = (action for action in wanted.plan().actions if isinstance(action, operation.Job))
    wanted.jobs.run(job, wanted.desired.compose, 1, lambda _state: None)
    run(with_jobs(tmp_path, HEALTHY, MIGRATE))
    assert swarm.writes.count("deploy web_jobs") == 1


def test_one_of_another_image_that_runs_still_is_not_joined(swarm: Swarm, tmp_path: Path) -> None:
    wanted = with_jobs(tmp_path, SICK, MIGRATE)
    (job,) = (action for action in wanted.plan().actions if isinstance(action, operation.Job))
    wanted.jobs.run(job, wanted.desired.compose, 1, lambda _state: None)
    swarm.job_state = "running"
    with pytest.raises(PlatformError, match=r"has not ended .*docker service rm web_jobs_before-1"):
        run(with_jobs(tmp_path, HEALTHY, MIGRATE))
    assert revisions(swarm) == []


def test_what_runs_after_a_rollout_fails_none(swarm: Swarm, tmp_path: Path) -> None:
    swarm.job_state = "running"
    result = run(with_jobs(tmp_path, HEALTHY, WARM))
    assert result["verdict"] == "converged"
    assert "not at its end after 0.1 s: running on" in result["after"]
    assert result["after"] in result["warnings"][0]
    assert swarm.writes.index("deploy web") < swarm.writes.index("deploy web_jobs")
    assert swarm.jobs == {}


@pytest.mark.parametrize("said", [MIGRATE, WARM])
def test_none_runs_where_it_is_not_wanted(swarm: Swarm, tmp_path: Path, said: dict[str, Any]) -> None:
    run(with_jobs(tmp_path, HEALTHY, said, jobs=False))
    assert "deploy web_jobs" not in swarm.writes
