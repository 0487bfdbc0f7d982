# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which images a platform still needs, and what of the rest can go: from its registry and from its engines. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.image.model import MADE_FOR_LABEL, is_made_for
from ansible_collections.fungap.swarm.plugins.module_utils.registry.model import (
    Manifest,
    Reference,
    Storage,
    parse_reference,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import ACTIVE_VERDICTS, Revision

Json = Mapping[str, Any]
Reasons = Mapping[str, Sequence[str]]

# Tasks that no longer run and never will again.
ENDED = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"}


# --- what is needed ---


def needed_images(
    services: Iterable[Json], tasks: Iterable[Json], revisions: Mapping[str, Sequence[Revision]]
) -> dict[str, list[str]]:
    """Reference -> why, of every image that the swarm runs or can be rolled back to.

    ``services``, ``tasks``: of ``GET /services`` and ``GET /tasks``; what swarm itself would roll back to counts too.
    ``revisions``: by stack, all that are recorded: how many are kept, a deploy decides. Those that ran count.
    """
    needed: dict[str, list[str]] = {}

    def add(image: str, why: str) -> None:
        reasons = needed.setdefault(image, [])
        if image and why not in reasons:
            reasons.append(why)

    names = {}
    for service in services:
        names[service["ID"]] = name = service["Spec"]["Name"]
        add(_image(service["Spec"]), f"service {name}")
        if service.get("PreviousSpec"):
            add(_image(service["PreviousSpec"]), f"service {name} before its last update")
    for task in tasks:
        if task["Status"]["State"] not in ENDED:
            add(_image({"TaskTemplate": task["Spec"]}), f"service {names.get(task.get('ServiceID', ''), '?')}")
    for stack, recorded in sorted(revisions.items()):
        for revision in sorted(recorded, key=lambda one: -one.number):
            if revision.verdict in ACTIVE_VERDICTS:
                images = [_image(spec) for spec in revision.specs.values()]
                images += [one.get("image", "") for one in (revision.compose.get("services") or {}).values()]
                for image in images:
                    add(image, f"revision {revision.number} of {stack}")
    needed.pop("", None)
    return needed


def _image(spec: Json) -> str:
    return str((spec["TaskTemplate"].get("ContainerSpec") or {}).get("Image") or "")


# --- the registry ---


@dataclass(frozen=True)
class Restore:
    """Let the registry be written to again, which a run that was killed has not."""

    def __str__(self) -> str:
        return "let the registry be written to again"


@dataclass(frozen=True)
class DeleteManifest:
    """Delete one image from one repository."""

    manifest: Manifest

    def __str__(self) -> str:
        return f"delete {describe(self.manifest)}"


@dataclass(frozen=True)
class RemoveRepository:
    """Remove a repository that holds nothing."""

    name: str

    def __str__(self) -> str:
        return f"remove repository {self.name}"


@dataclass(frozen=True)
class Collect:
    """Free the space of what no image refers to."""

    blobs: int
    size_bytes: int

    def __str__(self) -> str:
        return f"free {human(self.size_bytes)} ({self.blobs} blob{'s' * (self.blobs != 1)})"


@dataclass(frozen=True)
class RegistryPlan:
    """``kept``: manifest -> why. ``missing``: needed references that the registry does not have -> why."""

    kept: Mapping[Manifest, Sequence[str]]
    missing: Reasons
    deletions: Sequence[DeleteManifest] = ()
    repositories: Sequence[RemoveRepository] = ()
    collect: Collect | None = None

    @property
    def actions(self) -> list[DeleteManifest | RemoveRepository | Collect]:
        """In the order in which they are done."""
        return [*self.deletions, *self.repositories, *([self.collect] if self.collect else [])]


def plan_registry(storage: Storage, needed: Reasons, *, address: str, now: float, grace_seconds: float) -> RegistryPlan:
    """Keep what is needed, what it is made of, and what is younger than the grace period; the rest goes.

    ``needed``: reference -> why; those of other registries than ``address`` are ignored. ``now``: seconds since the
    epoch. A push leaves blobs before its manifest: blobs that nothing refers to stay for the grace period, too.
    """
    asked, missing = _look_up(storage, needed, address)
    kept = _with_parts({**asked, **_just_pushed(storage, asked, now, grace_seconds)}, storage)
    gone = [manifest for manifest in storage.manifests if manifest not in kept]
    inhabited = {manifest.repository for manifest in kept}
    empty = [
        name
        for name, written in sorted(storage.repositories.items())
        if name not in inhabited and now - written >= grace_seconds
    ]
    used = _reachable(kept)
    garbage = [
        blob.size_bytes
        for digest, blob in storage.blobs.items()
        if digest not in used and now - blob.written >= grace_seconds
    ]
    return RegistryPlan(
        kept=kept,
        missing=missing,
        # A list goes before what it refers to.
        deletions=[DeleteManifest(one) for one in sorted(gone, key=lambda one: (not one.children, one.name))],
        repositories=[RemoveRepository(name) for name in empty],
        collect=Collect(len(garbage), sum(garbage)) if garbage else None,
    )


def _look_up(
    storage: Storage, needed: Reasons, address: str
) -> tuple[dict[Manifest, Sequence[str]], dict[str, Sequence[str]]]:
    """(manifest -> why, reference -> why): what is needed of this registry and there, and what isn't there."""
    by_digest = {(one.repository, one.digest): one for one in storage.manifests}
    by_tag = {(one.repository, tag): one for one in storage.manifests for tag in one.tags}
    found: dict[Manifest, Sequence[str]] = {}
    missing: dict[str, Sequence[str]] = {}
    for text, reasons in needed.items():
        reference = parse_reference(text)
        if reference.registry != address:
            continue
        if reference.digest:
            manifest = by_digest.get((reference.repository, reference.digest))
        else:
            manifest = by_tag.get((reference.repository, reference.tag or "latest"))
        if manifest is None:
            missing[text] = reasons
        else:
            found[manifest] = list(dict.fromkeys([*found.get(manifest, []), *reasons]))
    return found, missing


def _just_pushed(
    storage: Storage, needed: Collection[Manifest], now: float, grace_seconds: float
) -> dict[Manifest, Sequence[str]]:
    """Of what isn't needed, what may yet be: a run pushes an image before a service refers to it."""
    return {
        manifest: [f"pushed {_minutes_ago(manifest.pushed, now)}"]
        for manifest in storage.manifests
        if manifest not in needed and now - manifest.pushed < grace_seconds
    }


def _with_parts(kept: Mapping[Manifest, Sequence[str]], storage: Storage) -> dict[Manifest, Sequence[str]]:
    """With what they are made of, and what that is made of."""
    by_digest = {(one.repository, one.digest): one for one in storage.manifests}
    whole = dict(kept)
    parents = list(kept)
    while parents:
        parent = parents.pop()
        for digest in parent.children:
            child = by_digest.get((parent.repository, digest))
            if child is not None and child not in whole:
                whole[child] = [f"part of {short(parent.digest)}"]
                parents.append(child)
    return whole


def _minutes_ago(then: float, now: float) -> str:
    return f"{max(now - then, 0) / 60:.0f} min ago"


def last_push(storage: Storage) -> float:
    """When a push that is not complete was last heard of: an upload, or a blob that nothing refers to yet."""
    used = _reachable(storage.manifests)
    return max([storage.last_upload, *(blob.written for digest, blob in storage.blobs.items() if digest not in used)])


def _reachable(manifests: Iterable[Manifest]) -> set[str]:
    return {digest for one in manifests for digest in (one.digest, *one.children, *one.blobs)}


def describe(manifest: Manifest) -> str:
    """A manifest for a person."""
    tags = f" ({', '.join(manifest.tags)})" if manifest.tags else ""
    return f"{manifest.repository}@{short(manifest.digest)}{tags}"


def short(digest: str) -> str:
    """A digest cut to the twelve digits that people compare."""
    return digest[: digest.find(":") + 13]


def human(size_bytes: float) -> str:
    """A size for a person: 1.5 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size_bytes) < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


# --- engines ---


@dataclass(frozen=True)
class LocalImage:
    """An image of an engine. ``names``: by tag and by digest. ``size_bytes``: with what it shares with others.

    ``used_by``: containers, stopped ones too. ``created``: seconds since the epoch. ``made_for``: the platform that it
    was built for, as its label says.
    """

    id: str
    names: tuple[str, ...]
    size_bytes: int
    created: float
    used_by: tuple[str, ...] = ()
    made_for: str = ""


@dataclass(frozen=True)
class RemoveImage:
    """Take names from an image of an engine; it goes with its last one. No names: it has none."""

    engine: str
    image: LocalImage
    names: tuple[str, ...]

    def __str__(self) -> str:
        names = [_shortened(name) for name in self.names] or [f"{short(self.image.id)}, which has no name"]
        return f"remove {', '.join(names)} from {self.engine} ({human(self.image.size_bytes)})"


def parse_images(images: Iterable[Json], containers: Iterable[Json]) -> list[LocalImage]:
    """The images of ``GET /images/json`` with the containers of ``GET /containers/json`` that use them."""
    users: dict[str, list[str]] = {}
    for container in containers:
        users.setdefault(container["ImageID"], []).append(container["Names"][0].lstrip("/"))
    found = []
    for image in images:
        names = [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]
        found.append(
            LocalImage(
                id=image["Id"],
                names=tuple(name for name in names if "<none>" not in name),
                size_bytes=image["Size"],
                created=image["Created"],
                used_by=tuple(sorted(users.get(image["Id"], ()))),
                made_for=(image.get("Labels") or {}).get(MADE_FOR_LABEL, ""),
            )
        )
    return sorted(found, key=lambda image: (image.names, image.id))


def plan_images(
    engine: str,
    images: Iterable[LocalImage],
    needed: Iterable[str],
    *,
    platform: str,
    others: Collection[str],
    registry: str,
    catalog: Collection[str],
    now: float,
    grace_seconds: float,
) -> tuple[list[RemoveImage], dict[LocalImage, str]]:
    """What can go from one engine; and what of the platform's stays -> why.

    Only names below ``registry`` that are not in ``needed``, older recipes of the images of ``catalog`` (local names
    of the current ones), and images without a name are touched; never what a container uses or what is younger than
    the grace period. ``others``: the platforms beside ``platform`` on the engine; what was built for one of them, or
    may have been, is theirs.
    """
    wanted = _references(needed)
    repositories = {_repository(name) for name in catalog}
    removals, kept = [], {}
    for image in images:
        own = is_made_for(image.made_for, platform, others)
        pulled = [name for name in image.names if name.startswith(f"{registry}/")]
        made = [name for name in image.names if own and _repository(name) in repositories]
        is_nameless = own and not image.names
        if not (pulled or made or is_nameless):
            continue  # someone else's
        if why := _why_untouched(image, now, grace_seconds):
            kept[image] = why
            continue
        is_needed = any(parse_reference(name) in wanted for name in pulled)
        spare = [*(name for name in made if name not in catalog), *([] if is_needed else pulled)]
        if spare or is_nameless:
            removals.append(RemoveImage(engine, image, tuple(spare)))
        if len(spare) < len(pulled) + len(made):
            kept[image] = "needed"
    return removals, kept


def _references(needed: Iterable[str]) -> set[Reference]:
    """With those that have a tag and a digest by the digest alone, too."""
    full = {parse_reference(name) for name in needed}
    return full | {Reference(one.registry, one.repository, digest=one.digest) for one in full if one.digest}


def _repository(local_name: str) -> str:
    return local_name.rpartition(":")[0]


def _why_untouched(image: LocalImage, now: float, grace_seconds: float) -> str:
    if image.used_by:
        return "used by " + ", ".join(image.used_by)
    return f"made {_minutes_ago(image.created, now)}" if now - image.created < grace_seconds else ""


def _shortened(name: str) -> str:
    start, at, digest = name.partition("@")
    return f"{start}{at}{short(digest)}" if at else start
