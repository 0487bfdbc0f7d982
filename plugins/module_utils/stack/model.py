# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stack as the swarm holds it: services, tasks, configs, secrets, networks, and the record of each revision.

The parsers take the dicts of the Engine API's JSON.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

Json = Mapping[str, Any]

NAMESPACE_LABEL = "com.docker.stack.namespace"
IMAGE_LABEL = "com.docker.stack.image"
COMPOSE_FILE = "compose.yml"
# IDs of tasks and nodes have 25 characters, of containers and endpoints 64 or the first 12 of them.
_NAMED_BY_ID = re.compile(r"[\w.-]*\b(?:[0-9a-z]{25}|[0-9a-f]{64}|(?=[a-f]*[0-9])[0-9a-f]{12})\b")
STACK_LABEL = "io.fungap.stack"
REVISION_LABEL = "io.fungap.revision"
VERDICT_LABEL = "io.fungap.verdict"
# Of the record of a command that ran once; its value is the stack's name.
RUN_LABEL = "io.fungap.run"
# Of what the scheduler remembers of a schedule: whose it is, as stack/name, and what has come of it.
CRON_OWNER_LABEL, CRON_STATE_LABEL = "io.fungap.cron.owner", "io.fungap.cron.state"
# Of the service that is made for one run of it.
CRON_RUN_LABEL = "io.fungap.cron.run"

# Verdicts. In force is the newest revision with one of the first two.
CONVERGED = "converged"
UNVERIFIED = "unverified"  # deployed without waiting
ROLLED_BACK = "rolled_back"  # swarm saw it fail
STUCK = "stuck"  # not converged at the deadline
BEFORE_FAILED = "before_failed"  # what had to run before the rollout did not get to its end
ACTIVE_VERDICTS = (CONVERGED, UNVERIFIED)

# States of a task that no longer runs, and never will.
ENDED = ("failed", "rejected", "orphaned", "complete", "shutdown", "remove")
# Restart policies by which a task that ended well is not started again.
ONE_SHOT_CONDITIONS = ("none", "on-failure")


@dataclass(frozen=True)
class Service:
    """``name``: within the stack. ``spec``: normalised, comparable. ``template``: what its tasks are made from.

    ``replicas``: None unless replicated. ``mode``: replicated, global, replicated-job or global-job.
    ``monitor_seconds``, ``has_health_check``: what decides how long a new task is watched.
    """

    id: str
    name: str
    version: int
    spec: Json
    template: Json
    mode: str
    replicas: int | None
    image_label: str = ""
    update_state: str = ""
    update_message: str = ""
    update_started: str = ""
    job_iteration: int = 0
    total_completions: int = 0
    monitor_seconds: float = 5.0
    has_health_check: bool = False


@dataclass(frozen=True)
class Task:
    """``slot``: 0 for a global service's. ``message``: swarm's, ``error``: the engine's. ``updated``: UTC."""

    id: str
    service_id: str
    slot: int
    node_id: str
    state: str
    desired: str
    message: str
    error: str
    exit_code: int | None
    container_id: str
    template: Json
    job_iteration: int = 0
    updated: str = ""

    @property
    def place(self) -> tuple[int, str]:
        """What it is one of: a slot, or a node for a global service."""
        return (self.slot, "" if self.slot else self.node_id)

    @property
    def cause(self) -> tuple[str, str, int | None]:
        """What it died of, equal for two tasks that died of the same."""
        return (self.state, without_ids(self.error), self.exit_code)


@dataclass(frozen=True)
class Node:
    """A member of the swarm, as far as placing tasks is concerned. ``facts``: constraint key -> value."""

    id: str
    name: str
    ready: bool
    active: bool
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """A config or a secret of the stack. ``data``: a config's content; a secret's can't be read."""

    kind: str
    id: str
    name: str
    data: str = ""


@dataclass(frozen=True)
class Revision:
    """The record of one deploy. ``specs``: service name -> normalised spec as it was after the deploy.

    ``text``: the compose file as a person reads it. ``when``: UTC, ISO 8601. ``cause``: why it failed. ``who``,
    ``why``, ``kind`` (site, deploy, rollback, scale, maintenance): the operator's. ``release``: the app as the caller
    describes it.
    """

    number: int
    compose: Json
    text: str
    specs: Mapping[str, Json]
    verdict: str
    when: str
    cause: str = ""
    id: str = ""
    who: str = ""
    why: str = ""
    kind: str = ""
    release: Json = field(default_factory=dict)

    @property
    def images(self) -> dict[str, str]:
        """Service name -> image."""
        return {name: str(one.get("image") or "") for name, one in (self.compose.get("services") or {}).items()}


