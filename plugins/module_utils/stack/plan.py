# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a stack as it is and as it is wanted to what has to be done. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import named_items, own_networks, replicas
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import AFTER, BEFORE, Job, job_of
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    ACTIVE_VERDICTS,
    CONVERGED,
    Desired,
    Item,
    Observed,
    Revision,
    Service,
)

_NOTHING = "(absent)"
_BCRYPT = re.compile(r"\$2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True)
class CreateItem:
    """Create a config or a secret."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"create {self.kind} {self.name}"


@dataclass(frozen=True)
class WriteFile:
    """Write the rendered compose file."""

    path: str

    def __str__(self) -> str:
        return f"write {self.path}"


@dataclass(frozen=True)
class Deploy:
    """Roll the wanted compose file out."""

    stack: str
    reason: str

    def __str__(self) -> str:
        return f"deploy stack {self.stack}: {self.reason}"


@dataclass(frozen=True)
class Record:
    """Record a revision without a rollout: what runs stays, what is known of it changed."""

    stack: str

    def __str__(self) -> str:
        return f"record a revision of stack {self.stack}: its services stay as they are"


@dataclass(frozen=True)
class RemoveItem:
    """Remove a config or a secret that nothing needs any more."""

    item: Item

    def __str__(self) -> str:
        return f"remove {self.item.kind} {self.item.name}"


@dataclass(frozen=True)
class RemoveRevision:
    """Forget an old revision."""

    revision: Revision

    def __str__(self) -> str:
        return f"forget revision {self.revision.number}"


@dataclass(frozen=True)
class RemoveService:
    """Remove a service."""

    id: str
    name: str

    def __str__(self) -> str:
        return f"remove service {self.name}"


@dataclass(frozen=True)
class RemoveNetwork:
    """Remove a network of the stack."""

    id: str
    name: str

    def __str__(self) -> str:
        return f"remove network {self.name}"


@dataclass(frozen=True)
class RemoveFile:
    """Remove the rendered compose file and its folder."""

    path: str

    def __str__(self) -> str:
        return f"remove {self.path}"


Action: TypeAlias = (
    "CreateItem | WriteFile | Job | Deploy | Record"
    " | RemoveItem | RemoveRevision | RemoveService | RemoveNetwork | RemoveFile"
)


@dataclass(frozen=True)
class Difference:
    """One field of a service that is not as it was deployed. Values are ready to be shown."""

    service: str
    field: str
    recorded: str
    live: str

    def __str__(self) -> str:
        name = f"{self.service}.{self.field}" if self.field else self.service
        return f"{name}: {self.recorded} -> {self.live}"


def plan_present(observed: Observed, desired: Desired) -> list[Action]:
    """What makes ``desired`` run. Nothing to do is an empty list."""
    in_force = observed.in_force
    _refuse_changed_modes(observed, desired)
    drifted = drift(in_force, observed.services)
    reasons = []
    if in_force is None:
        reasons.append("it was never deployed" if not observed.services else "what runs was never recorded")
    elif in_force.compose != desired.compose:
        _refuse_changed_networks(in_force, observed, desired)
        reasons.append("the compose file changed")
    if drifted:
        reasons.append("what runs is not as it was deployed")
    live = {(item.kind, item.name) for item in observed.items}
    missing = sorted(desired.items - live)
    if missing and not reasons:
        reasons.append("a config or secret was missing")
    actions: list[Action] = [CreateItem(kind, name) for kind, name in missing]
    if observed.file_text != desired.text:
        actions.append(WriteFile(desired.path))
    if reasons:
        # What becomes superfluous is known once the verdict is: it is pruned after it.
        deploy = Deploy(desired.stack, " and ".join(reasons))
        return [*actions, *due_job(in_force, desired, BEFORE), deploy, *due_job(in_force, desired, AFTER)]
    if in_force and desired.release and in_force.release != desired.release:
        return [*actions, Record(desired.stack)]
    return [*actions, *plan_prune(observed, keep=desired.keep)]


def due_job(in_force: Revision | None, desired: Desired, when: str) -> list[Job]:
    """The job, unless what is in force has it already: the same command, with the same image and environment."""
    job = job_of(desired.stack, desired.compose, when)
    done = job_of(desired.stack, in_force.compose, when) if in_force else None
    return [job] if job and desired.runs_jobs and (done is None or done.digest != job.digest) else []


def fingerprint(compose: Mapping[str, Any], text: str) -> str:
    """Equal for equal wishes: of a compose file as it is deployed, and as a person reads it."""
    return hashlib.sha256(json.dumps([compose, text], sort_keys=True).encode()).hexdigest()


def no_action_fingerprint(observed: Observed, *, keep: int) -> str:
    """The ``fingerprint`` of the one wish that leaves nothing to do; empty where there is something to do anyway."""
    in_force, text = observed.in_force, observed.file_text
    if in_force is None or text is None:
        return ""
    items = frozenset((kind, name) for kind in ("config", "secret") for name in named_items(in_force.compose, kind))
    same = Desired(stack="", compose=in_force.compose, text=text, path="", items=items, keep=keep)
    return "" if plan_present(observed, same) else fingerprint(in_force.compose, text)


def plan_prune(observed: Observed, *, keep: int) -> list[Action]:
    """Remove revisions beyond the newest ``keep``, and items that neither a kept one nor a live service needs."""
    kept = kept_revisions(observed.revisions, keep)
    needed = {
        (kind, name)
        for kind in ("config", "secret")
        for revision in kept
        if revision.verdict in ACTIVE_VERDICTS
        for name in named_items(revision.compose, kind)
    }
    for service in observed.services.values():
        needed |= referenced(service.spec)
    return [
        *(RemoveRevision(revision) for revision in observed.revisions if revision not in kept),
        *(RemoveItem(item) for item in observed.items if (item.kind, item.name) not in needed),
    ]


def kept_revisions(revisions: Sequence[Revision], keep: int) -> list[Revision]:
    """The newest ``keep`` revisions that ran, one at least, and the failed ones beside them, at most as many."""
    keep = max(keep, 1)
    newest = sorted(revisions, key=lambda revision: -revision.number)
    good = [revision for revision in newest if revision.verdict in ACTIVE_VERDICTS][:keep]
    oldest = good[-1].number if len(good) == keep else 0
    newer = [revision for revision in newest if revision.number > oldest]
    failed = [revision for revision in newer if revision.verdict not in ACTIVE_VERDICTS][:keep]
    return [*good, *failed]


def referenced(spec: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(kind, name) of the configs and secrets that a service's spec mounts."""
    container = spec["TaskTemplate"].get("ContainerSpec") or {}
    return {
        (kind, reference[f"{kind.title()}Name"])
        for kind in ("config", "secret")
        for reference in container.get(f"{kind.title()}s") or []
    }


def plan_absent(observed: Observed, desired: Desired) -> list[Action]:
    """Remove all that belongs to the stack."""
    actions: list[Action] = [
        RemoveService(service.id, f"{desired.stack}_{name}") for name, service in sorted(observed.services.items())
    ]
    actions += [RemoveNetwork(id_, name) for name, id_ in sorted(observed.networks.items())]
    actions += [RemoveItem(item) for item in observed.items]
    actions += [RemoveRevision(revision) for revision in observed.revisions]
    if observed.file_text is not None:
        actions.append(RemoveFile(desired.path))
    return actions


def rollback_target(observed: Observed, desired: Desired) -> Revision | None:
    """The revision to go back to when ``desired`` does not run; None when there is none.

    Usually the one in force. When that is what was just deployed again, going back to it is no way out: if nobody ever
    waited for it, an older one that converged is; if it converged itself (drift was to be repaired), nothing is.
    """
    in_force = observed.in_force
    if in_force is None or in_force.compose != desired.compose:
        return in_force
    if in_force.verdict == CONVERGED:
        return None
    older = [one for one in observed.revisions if one.verdict == CONVERGED and one.compose != desired.compose]
    return max(older, key=lambda revision: revision.number, default=None)


def kept_counts(desired: Desired, observed: Observed) -> dict[str, int]:
    """Replica counts that outlive this deploy: set by hand, while the file's own number stayed what it was."""
    in_force = observed.in_force
    if in_force is None:
        return {}
    counts = {}
    for name, service in observed.services.items():
        wanted = replicas(desired.compose, name)
        if service.replicas is None or wanted is None or service.replicas == wanted:
            continue
        if replicas(in_force.compose, name) == wanted:
            counts[name] = service.replicas
    return counts


def drift(in_force: Revision | None, live: Mapping[str, Service]) -> list[Difference]:
    """Where the services differ from what they were right after the deploy."""
    if in_force is None:
        return []
    found = []
    for name in sorted({*in_force.specs, *live}):
        if name not in live:
            found.append(Difference(name, "", "as deployed", _NOTHING))
        elif name not in in_force.specs:
            found.append(Difference(name, "", _NOTHING, "created by hand"))
        else:
            found += [
                Difference(name, path, before, after)
                for path, before, after in differences(in_force.specs[name], live[name].spec)
            ]
    return found


def image_drift(in_force: Revision | None, live: Mapping[str, Service]) -> list[str]:
    """Services whose image was changed by hand: ``docker stack deploy`` would leave that as it is."""
    if in_force is None:
        return []
    return [
        difference.service
        for difference in drift(in_force, live)
        if difference.field == "TaskTemplate.ContainerSpec.Image"
    ]


def differences(recorded: Any, live: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (path, recorded, live) of every leaf that differs.

    Lists of KEY=value texts (the environment) are compared by key; other lists as a whole. Absent, null and empty are
    the same.
    """
    if recorded == live or not (recorded or live or isinstance(recorded, bool) or isinstance(live, bool)):
        return
    left, right = _by_key(recorded), _by_key(live)
    if left is not None and right is not None:
        for key in sorted({*left, *right}):
            yield from differences(left.get(key), right.get(key), f"{path}.{key}" if path else key)
        return
    yield path, _show(recorded), _show(live)


def _by_key(value: Any) -> Mapping[str, Any] | None:
    if value is None or value == []:
        return {}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and all(isinstance(line, str) and "=" in line for line in value):
        return dict(line.split("=", 1) for line in value)
    return None


def _show(value: Any) -> str:
    return _NOTHING if value is None else json.dumps(value, sort_keys=True)


def _refuse_changed_networks(in_force: Revision, observed: Observed, desired: Desired) -> None:
    """``docker stack deploy`` silently leaves an existing network as it is."""
    before = own_networks(in_force.compose)
    for key, definition in own_networks(desired.compose).items():
        name = definition.get("name") or f"{desired.stack}_{key}"
        if key in before and before[key] != definition and name in observed.networks:
            raise PlatformError(
                f"stack {desired.stack}: the definition of network {key} changed, which cannot be done to the existing "
                f"network {name}: give the network another key in the compose file, or remove the stack first"
            )


def _refuse_changed_modes(observed: Observed, desired: Desired) -> None:
    """Swarm refuses it half way, when other services have been changed."""
    for name, definition in (desired.compose.get("services") or {}).items():
        wanted = str((definition.get("deploy") or {}).get("mode") or "replicated")
        live = observed.services.get(name)
        if live and live.mode != wanted:
            raise PlatformError(
                f"stack {desired.stack}: service {name} is {live.mode} and would become {wanted}, which swarm can't do "
                "to a service that is there: give it another name in the compose file, or remove it first (an app's "
                "own goes with the app: apps_absent)"
            )


def before_and_after(observed: Observed, desired: Desired, contents: Mapping[str, str]) -> tuple[str, str]:
    """The diff's two texts: compose file in force and wanted, contents of configs that change, release, drift.

    ``contents``: content of the wanted configs by their names in the swarm.
    """
    in_force = observed.in_force
    before, after = (in_force.text if in_force else ""), desired.text
    names = _config_names(in_force.compose) if in_force else {}
    old = {key: observed_data(observed, name) for key, name in names.items()}
    new = {key: contents.get(name) for key, name in _config_names(desired.compose).items()}
    for key in sorted({*old, *new}):
        left, right = old.get(key), new.get(key)
        if left != right:
            before += _section(f"config {key}", left)
            after += _section(f"config {key}", right)
    recorded = in_force.release if in_force else {}
    if desired.release and recorded != desired.release:
        before += _section("recorded with it", _pretty(recorded))
        after += _section("recorded with it", _pretty(desired.release))
    drifted = drift(in_force, observed.services)
    if drifted:
        title = "\n# as it runs, where that is not as it was deployed\n"
        before += title + "".join(f"{_name(entry)}: {entry.live}\n" for entry in drifted)
        after += title + "".join(f"{_name(entry)}: {entry.recorded}\n" for entry in drifted)
    return before, after


def observed_data(observed: Observed, name: str) -> str | None:
    """The content of a live config."""
    return next((item.data for item in observed.items if item.kind == "config" and item.name == name), None)


def _config_names(compose: Mapping[str, Any]) -> dict[str, str]:
    section = compose.get("configs") or {}
    return {key: (definition or {}).get("name") or key for key, definition in section.items()}


def _pretty(release: Mapping[str, Any]) -> str | None:
    """As people read it; of a password's bcrypt hash, by which it can be guessed, that it is there."""
    return _BCRYPT.sub("(not shown)", json.dumps(release, indent=2, sort_keys=True)) if release else None


def _section(title: str, content: str | None) -> str:
    if content is None:
        return ""
    return f"\n# {title}\n{content}" + ("" if content.endswith("\n") else "\n")


def _name(entry: Difference) -> str:
    return f"{entry.service}.{entry.field}" if entry.field else entry.service
