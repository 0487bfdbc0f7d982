# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which images have to be made and pushed, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.image.dockerfile import images_of
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import (
    Archive,
    Build,
    Entry,
    local_tag,
    recipe_of,
)

# Raise it when the way a base is bootstrapped changes: it is part of every base's recipe.
BOOTSTRAP_REVISION = 2
# The same for the way a network's authorities get into an official image that others are built on.
AUTHORITIES_REVISION = 2


@dataclass(frozen=True)
class Circumstances:
    """What decides recipes beside the catalog.

    ``contexts``: name -> sha256 of a build's context. ``trusted_ca``: hash of the trusted authorities, "" for none.
    ``archives``: name -> archive that exists. ``sha256_known``: an archive is taken only where its SHA-256 is known.
    ``generation``: the operator's word to build anew.
    ``bases``: full reference of an image -> the entry that stands in for it; then also ``dockerfiles``: name -> text,
    and ``build_args``: every build's.
    """

    contexts: Mapping[str, str] = field(default_factory=dict)
    trusted_ca: str = ""
    archives: Mapping[str, Archive] = field(default_factory=dict)
    sha256_known: bool = False
    generation: str = ""
    bases: Mapping[str, str] = field(default_factory=dict)
    dockerfiles: Mapping[str, str] = field(default_factory=dict)
    build_args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """An image that is wanted.

    ``how``: bootstrap, build, pull or load. ``base``: name of the target that its Dockerfile gets as ``BASE``.
    ``stand_ins``: full reference of an image that the Dockerfile asks for -> name of the target in its place.
    ``args``: the build's arguments.
    """

    name: str
    how: str
    recipe: str
    base: str = ""
    build: Build | None = None
    pull: str = ""
    archive: str = ""
    archive_sha256: str = ""
    internal: bool = False
    push: bool = True
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def bases(self) -> tuple[str, ...]:
        """Names of the targets that it is built on."""
        return tuple(name for name in dict.fromkeys((self.base, *self.stand_ins.values())) if name)

    @property
    def image(self) -> str:
        """The local reference."""
        return local_tag(self.name, self.recipe)


@dataclass(frozen=True)
class Make:
    """Get an image onto the docker host."""

    target: Target

    def __str__(self) -> str:
        target = self.target
        detail = {"pull": f" from {target.pull}", "load": f" from {target.archive}"}.get(target.how, "")
        return f"{target.how} {target.name}{detail} as {target.image}"


@dataclass(frozen=True)
class Push:
    """Push an image to the platform's registry."""

    target: Target
    registry_address: str

    def __str__(self) -> str:
        return f"push {self.target.name} to {remote_tag(self.target, self.registry_address)}"


def remote_tag(target: Target, registry_address: str) -> str:
    """The name under which the registry holds the image of this recipe."""
    return f"{registry_address}/{target.name}:{target.recipe[:12]}"


def remote_reference(name: str, digest: str, registry_address: str) -> str:
    """The name by which nodes pull an image from the registry: by digest, so each gets the same one."""
    return f"{registry_address}/{name}@{digest}"


def wanted_names(entries: Mapping[str, Entry], optional: Iterable[str]) -> list[str]:
    """What a catalog offers when nothing is asked for by name: all but bases, of the optional ones those named."""
    asked = list(optional)
    offered = [entry.name for entry in entries.values() if not entry.internal and not entry.optional]
    return list(dict.fromkeys([*offered, *asked]))


def choose(
    entries: Mapping[str, Entry], names: Iterable[str], circumstances: Circumstances, present: Collection[str]
) -> tuple[dict[str, Entry], list[str]]:
    """For the source ``auto``: the entries, each with a source where it can be told; and the names of the others.

    ``present``: local references of the images that the docker host has. What is there stays what it is, so that no
    image changes because a registry answers again; where both are, the official one is taken. What the catalog has one
    way for goes that way. Of the others, their registries have to be asked.
    """
    chosen = {
        name: entry if entry.source or (entry.pull and entry.build) else replace(entry, source=_only_source(entry))
        for name, entry in entries.items()
    }
    wanted = _with_bases(chosen, names, circumstances)
    for source in ("pull", "build"):
        for name in wanted:
            if not chosen[name].source:
                tried = replace(chosen[name], source=source)
                target = resolve({**chosen, name: tried}, [name], source, circumstances)[0].get(name)
                if target and target.image in present:
                    chosen[name] = tried
    return chosen, [name for name in wanted if not chosen[name].source]


def _only_source(entry: Entry) -> str:
    return "build" if entry.build else "pull"


def _with_bases(entries: Mapping[str, Entry], names: Iterable[str], circumstances: Circumstances) -> list[str]:
    """The names that are in the catalog, each behind what it is built on."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        entry = entries.get(name)
        if entry is None or name in found:
            return
        if entry.build and entry.build.base != name:
            add(entry.build.base)
        found[name] = None

    for name in [*names, *circumstances.bases.values()]:
        add(name)
    return list(found)


def resolve(
    entries: Mapping[str, Entry], names: Iterable[str], source: str, circumstances: Circumstances
) -> tuple[dict[str, Target], dict[str, str]]:
    """Targets for ``names`` and the bases they need, bases first; and name -> why its source can't give it."""
    targets: dict[str, Target] = {}
    problems: dict[str, str] = {}
    for name in names:
        _resolve(name, entries, source, circumstances, targets, problems)
    return targets, problems