@dataclass(frozen=True)
class Observed:
    """All that belongs to one stack. ``networks``: own network's name -> id. ``file_text``: None when there is none."""

    services: Mapping[str, Service] = field(default_factory=dict)
    items: Sequence[Item] = ()
    revisions: Sequence[Revision] = ()
    networks: Mapping[str, str] = field(default_factory=dict)
    file_text: str | None = None

    @property
    def in_force(self) -> Revision | None:
        """The revision that ought to be running."""
        good = [revision for revision in self.revisions if revision.verdict in ACTIVE_VERDICTS]
        return max(good, key=lambda revision: revision.number, default=None)


@dataclass(frozen=True)
class Desired:
    """``compose``: as deployed, items by their names in the swarm; ``text``: the same as it is written to ``path``.

    ``items``: (kind, name in the swarm) of everything that the caller gave content for. ``release``: as in Revision.
    ``runs_jobs``: whether what stands before and after its rollout runs.
    """

    stack: str
    compose: Json
    text: str
    path: str
    items: frozenset[tuple[str, str]] = frozenset()
    keep: int = 5
    release: Json = field(default_factory=dict)
    runs_jobs: bool = True


def record_name(stack: str, number: int) -> str:
    """The name of a revision's config in the swarm."""
    return f"fungap.{stack}.{number}"


# Where they are unless the platform says otherwise.
STACKS_FOLDER = "/etc/fungap/stacks"


def compose_path(folder: str, stack: str) -> str:
    """Where a stack's compose file is written on the docker host."""
    return f"{folder.rstrip('/')}/{stack}/{COMPOSE_FILE}"


def parse_service(service: Json, stack: str, network_names: Mapping[str, str]) -> Service:
    """A service of ``GET /services``. ``network_names``: network id -> name."""
    spec = service["Spec"]
    template = spec["TaskTemplate"]
    container = template.get("ContainerSpec") or {}
    mode, settings = next(iter(spec["Mode"].items()))
    update = service.get("UpdateStatus") or {}
    test = (container.get("Healthcheck") or {}).get("Test") or []
    monitor = (spec.get("UpdateConfig") or {}).get("Monitor") or 5_000_000_000
    return Service(
        id=service["ID"],
        name=spec["Name"].removeprefix(f"{stack}_"),
        version=service["Version"]["Index"],
        spec=normalise(spec, network_names),
        template=comparable_template(template),
        mode={"ReplicatedJob": "replicated-job", "GlobalJob": "global-job"}.get(mode, mode.lower()),
        replicas=settings.get("Replicas", 1) if mode == "Replicated" else None,
        image_label=(spec.get("Labels") or {}).get(IMAGE_LABEL, ""),
        update_state=update.get("State") or "",
        update_message=update.get("Message") or "",
        update_started=update.get("StartedAt") or "",
        job_iteration=((service.get("JobStatus") or {}).get("JobIteration") or {}).get("Index", 0),
        total_completions=(settings or {}).get("TotalCompletions", 1) or 1,
        monitor_seconds=monitor / 1e9,
        has_health_check=bool(test) and test != ["NONE"],
    )


def without_ids(error: str) -> str:
    """An engine's error without names and IDs of the one container or task, such as ``web_app.1.<ID of the task>``."""
    return _NAMED_BY_ID.sub("...", error)


def parse_task(task: Json) -> Task:
    """A task of ``GET /tasks``."""
    status = task.get("Status") or {}
    container = status.get("ContainerStatus") or {}
    return Task(
        id=task["ID"],
        service_id=task.get("ServiceID") or "",
        slot=task.get("Slot") or 0,
        node_id=task.get("NodeID") or "",
        state=status.get("State") or "",
        desired=task.get("DesiredState") or "",
        message=status.get("Message") or "",
        error=status.get("Err") or "",
        exit_code=container.get("ExitCode"),
        container_id=container.get("ContainerID") or "",
        template=comparable_template(task.get("Spec") or {}),
        job_iteration=(task.get("JobIteration") or {}).get("Index", 0),
        updated=status.get("Timestamp") or "",
    )


