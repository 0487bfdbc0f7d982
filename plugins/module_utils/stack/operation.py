# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``swarm_stack``: one stack into the wanted state, with a verdict."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.core.progress import Progress
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.core.signals import signals_as_exceptions
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.archives import tar_entry
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import LABEL_HELPER
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory, missing
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import refusal as lost_memory
from ansible_collections.fungap.swarm.plugins.module_utils.memory.operation import memory_path, recall_stack
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import (
    full_names_on,
    named_items,
    replicas,
    with_replicas,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.failures import Failures, cause_of
from ansible_collections.fungap.swarm.plugins.module_utils.stack.folder import (
    check_stack_folder,
    lock_path,
    read_private,
    remove_stack_folder,
    write_private,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.following import serving
from ansible_collections.fungap.swarm.plugins.module_utils.stack.following_look import Following, told_on
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import AFTER, BEFORE, Job, JobState
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import DONE as JOB_DONE
from ansible_collections.fungap.swarm.plugins.module_utils.stack.listening_look import Doubt
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    BEFORE_FAILED,
    CONVERGED,
    CRON_OWNER_LABEL,
    IMAGE_LABEL,
    NAMESPACE_LABEL,
    REVISION_LABEL,
    ROLLED_BACK,
    RUN_LABEL,
    STACK_LABEL,
    STUCK,
    UNVERIFIED,
    VERDICT_LABEL,
    Desired,
    Observed,
    Revision,
    Service,
    Task,
    compose_path,
    dump_revision,
    parse_item,
    parse_node,
    parse_service,
    parse_stack,
    parse_task,
    record_name,
    tasks_still_there,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.plan import (
    Action,
    CreateItem,
    Deploy,
    Record,
    RemoveFile,
    RemoveItem,
    RemoveNetwork,
    RemoveRevision,
    RemoveService,
    WriteFile,
    before_and_after,
    drift,
    image_drift,
    kept_counts,
    plan_absent,
    plan_present,
    plan_prune,
    rollback_target,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.rollout import (
    DONE,
    ServiceState,
    assess,
    default_deadline,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.run_job import Jobs, JobUnsure
from ansible_collections.fungap.swarm.plugins.module_utils.stack.validation import (
    HELPER,
    LIMIT_SECONDS,
    Validation,
    is_in_force,
    leftovers,
    refusal,
    validation_of,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.watch import Look, Outcome, watch

HOST_SOCKET = "/var/run/docker.sock"
FAILED_FIRST = "failed"
# For how long a network that another stack owns is waited for.
NETWORK_SECONDS = 30


class StackOperation:
    """``params``: the module's, after the action plugin filled in the names."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.stack: str = params["name"]
        self.engine = Engine(params["socket"])
        self.failures = Failures(self.engine, params["node_sockets"] or {}, params["registry_config"])
        compose = params["compose"] or {}
        contents = {("config", name): text for name, text in (params["configs"] or {}).items()}
        contents.update({("secret", name): text for name, text in (params["secrets"] or {}).items()})
        self.contents: dict[tuple[str, str], str] = contents
        # The digests of what has been validated, here or earlier in this run, with commas between them.
        self.validated: str = params["validated"] or ""
        self.progress = Progress(params["progress"])
        settings = {key: params[key] for key in ("registry_config", "resolve_image")}
        self.jobs = Jobs(self.engine, self.stack, **settings)
        self.reported: set[str] = set()
        self.memory: Memory | None = None
        self.desired = Desired(
            stack=self.stack,
            compose=compose,
            text=params["text"] or "",
            path=compose_path(params["path"], self.stack),
            items=frozenset(contents),
            keep=params["keep"],
            release=params["release"] or {},
            runs_jobs=params["jobs"],
        )

    # --- look ---

    def plan(self) -> Plan:
        self.observed = self._observe()
        if self.params["state"] == "absent":
            actions = plan_absent(self.observed, self.desired)
            in_force = self.observed.in_force
            return Plan(
                actions=actions, before=in_force.text if in_force else "", after="", result={"name": self.stack}
            )
        self._refuse_lost_memory()
        # What is only judged undoes nothing.
        if self.params["state"] == "present":
            self._refuse_other_base()
        actions = plan_present(self.observed, self.desired)
        deploys = any(isinstance(action, Deploy) for action in actions)
        validations: list[Validation] = []
        if deploys:
            self._refuse_what_docker_ignores()
            validations = self._validate(pull=False)
        if self.params["state"] == "validated":
            return Plan(upkeep=validations, result={"name": self.stack, "validated": self.validated})
        configs = {name: text for (kind, name), text in self.contents.items() if kind == "config"}
        before, after = before_and_after(self.observed, self.desired, configs)
        warnings = list(self._tag_warnings()) if deploys else []
        states = [] if deploys else self._states()
        warnings += [
            f"stack {self.stack} is as it was deployed, but {state}" for state in states if state.outcome != DONE
        ]
        return Plan(
            actions=[*validations, *actions],
            before=before,
            after=after,
            warnings=warnings,
            result={
                **self._result(self.observed.in_force),
                "drift": [str(entry) for entry in drift(self.observed.in_force, self.observed.services)],
                "services": _counts(states),
                **({"validated": self.validated} if self.params["validate"] else {}),
            },
        )

    def _observe(self) -> Observed:
        check_stack_folder(os.path.dirname(self.desired.path))
        label = f"{STACK_LABEL}={self.stack}"
        observed = parse_stack(
            self.stack,
            configs=self.engine.swarm.items("config", label),
            secrets=self.engine.swarm.items("secret", label),
            services=self.engine.services.of_stack(self.stack),
            networks=self._networks(),
            file_text=read_private(self.desired.path),
        )
        if self.params["state"] == "absent":  # what ``docker stack deploy`` made from a file of someone else's
            mine, foreign = {item.id for item in observed.items}, []
            for kind in ("config", "secret"):
                found = self.engine.swarm.items(kind, f"{NAMESPACE_LABEL}={self.stack}")
                foreign += [parse_item(kind, item) for item in found if item["ID"] not in mine]
            return replace(observed, items=[*observed.items, *foreign])
        return observed

    def _networks(self) -> list[dict[str, Any]]:
        networks = self.engine.networks.of_swarm()
        self.network_names = {network["Id"]: network["Name"] for network in networks}
        return networks

    def _services(self) -> dict[str, Service]:
        services = [
            parse_service(one, self.stack, self.network_names) for one in self.engine.services.of_stack(self.stack)
        ]
        return {service.name: service for service in services}

    def _look(self) -> Look:
        services, tasks, nodes = (
            self._services(),
            self.engine.services.tasks_of_stack(self.stack),
            self.engine.swarm.nodes(),
        )
        return Look(
            services=services,
            tasks=[parse_task(task) for task in tasks_still_there(tasks, nodes)],
            nodes=[parse_node(node) for node in nodes],
        )

    def _states(self) -> list[ServiceState]:
        look = self._look()
        # A status that an earlier rollout left behind says nothing about today.
        return [
            assess(service, look.tasks, look.nodes, stale_update=service.update_started)
            for _name, service in sorted(look.services.items())
        ]

    def _refuse_what_docker_ignores(self) -> None:
        problems = self.engine.stacks.problems(self.stack, json.dumps(self.desired.compose))
        if problems:
            raise PlatformError(
                f"the compose file of stack {self.stack} is not what docker stack deploy can carry out; it says: "
                + " ".join(problems)
            )

    def _validate(self, *, pull: bool) -> list[Validation]:
        """Refuse what the services' own images refuse.

        Returns what is still to be judged, because the image is not here. ``pull``: bring it.
        """
        in_force = self.observed.in_force
        left: list[Validation] = []
        for one in self.params["validate"] or ():
            validation = validation_of(self.desired.compose, **one)
            judged = validation.digest in self.validated.split(",")
            if judged or is_in_force(validation, in_force.compose if in_force else None):
                continue
            engine = self._engine_with(validation.image)
            if engine is None:
                if not pull:
                    left.append(validation)
                    continue
                engine = self.engine
                engine.images.pull_with_config(validation.image, self.params["registry_config"])
            self._judge(validation, engine)
        return left

    def _judge(self, validation: Validation, engine: Engine) -> None:
        for leftover in leftovers(engine.containers.with_labels({LABEL_HELPER: HELPER}), time.time()):
            engine.containers.remove_with_volumes(leftover)
        files = [
            tar_entry(one.path, self.contents[(one.kind, one.name)], one.mode, one.uid, one.gid)
            for one in validation.files
            if (one.kind, one.name) in self.contents
        ]
        with signals_as_exceptions():
            code, output = engine.containers.run_once(validation.container(), files, timeout_seconds=LIMIT_SECONDS)
        if code:
            raise PlatformError(refusal(self.stack, validation, output, self.contents))
        self.validated = ",".join(filter(None, [self.validated, validation.digest]))

    def _engine_with(self, image: str) -> Engine | None:
        """An engine that has the image: the manager's, or the docker host's own, which it may have been built on."""
        if self.engine.images.inspect(image) is not None:
            return self.engine
        own = Engine(HOST_SOCKET)
        return own if own.is_answering() and own.images.inspect(image) is not None else None

    def _tag_warnings(self) -> Iterable[str]:
        for name, definition in (self.desired.compose.get("services") or {}).items():
            if "@sha256:" not in definition.get("image", ""):
                yield (
                    f"service {name}: image {definition.get('image')} is a tag, which can mean other code tomorrow, "
                    "or on another node: name it by digest (name@sha256:...)"
                )

    def _refuse_lost_memory(self) -> None:
        memory = recall_stack(self.params["path"], self.stack)
        known = {self.stack: max((revision.number for revision in self.observed.revisions), default=0)}
        if memory and (lacks := missing([memory], known)):
            raise PlatformError(lost_memory(lacks, [memory]))

    def _refuse_other_base(self) -> None:
        base, in_force = self.params["base_revision"], self.observed.in_force
        if base is None or base == (in_force.number if in_force else 0):
            return
        now = f"revision {in_force.number} ({_origin(in_force)})" if in_force else "no revision"
        raise PlatformError(
            f"stack {self.stack} was changed meanwhile: {now} is in force, and this was worked out from "
            f"{f'revision {base}' if base else 'no revision'}. Run it again",
            moved=True,
        )

    # --- act ---

    def lock(self, plan: Plan) -> AbstractContextManager[object] | None:
        return None if self._is_judged_alone(plan) else self._locked()

    def _is_judged_alone(self, plan: Plan) -> bool:
        """Whether nothing is rolled out, or not by this call."""
        deploys = any(isinstance(action, Deploy) for action in plan.actions)
        return self.params["state"] == "validated" or (self.params["rollout"] == "later" and deploys)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with acquire_lock(
            lock_path(self.params["path"], self.stack),
            f"{self.params['kind'] or 'a deploy'} of {self.stack} by {self.params['who'] or 'somebody'} since {_now()}",
            wait_seconds=self.params["lock_seconds"],
            waiting=lambda other: self.progress.tell(f"waiting for {other}"),
        ) as killed:
            if killed:
                self.progress.tell(f"{killed} was killed before its end: taking over")
            yield

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        if any(isinstance(action, Validation) for action in (*plan.actions, *plan.upkeep)):
            self._validate(pull=True)
        if self._is_judged_alone(plan):
            return {"validated": self.validated} | ({"pending": True} if self.params["state"] != "validated" else {})
        return self._apply(plan.actions)

    def _report(self, states: Sequence[ServiceState]) -> None:
        """What was not said before: a task that dies and comes again goes through the same states each time."""
        lines = [str(state) for state in states]
        if new := [line for line in lines if line not in self.reported]:
            self.reported.update(new)
            self.progress.tell("\n".join(lines))

    def _apply(self, actions: Sequence[Action]) -> Mapping[str, Any]:
        if self.params["state"] == "absent":
            self._remove_all(actions)
            return {}
        result: Mapping[str, Any] = {}
        for action in actions:
            if isinstance(action, CreateItem):
                content = self.contents[(action.kind, action.name)]
                self.engine.swarm.create_item(action.kind, action.name, content, {STACK_LABEL: self.stack})
            elif isinstance(action, WriteFile):
                write_private(self.desired.path, self.desired.text)
            elif isinstance(action, Job):
                if action.when == BEFORE:
                    self._run_before(action)
                else:
                    result = {**result, **self._run_after(action)}
            elif isinstance(action, Deploy):
                result = self._roll_out()
            elif isinstance(action, Record):
                in_force = self.observed.in_force
                verdict = in_force.verdict if in_force else UNVERIFIED
                result = self._result(self._record(verdict, self.observed.services))
                self._prune()
            else:
                self._remove(action)
        return result

    def _run_before(self, job: Job) -> None:
        """What has to be done with the new image before anything is replaced. Without it, nothing is."""
        start, number, in_force = time.monotonic(), self._next_number(), self.observed.in_force
        self._await_networks(named_items(self.desired.compose, "network"))
        failure = self._run_job(job)
        if not failure:
            return
        if in_force:
            write_private(self.desired.path, in_force.text)
        self._record(BEFORE_FAILED, {}, failure)
        self._prune()
        ending = f"Revision {in_force.number} runs on, untouched." if in_force else "Nothing was started."
        raise PlatformError(
            f"stack {self.stack}: revision {number} was not rolled out, for what had to run before it failed. "
            f"{ending}\n{failure}",
            **self._told(start, BEFORE_FAILED, in_force),
        )

    def _run_after(self, job: Job) -> dict[str, Any]:
        """What is done with the revision that runs now. Its failure is told, and changes nothing."""
        failure = ""
        if not self.params["wait"]:
            failure = f"{job.said}: not begun, since nobody waits for the end of the rollout"
        else:
            failure = self._run_job(job)
            self.jobs.remove(BEFORE, AFTER)
        told = f"stack {self.stack}: the new revision runs, but what runs after it did not get to its end. {failure}"
        return {"after": failure, **({"warnings": [told]} if failure else {})}

    def _run_job(self, job: Job) -> str:
        """Empty once it is done, or what it failed by."""

        def tell(state: JobState) -> None:
            self.progress.tell(f"{job.when} the rollout, {job.said}: {state.detail}")

        try:
            state = self.jobs.run(job, self.desired.compose, self._next_number(), tell)
        except JobUnsure:
            raise
        except PlatformError as error:
            return error.message
        return "" if state.state == JOB_DONE else self.jobs.failure(job, state)

    def _next_number(self) -> int:
        """Of the revision that this run records."""
        return max((revision.number for revision in self.observed.revisions), default=0) + 1

    def _told(self, start: float, verdict: str, runs: Revision | None) -> dict[str, Any]:
        """What a failure says beside its message. ``runs``: the revision that does."""
        return {
            "name": self.stack,
            "who": self.params["who"] or "",
            "seconds": round(time.monotonic() - start, 1),
            "verdict": verdict,
            "revision": runs.number if runs else None,
            "memory": asdict(self.memory) if self.memory else None,
        }

    def _roll_out(self) -> Mapping[str, Any]:
        start = time.monotonic()
        in_force = self.observed.in_force
        tasks_before = frozenset(task["ID"] for task in self.engine.services.tasks_of_stack(self.stack))
        for name in image_drift(in_force, self.observed.services):
            # Else ``docker stack deploy`` takes the image for unchanged and keeps the one that was set by hand.
            self.engine.services.set_label(self.observed.services[name].id, IMAGE_LABEL, "")
        refusal = ""
        before = self._services()
        try:
            self._deploy(self.desired.compose, kept_counts(self.desired, self.observed))
        except PlatformError as error:
            refusal = error.message
        if not refusal and not self.params["wait"]:
            revision = self._record(UNVERIFIED, self._look().services)
            self._prune()
            return self._result(revision)
        if not refusal:
            following = Following(self.stack, self.desired.compose, self._told_on)
            outcome = self._watch(before, Doubt(self.params["listens"] or {}), following)
            if outcome.verdict == CONVERGED:
                revision = self._record(CONVERGED, outcome.look.services)
                if following.told:
                    served = serving(following.told.values())
                    followers = [state for state in outcome.states if state.service in following.services]
                    self._report([replace(state, detail=served) for state in followers])
                self._prune()
                return {
                    **self._result(revision),
                    "services": _counts(outcome.states),
                    "serving": {one.node: one.serves for one in following.told.values()},
                    "seconds": round(outcome.seconds, 1),
                }
            failures = self.failures.of(outcome, tasks_before)
            cause = cause_of(outcome, failures)
            verdict = outcome.verdict
        else:
            failures, cause, verdict = [], refusal, STUCK
        target = rollback_target(self.observed, self.desired)
        if target is None:
            verdict = FAILED_FIRST if in_force is None else verdict
            ending = "There is no earlier revision to go back to: what was started is left as it is, to be looked at."
        else:
            ending = self._roll_back(target, swarm_did=verdict == ROLLED_BACK)
        revision = self._record(verdict, {}, cause)
        self._prune()
        raise PlatformError(
            f"stack {self.stack}: the new revision {revision.number} is not what runs. {ending}\n{cause}",
            failures=failures,
            **self._told(start, verdict, target),
        )

    def _deploy(self, compose: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        self._await_networks(named_items(compose, "network"))
        self.engine.stacks.deploy(
            self.stack,
            json.dumps(with_replicas(compose, counts)),
            resolve_image=self.params["resolve_image"],
            registry_config=self.params["registry_config"],
            full_names_on=full_names_on(compose),
        )
        self._networks()  # the deploy may have made some

    def _await_networks(self, wanted: frozenset[str]) -> None:
        """Another stack, which is being deployed beside this one, may own a network that this one uses."""
        missing: set[str] = set()

        def there() -> bool:
            missing.clear()
            missing.update(wanted - {network["Name"] for network in self.engine.networks.of_swarm()})
            return not missing

        if wanted:
            wait_until(
                there,
                deadline_seconds=NETWORK_SECONDS,
                failure=lambda: (
                    f"stack {self.stack} uses network {', '.join(sorted(missing))}, which was not in the swarm within "
                    f"{NETWORK_SECONDS} s: deploy the stack that owns it first"
                ),
            )

    def _told_on(self, service: str) -> list[str] | None:
        return told_on(self.engine, service)

    def _watch(self, before: Mapping[str, Service], *doubts: Doubt | Following) -> Outcome:
        def allowed(look: Look) -> float:
            if self.params["deadline_seconds"]:
                return float(self.params["deadline_seconds"])
            services = look.services.values()
            counts = {one.spec["Name"]: one.replicas for one in services if one.replicas is not None}
            return default_deadline([one.spec for one in services], counts, nodes=len(look.nodes))

        def doubt(service: Service, tasks: Sequence[Task]) -> tuple[str, bool]:
            return next(filter(any, (one(service, tasks) for one in doubts)), ("", False))

        return watch(
            self._look,
            before,
            deadline_seconds=allowed,
            reconcile=lambda service: self.engine.services.rewrite(service.id),
            report=self._report,
            doubt=doubt,
        )

    def _roll_back(self, target: Revision, *, swarm_did: bool) -> str:
        """Make an earlier revision run again; returns a sentence for the operator."""
        before = self._look().services
        how = "Swarm rolled it back" if swarm_did else "It was rolled back"
        # Swarm goes back one service at a time, and to whatever ran before: that need not be the revision.
        if drift(target, before):
            counts = {
                name: service.replicas
                for name, service in self.observed.services.items()
                if service.replicas is not None and replicas(target.compose, name) is not None
            }
            try:
                self._deploy(target.compose, counts)
                outcome = self._watch(before, Following(self.stack, target.compose, self._told_on))
            except PlatformError as error:
                return f"Rolling back to revision {target.number} failed too: {error.message}"
            if outcome.verdict != CONVERGED:
                return f"Rolling back to revision {target.number} failed too: " + "; ".join(map(str, outcome.states))
            if swarm_did:
                how = "Swarm rolled the failing service back, and the rest of the stack was rolled back after it"
        write_private(self.desired.path, target.text)
        return f"{how}: revision {target.number} runs again."

    def _record(self, verdict: str, services: Mapping[str, Service], cause: str = "") -> Revision:
        revision = Revision(
            number=self._next_number(),
            compose=self.desired.compose,
            text=self.desired.text,
            specs={name: service.spec for name, service in services.items()},
            verdict=verdict,
            when=_now(),
            cause=cause,
            who=self.params["who"] or "",
            why=self.params["why"] or "",
            kind=self.params["kind"] or "",
            release=self.desired.release,
        )
        labels = {STACK_LABEL: self.stack, REVISION_LABEL: str(revision.number), VERDICT_LABEL: verdict}
        name = record_name(self.stack, revision.number)
        self.engine.swarm.create_item("config", name, dump_revision(self.stack, revision), labels)
        self._remember(revision)
        return revision

    def _remember(self, revision: Revision) -> None:
        """Outside of the swarm, which may lose its memory. What failed, too: its number is not to be had again."""
        nodes = tuple(sorted(parse_node(node).name for node in self.engine.swarm.nodes()))
        self.memory = Memory(self.stack, revision.number, self.engine.cluster_id(), revision.when, nodes)
        write_private(memory_path(self.params["path"], self.stack), self.memory.dump())

    def _prune(self) -> None:
        """Remove what nothing needs any more. What can't be removed yet is in the next run's plan."""
        self.jobs.remove(BEFORE, AFTER)
        for action in plan_prune(self._observe(), keep=self.desired.keep):
            with suppress(PlatformError):
                self._remove(action)

    def _remove(self, action: Action) -> None:
        if isinstance(action, RemoveItem):
            self.engine.swarm.remove_item(action.item.kind, action.item.id)
        elif isinstance(action, RemoveRevision):
            self.engine.swarm.remove_item("config", action.revision.id)
        elif isinstance(action, RemoveService):
            self.engine.services.remove(action.id)
        elif isinstance(action, RemoveFile):
            remove_stack_folder(os.path.dirname(action.path))

    def _remove_all(self, actions: Sequence[Action]) -> None:
        deadline = float(self.params["deadline_seconds"] or 120)
        networks = [action for action in actions if isinstance(action, RemoveNetwork)]
        for action in actions:
            if isinstance(action, RemoveService):
                self._remove(action)
        self.jobs.remove()  # afterwards: of what is gone, nothing more is scheduled
        wait_until(
            lambda: not tasks_still_there(self.engine.services.tasks_of_stack(self.stack), self.engine.swarm.nodes()),
            deadline_seconds=deadline,
            failure=lambda: (
                f"stack {self.stack}: tasks were still there {deadline:g} s after their services were removed"
            ),
        )
        for network in networks:
            wait_until(
                lambda network=network: self.engine.networks.remove_unused(network.id),  # type: ignore[misc]
                deadline_seconds=deadline,
                failure=lambda network=network: f"network {network.name} is still in use",  # type: ignore[misc]
            )
        for action in actions:
            self._remove(action)
        for run in self.engine.swarm.items("config", f"{RUN_LABEL}={self.stack}"):
            self.engine.swarm.remove_item("config", run["ID"])
        for known in self.engine.swarm.items("config", CRON_OWNER_LABEL):
            if known["Spec"]["Labels"][CRON_OWNER_LABEL].startswith(f"{self.stack}/"):
                self.engine.swarm.remove_item("config", known["ID"])

    # --- tell ---

    def _result(self, revision: Revision | None) -> dict[str, Any]:
        return {
            "name": self.stack,
            "path": self.desired.path,
            "revision": revision.number if revision else None,
            "verdict": revision.verdict if revision else None,
            "who": revision.who if revision else "",
            "memory": asdict(self.memory) if self.memory else None,
        }


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _origin(revision: Revision) -> str:
    """Where a revision comes from, in words."""
    by = f" by {revision.who}" if revision.who else ""
    return f"{revision.kind or 'deploy'}{by}, {revision.when}"


def _counts(states: Iterable[ServiceState]) -> dict[str, dict[str, int]]:
    return {state.service: {"running": state.running, "wanted": state.wanted} for state in states}