def _resolve(
    name: str,
    entries: Mapping[str, Entry],
    source: str,
    circumstances: Circumstances,
    targets: dict[str, Target],
    problems: dict[str, str],
) -> Target | None:
    if name in targets or name in problems:
        return targets.get(name)
    if name not in entries:
        problems[name] = "it is not in the catalog"
        return None
    entry = entries[name]
    source = entry.source or source
    # Values of several types, each as its field wants it: mypy can't tell them apart where they are handed on.
    common = {"name": name, "internal": entry.internal, "push": entry.push and not entry.internal}
    if source == "archive":
        found = circumstances.archives.get(name)
        if found is None:
            problems[name] = "there is no archive of it"
            return None
        if circumstances.sha256_known and not found.sha256:
            problems[name] = f"images_archive_sha256 has others, and not that of {found.path}"
            return None
        content = [found.sha256] if found.sha256 else [found.size_bytes, found.modified_nanoseconds]
        recipe = recipe_of("archive", name, *content)
        targets[name] = Target(
            **common,  # type: ignore[arg-type]
            how="load",
            recipe=recipe,
            archive=found.path,
            archive_sha256=found.sha256,
        )
    elif source == "pull" and entry.pull:
        # A base needs the network's authorities for what is built on it; an image that only runs stays as it is.
        with_authorities = entry.internal and circumstances.trusted_ca
        recipe = recipe_of(
            "pull", entry.pull, [AUTHORITIES_REVISION, circumstances.trusted_ca] if with_authorities else ""
        )
        targets[name] = Target(**common, how="pull", recipe=recipe, pull=entry.pull)  # type: ignore[arg-type]
    elif entry.build is None:
        problems[name] = f"the catalog doesn't say how to build it{' nor where to pull it' if source == 'pull' else ''}"
        return None
    elif entry.build.bootstrap:
        recipe = recipe_of(
            "bootstrap",
            BOOTSTRAP_REVISION,
            entry.build.bootstrap,
            entry.build.packages,
            circumstances.trusted_ca,
            circumstances.generation,
        )
        targets[name] = Target(**common, how="bootstrap", recipe=recipe, build=entry.build)  # type: ignore[arg-type]
    else:
        target = _resolve_build(entry, entry.build, source, entries, circumstances, targets, problems)
        if target is None:
            return None
        targets[name] = replace(target, **common)  # type: ignore[arg-type]
    return targets[name]


def _resolve_build(
    entry: Entry,
    build: Build,
    source: str,
    entries: Mapping[str, Entry],
    circumstances: Circumstances,
    targets: dict[str, Target],
    problems: dict[str, str],
) -> Target | None:
    """A target that a Dockerfile makes, its bases resolved before it."""
    name, base = entry.name, build.base
    problems[name] = "it is built on itself"  # to whoever comes back here from one of its bases
    if base and _resolve(base, entries, source, circumstances, targets, problems) is None:
        problems[name] = f"its base {base} can't be had: {problems[base]}"
        return None
    args = {**circumstances.build_args, **build.args, **({"BASE": targets[base].image} if base else {})}
    try:
        asked = images_of(circumstances.dockerfiles.get(name, ""), args)
    except PlatformError as error:
        problems[name] = error.message
        return None
    stand_ins = {image: circumstances.bases[image] for image in asked if image in circumstances.bases}
    for image, one in stand_ins.items():
        if _resolve(one, entries, source, circumstances, targets, problems) is None:
            problems[name] = f"{one}, which stands in for {image}, can't be had: {problems[one]}"
            return None
    del problems[name]
    recipe = recipe_of(
        "build",
        circumstances.contexts.get(name, ""),
        targets[base].recipe if base else "",
        dict(build.args),
        circumstances.generation,
        *([{image: targets[one].recipe for image, one in stand_ins.items()}] if stand_ins else []),
    )
    return Target(name, "build", recipe, base=base, build=build, stand_ins=stand_ins, args=args)


def plan_images(
    targets: Mapping[str, Target],
    present: Iterable[str],
    *,
    registry_address: str = "",
    in_registry: Iterable[str] = (),
) -> list[Make | Push]:
    """What has to be done, bases first.

    ``present``: names whose image the docker host has. ``registry_address``: "" pushes nothing. ``in_registry``: names
    that the registry has already. A base is only made when something that stands on it is.
    """
    here, there = set(present), set(in_registry)
    needed: set[str] = set()
    for target in reversed(list(targets.values())):  # whatever stands on a base comes behind it
        if target.name not in here and (not target.internal or target.name in needed):
            needed.add(target.name)
            needed.update(target.bases)
    makes = [Make(target) for target in targets.values() if target.name in needed and target.name not in here]
    pushes = [
        Push(target, registry_address)
        for target in targets.values()
        if registry_address and target.push and target.name not in there
    ]
    return [*makes, *pushes]


def listing(targets: Mapping[str, Target], names: Iterable[str]) -> Sequence[str]:
    """The images of ``names`` for a diff, one line each."""
    wanted = set(names)
    return [f"{target.name}: {target.image} ({target.how})" for target in targets.values() if target.name in wanted]


def push_progress(names: Sequence[str], done: Collection[str]) -> str:
    """How far the pushes of these images are."""
    left = [name for name in names if name not in done]
    return f"{len(names) - len(left)} of {len(names)} pushed" + (f", not yet: {', '.join(left)}" if left else "")