def tasks_still_there(tasks: Iterable[Json], nodes: Iterable[Json]) -> list[Json]:
    """Of ``GET /tasks``, all but what went down with its node: swarm goes on showing it as it was, nobody gets there.

    ``nodes``: of ``GET /nodes``. A task that had ended before its node went down stays: it may tell why.
    """
    down = {node["ID"] for node in nodes if (node.get("Status") or {}).get("State") == "down"}
    return [
        task for task in tasks if task.get("NodeID") not in down or (task.get("Status") or {}).get("State") in ENDED
    ]


def parse_node(node: Json) -> Node:
    """A node of ``GET /nodes``."""
    spec, description = node["Spec"], node.get("Description") or {}
    platform, engine = description.get("Platform") or {}, description.get("Engine") or {}
    facts = {
        "node.id": node["ID"],
        "node.hostname": description.get("Hostname") or "",
        "node.ip": (node.get("Status") or {}).get("Addr") or "",
        "node.role": spec.get("Role") or "",
        "node.platform.os": platform.get("OS") or "",
        "node.platform.arch": platform.get("Architecture") or "",
    }
    facts.update({f"node.labels.{key}": value for key, value in (spec.get("Labels") or {}).items()})
    facts.update({f"engine.labels.{key}": value for key, value in (engine.get("Labels") or {}).items()})
    return Node(
        id=node["ID"],
        name=facts["node.hostname"] or node["ID"],
        ready=(node.get("Status") or {}).get("State") == "ready",
        active=spec.get("Availability") == "active",
        facts=facts,
    )


def parse_item(kind: str, item: Json) -> Item:
    """A config or secret of ``GET /configs`` or ``GET /secrets``."""
    data = base64.b64decode(item["Spec"].get("Data") or "").decode(errors="replace") if kind == "config" else ""
    return Item(kind=kind, id=item["ID"], name=item["Spec"]["Name"], data=data)


def parse_stack(
    stack: str,
    *,
    configs: Iterable[Json],
    secrets: Iterable[Json],
    services: Iterable[Json],
    networks: Iterable[Json],
    file_text: str | None,
) -> Observed:
    """All of a stack, out of what the API lists. What is another stack's is passed over."""
    configs = [config for config in configs if _label(config["Spec"], STACK_LABEL) == stack]
    records = [config for config in configs if _label(config["Spec"], REVISION_LABEL)]
    items = [parse_item("config", config) for config in configs if config not in records]
    items += [parse_item("secret", secret) for secret in secrets if _label(secret["Spec"], STACK_LABEL) == stack]
    networks = list(networks)
    names = {network["Id"]: network["Name"] for network in networks}
    parsed = [parse_service(one, stack, names) for one in services if _label(one["Spec"], NAMESPACE_LABEL) == stack]
    return Observed(
        services={service.name: service for service in parsed},
        items=sorted(items, key=lambda item: (item.kind, item.name)),
        revisions=sorted(map(parse_revision, records), key=lambda revision: revision.number),
        networks={network["Name"]: network["Id"] for network in networks if _label(network, NAMESPACE_LABEL) == stack},
        file_text=file_text,
    )


def _label(labelled: Json, name: str) -> str:
    return str((labelled.get("Labels") or {}).get(name) or "")


def normalise(spec: Json, network_names: Mapping[str, str]) -> dict[str, Any]:
    """A service's spec without what a deploy keeps (replica count, force counter) and without ids that mean nothing."""
    copy: dict[str, Any] = json.loads(json.dumps(spec))
    (copy["Mode"].get("Replicated") or {}).pop("Replicas", None)
    template = copy["TaskTemplate"]
    template.pop("ForceUpdate", None)
    container = template.get("ContainerSpec") or {}
    for kind in ("Config", "Secret"):
        for reference in container.get(kind + "s") or []:
            reference.pop(kind + "ID", None)
    for holder in (template, copy):
        for network in holder.get("Networks") or []:
            network["Target"] = network_names.get(network["Target"], network["Target"])
    return copy


def without_short_names(spec: Json, networks: Collection[str]) -> dict[str, Any]:
    """A service's spec, as ``docker stack deploy`` sends it, without the service's short name on these networks.

    The CLI adds the short name behind the aliases that the compose file gives; those stay. ``networks``: their names.
    """
    short = spec["Name"].removeprefix(f"{(spec.get('Labels') or {}).get(NAMESPACE_LABEL, '')}_")
    copy: dict[str, Any] = json.loads(json.dumps(spec))
    for holder in (copy["TaskTemplate"], copy):
        for attachment in holder.get("Networks") or []:
            if attachment["Target"] in networks and (attachment.get("Aliases") or [""])[-1] == short:
                attachment["Aliases"] = attachment["Aliases"][:-1]
    return copy


def comparable_template(template: Json) -> dict[str, Any]:
    """What must be equal in a service's template and in a task's spec for the task to be of the service's version.

    Not the placement (swarm keeps a task that still fits when only that changed), nor the runtime (a task's spec lacks
    it).
    """
    aside = ("Placement", "Runtime")
    return {key: value for key, value in template.items() if key not in aside and value not in (None, {}, [], 0)}


def done_places(template: Json, tasks: Iterable[Task]) -> set[tuple[int, str]]:
    """The places (slot, or a global service's node) of a service where all is done and nothing is to run any more.

    ``template``: the service's. ``tasks``: its own. A service that has a health check is there to run: what ended
    there was stopped, or went away by itself.
    """
    container = template.get("ContainerSpec") or {}
    test = (container.get("Healthcheck") or {}).get("Test") or ["NONE"]
    condition = (template.get("RestartPolicy") or {}).get("Condition")
    if condition not in ONE_SHOT_CONDITIONS or test != ["NONE"]:
        return set()
    wanted = comparable_template(template)
    own = [task for task in tasks if task.template == wanted]
    alive = {task.place for task in own if task.desired not in ("shutdown", "remove")}
    return {task.place for task in own if task.state == "complete"} - alive


def dump_revision(stack: str, revision: Revision) -> str:
    """The record's content."""
    return json.dumps(
        {
            "format": 1,
            "stack": stack,
            "revision": revision.number,
            "when": revision.when,
            "verdict": revision.verdict,
            "cause": revision.cause,
            "who": revision.who,
            "why": revision.why,
            "kind": revision.kind,
            "release": revision.release,
            "compose": revision.compose,
            "text": revision.text,
            "specs": revision.specs,
        },
        sort_keys=True,
    )


def parse_revision(config: Json) -> Revision:
    """The record in a config of ``GET /configs``."""
    data = json.loads(base64.b64decode(config["Spec"]["Data"]))
    return Revision(
        number=data["revision"],
        compose=data["compose"],
        text=data["text"],
        specs=data["specs"],
        verdict=data["verdict"],
        when=data["when"],
        cause=data["cause"],
        id=config["ID"],
        who=data.get("who", ""),
        why=data.get("why", ""),
        kind=data.get("kind", ""),
        release=data.get("release") or {},
    )


def parse_runs(configs: Iterable[Json]) -> list[dict[str, Any]]:
    """What ran once, newest first, each with the ``id`` of its record. ``configs``: those with ``RUN_LABEL``."""
    found = [{"id": one["ID"], **json.loads(base64.b64decode(one["Spec"]["Data"]))} for one in configs]
    return sorted(found, key=lambda row: str(row["when"]), reverse=True)


def parse_scheduled_runs(configs: Iterable[Json], stack: str) -> list[dict[str, Any]]:
    """What became of a stack's scheduled runs, newest first, as ``parse_runs`` has it.

    ``configs``: those with ``CRON_STATE_LABEL``.
    """
    found = []
    for labels in (config["Spec"]["Labels"] for config in configs):
        owner, _slash, name = labels[CRON_OWNER_LABEL].partition("/")
        for entry in json.loads(labels[CRON_STATE_LABEL])["history"] if owner == stack else ():
            slot = datetime.fromtimestamp(entry["slot"], timezone.utc)
            when = slot.isoformat(timespec="seconds").replace("+00:00", "Z")
            ended = {"detail": f"{entry['result']}: {entry['detail']}", "seconds": entry["seconds"]}
            who = {"who": f"cron {name}", "why": "", "revision": ""}
            found.append({"when": when, **who, "what": entry["what"], **ended})
    return sorted(found, key=lambda row: str(row["when"]), reverse=True)
