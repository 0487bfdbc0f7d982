# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation of module image_catalog: look at a docker host and a registry, then make and push what they lack."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import IO, Any, TypeVar

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import FOLDER, REGISTRY_LOCK, acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import each
from ansible_collections.fungap.swarm.plugins.module_utils.core.progress import Progress
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.image import model
from ansible_collections.fungap.swarm.plugins.module_utils.image import plan as planning
from ansible_collections.fungap.swarm.plugins.module_utils.image.archive import (
    find_archives,
    open_archive,
    refuse_another,
)
from ansible_collections.fungap.swarm.plugins.module_utils.image.bootstrap import (
    DEBIAN_KEYRING,
    bootstrap,
    find_mirrors,
)
from ansible_collections.fungap.swarm.plugins.module_utils.image.context import (
    authorities_context,
    authorities_hash,
    read_authorities,
    repack,
)
from ansible_collections.fungap.swarm.plugins.module_utils.image.dockerfile import with_images
from ansible_collections.fungap.swarm.plugins.module_utils.registry.api import Registry, RegistrySilentError

# An image of distribution packages is installed and compiled by dpkg, npm, ...: hours mean that something hangs.
BUILD_TIMEOUT_SECONDS = 1800
# A registry that was started just before answers within seconds.
REGISTRY_DEADLINE_SECONDS = 30
# Of a registry that doesn't answer within this time, the images are built (source auto).
AUTO_SECONDS = 5
# How long a push waits for a registry that is read-only while it collects its garbage.
READ_ONLY_SECONDS = 600
# How often an image is pushed that is deleted meanwhile.
PUSH_ATTEMPTS = 3
LOCK_FILE = f"{FOLDER}/images.lock"

T = TypeVar("T")


class ImageCatalog:
    """One call: the whole catalog on one docker host."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.engine = Engine(params["docker_socket"])
        self.entries = model.parse_catalog(params["catalog"])
        self.bases = model.parse_bases(params["bases"], self.entries)
        self.archive_sha256 = model.parse_sha256(params["archive_sha256"])
        self.credentials = {one["registry"]: one for one in params["credentials"] or []}
        if (own := params["registry_address"]) and own not in self.credentials and (login := self._auth()):
            self.credentials[own] = {"username": login[0], "password": login[1]}
        self.required = frozenset(params["required"])
        self.authorities = read_authorities(params["trusted_ca_files"])
        self.contexts: Mapping[str, Mapping[str, str]] = params["contexts"] or {}
        self.targets: dict[str, planning.Target] = {}
        self.problems: dict[str, str] = {}  # name -> why it was left out
        self.registry_problem: PlatformError | None = None
        # What comes from a tag is on its way to a rollout, and no revision needs it yet.
        self.on_their_way = [entry.name for entry in self.entries.values() if entry.follow and entry.push]
        self.progress = Progress(params["progress"])

    # --- look ---

    def plan(self) -> Plan:
        names = self.params["names"]
        if names is None:
            names = planning.wanted_names(self.entries, [*self.params["optional"], *self.params["required"]])
        if self.params["source"] == model.AUTO:
            self._choose(names)
        unknown = self._follow(names)
        self.targets, problems = planning.resolve(self.entries, names, self.params["source"], self._circumstances())
        problems.update(unknown)
        here = self._present()
        problems.update(self._pull_problems(here))
        problems.update(self._archive_problems(here))
        only = self.params["push_names"]
        warnings = self._judge(problems)
        refs = self._refs()
        actions = [
            action
            for action in planning.plan_images(
                self.targets,
                here,
                registry_address=self.params["registry_address"] if self.params["push"] else "",
                in_registry=refs,
            )
            if isinstance(action, planning.Make) or only is None or action.target.name in only
        ]
        wanted = [target.name for target in self.targets.values() if not target.internal]
        return Plan(
            actions=actions,
            before={
                "images": planning.listing(self.targets, (name for name in wanted if name in here)),
                "registry": sorted(refs.values()),
            },
            after={
                "images": planning.listing(self.targets, wanted),
                "registry": sorted([*refs.values(), *_to_be_pushed(actions).values()]),
            },
            result=self._result({**_to_be_made(actions), **here}, {**refs, **_to_be_pushed(actions)}),
            warnings=warnings,
            upkeep=[name for name in self.on_their_way if self.params["push"] and name in self.targets],
        )

    def _choose(self, names: Iterable[str]) -> None:
        """Give each entry a source; the registries are asked only for what is here in neither way."""
        present = self.engine.images.tags(f"{model.LOCAL_PREFIX}/*")
        self.entries, open_ones = planning.choose(self.entries, names, self._circumstances(), present)
        if not open_ones:
            return
        engine = Engine(self.engine.socket, timeout_seconds=AUTO_SECONDS)

        def source(name: str) -> str:
            return "build" if engine.images.pull_problem(self.entries[name].pull, self.credentials) else "pull"

        for name, found in zip(open_ones, each(source, open_ones, workers=len(open_ones)), strict=True):
            self.entries[name] = replace(self.entries[name], source=found)

    def _follow(self, names: Iterable[str]) -> dict[str, str]:
        """Name what is to be followed by the digest that it has now; name -> why that can't be known."""
        problems = {}
        for name in names:
            entry = self.entries.get(name)
            if not entry or not entry.follow or (entry.source or self.params["source"]) != "pull":
                continue
            try:
                digest = self.engine.images.source_digest(entry.pull, self.credentials)
                self.entries[name] = replace(entry, pull=model.by_digest(entry.pull, digest), follow=False)
            except PlatformError as error:
                problems[name] = f"cannot pull {entry.pull}: {self._pull_problem(entry.pull) or error.message}"
        return problems

    def _circumstances(self) -> planning.Circumstances:
        return planning.Circumstances(
            contexts={name: context["sha256"] for name, context in self.contexts.items()},
            trusted_ca=authorities_hash(self.authorities),
            archives=find_archives(self.params["archive_dir"], self.entries, self.archive_sha256),
            sha256_known=bool(self.archive_sha256),
            generation=self.params["generation"],
            bases=self.bases,
            dockerfiles={name: context.get("dockerfile", "") for name, context in self.contexts.items()},
            build_args={key: str(value) for key, value in self.params["build_environment"].items()},
        )

    def _present(self) -> dict[str, str]:
        """Name -> id of the targets that the docker host has."""
        tags = self.engine.images.tags(f"{model.LOCAL_PREFIX}/*")
        return {target.name: tags[target.image] for target in self.targets.values() if target.image in tags}

    def _pull_problems(self, here: Mapping[str, str]) -> dict[str, str]:
        """Ask the registries of what has to be pulled, all at once, before anything is changed."""
        pulls = [
            action.target
            for action in planning.plan_images(self.targets, here)
            if isinstance(action, planning.Make) and action.target.how == "pull"
        ]
        found = each(self._pull_problem, (target.pull for target in pulls), workers=len(pulls))
        return {
            target.name: f"cannot pull {target.pull}: {problem}"
            for target, problem in zip(pulls, found, strict=True)
            if problem
        }

    def _pull_problem(self, reference: str) -> str | None:
        return Engine(self.engine.socket).images.pull_problem(reference, self.credentials)

    def _archive_problems(self, here: Mapping[str, str]) -> dict[str, str]:
        """Why an archive that has to be loaded is not the one that is meant, before anything is changed."""
        problems = {}
        for target in self.targets.values():
            if target.archive_sha256 and target.name not in here:
                try:
                    with open(target.archive, "rb") as file:
                        refuse_another(file, target.archive_sha256)
                except PlatformError as error:
                    problems[target.name] = error.message
        return problems

    def _judge(self, problems: dict[str, str]) -> list[str]:
        """Fail by name, or leave out what can't be had and all that stands on it; return warnings."""
        for target in self.targets.values():
            for base in target.bases:
                if base in problems:
                    problems.setdefault(target.name, f"its base {base} can't be had: {problems[base]}")
        if not problems:
            return []
        fatal = {name: reason for name, reason in problems.items() if not self._may_lack(name)}
        if fatal:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in fatal.items())
            if all(self._is_followed(name) for name in fatal):
                raise PlatformError(f"{reasons}. Look at the name, its tag and the login", missing_images=fatal)
            where = f" in {self.params['archive_dir']}" if self.params["source"] == "archive" else ""
            skip = "" if self.required >= set(fatal) else ", or images_missing: skip"
            raise PlatformError(
                f"{len(fatal)} image(s) can't be had from source {self.params['source']}{where}: {reasons}. "
                f"Choose another images_source{skip}",
                missing_images=fatal,
            )
        self.targets = {name: target for name, target in self.targets.items() if name not in problems}
        self.problems = problems
        return [f"image left out, {name}: {reason}" for name, reason in problems.items()]

    def _is_followed(self, name: str) -> bool:
        return name in self.entries and self.entries[name].follow

    def _may_lack(self, name: str) -> bool:
        if name in self.required:
            return False
        entry = self.entries.get(name)
        return ((entry and entry.missing) or self.params["missing"]) == "skip"

    def _refs(self) -> dict[str, str]:
        """Name -> reference by digest, of what the registry has. A registry that can't be asked has nothing."""
        address = self.params["registry_address"]
        tags = {target.name: target.recipe[:12] for target in self.targets.values() if target.push}
        self.registry_problem = None
        if not address:
            return {}
        try:
            digests = self._registry().digests(tags)
        except PlatformError as error:
            self.registry_problem = error
            return {}
        return {name: planning.remote_reference(name, digest, address) for name, digest in digests.items()}

    def _registry(self) -> Registry:
        address = self.params["registry_address"]
        return Registry(address, ca_file=os.path.join(self.params["certs_dir"], address, "ca.crt"), auth=self._auth())

    def _refs_once_it_answers(self) -> dict[str, str]:
        """The same, of a registry that may have been started a moment ago."""
        refs: dict[str, str] = {}

        def answers() -> bool:
            refs.update(self._refs())
            return not isinstance(self.registry_problem, RegistrySilentError)

        wait_until(answers, deadline_seconds=REGISTRY_DEADLINE_SECONDS, failure=lambda: str(self.registry_problem))
        if self.registry_problem:
            raise self.registry_problem
        return refs

    def _auth(self) -> tuple[str, str] | None:
        folder = self.params["registry_config"]
        path = os.path.join(folder, "config.json") if folder else ""
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            return model.parse_registry_auth(file.read(), self.params["registry_address"])

    def _result(self, here: Mapping[str, str], refs: Mapping[str, str]) -> dict[str, Any]:
        images: dict[str, dict[str, str]] = {}
        for target in self.targets.values():
            if target.internal:
                continue
            images[target.name] = {"image": target.image, "recipe": target.recipe}
            if target.name in here:
                images[target.name]["id"] = here[target.name]
            if target.name in refs:
                images[target.name]["ref"] = refs[target.name]
        sources = {target.name: target.how for target in self.targets.values() if not target.internal}
        return {
            "images": images,
            "tags": [target.image for target in self.targets.values()],
            "skipped_images": self.problems,
            "sources": sources,
            "ansible_facts": {
                "platform_images": images,
                "platform_images_missing": self.problems,
                "platform_images_sources": sources,
            },
        }

    # --- act ---

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        makes = [action for action in plan.actions if isinstance(action, planning.Make)]
        pushes = [action for action in plan.actions if isinstance(action, planning.Push)]
        needs = self._needs(makes)
        if needs:
            return {"needs": needs}
        if pushes and self.registry_problem:
            there = self._refs_once_it_answers()
            pushes = [action for action in pushes if action.target.name not in there]
        durations: dict[str, float] = {}
        if makes:
            with acquire_lock(LOCK_FILE, "a run that makes images", wait_seconds=BUILD_TIMEOUT_SECONDS):
                here = self._present()  # another run may have made some while this one waited
                waiting = [action for action in makes if action.target.name not in here]
                durations.update(_in_parallel(waiting, self._make))
        if pushes:
            durations.update({f"push {name}": took for name, took in self._push_all(pushes).items()})
        for name in plan.upkeep:
            self._make_sure_of(self.targets[name])
        return {**self._result(self._present(), self._refs()), "durations_seconds": durations}

    def _needs(self, makes: Iterable[planning.Make]) -> dict[str, Any]:
        """What the action plugin has to bring before anything can be built."""
        needs: dict[str, Any] = {}
        contexts = [make.target.name for make in makes if make.target.how == "build"]
        missing = [name for name in contexts if "path" not in self.contexts.get(name, {})]
        if missing:
            needs["contexts"] = missing
        if any(make.target.how == "bootstrap" for make in makes) and not (
            shutil.which("mmdebstrap") and os.path.exists(DEBIAN_KEYRING)
        ):
            needs["packages"] = True
        return needs

    def _make(self, action: planning.Make) -> None:
        target = action.target
        engine = Engine(self.engine.socket, timeout_seconds=BUILD_TIMEOUT_SECONDS)
        if target.how == "bootstrap":
            bootstrap(
                engine,
                target,
                mirrors=find_mirrors(self.params["debian_mirror"], self.params["debian_security_mirror"]),
                authorities=self.authorities,
                environment=self.params["build_environment"],
                labels=self._labels(target),
            )
        elif target.how == "build":
            self._build(engine, target)
        elif target.how == "load":
            with open_archive(target.archive, target.archive_sha256) as archive:
                loaded = engine.images.load(archive)
            engine.images.tag(loaded, target.image)
        elif target.internal and self.authorities:
            engine.images.pull(target.pull)
            context = authorities_context(target.pull, self.authorities)
            engine.images.build(context, target.image, args={}, labels=self._labels(target))
        else:
            engine.images.pull(target.pull, self.credentials)
            engine.images.tag(target.pull, target.image)

    def _build(self, engine: Engine, target: planning.Target) -> None:
        found = self.contexts[target.name]
        with open(found["path"], "rb") as packed, tempfile.TemporaryFile() as changed:
            context: IO[bytes] = packed
            if target.stand_ins:
                images = {image: self.targets[name].image for image, name in target.stand_ins.items()}
                repack(packed, changed, with_images(found["dockerfile"], images, target.args))
                context = changed
            engine.images.build(context, target.image, args=dict(target.args), labels=self._labels(target))

    def _labels(self, target: planning.Target) -> dict[str, str]:
        return {model.RECIPE_LABEL: target.recipe, model.MADE_FOR_LABEL: self.params["platform"]}

    def _push_all(self, pushes: list[planning.Push]) -> dict[str, float]:
        names, lock = [action.target.name for action in pushes], threading.Lock()
        done: set[str] = set()

        def push(action: planning.Push) -> None:
            self._push(action)
            with lock:
                done.add(action.target.name)
                self.progress.tell(planning.push_progress(names, done))

        self.progress.tell(planning.push_progress(names, done))
        return _in_parallel(pushes, push)

    def _push(self, action: planning.Push) -> None:
        engine = Engine(self.engine.socket, timeout_seconds=BUILD_TIMEOUT_SECONDS)
        reference = planning.remote_tag(action.target, action.registry_address)
        engine.images.tag(action.target.image, reference)
        try:
            self._until_writable(lambda: engine.images.push(reference, self._auth()))
        finally:
            engine.images.untag(reference)

    def _make_sure_of(self, target: planning.Target) -> None:
        """That a clean-up of the registry leaves an image, which it may have judged, or deleted, since the look."""

        def renew() -> bool:
            address = self.params["registry_address"]
            with acquire_lock(REGISTRY_LOCK.format(address=address), "a push", wait_seconds=REGISTRY_DEADLINE_SECONDS):
                return self._registry().renew(target.name, target.recipe[:12])

        for _attempt in range(PUSH_ATTEMPTS):
            if self._until_writable(renew):
                return
            if target.name not in self._present():
                self._make(planning.Make(target))
            self._push(planning.Push(target, self.params["registry_address"]))
        raise PlatformError(f"the registry loses {target.name} as often as it is pushed")

    def _until_writable(self, push: Callable[[], T]) -> T:
        """Push; when that fails, once more as soon as the registry takes pushes: for a moment it may be read-only."""
        try:
            return push()
        except PlatformError:
            self._await_writable()
            return push()

    def _await_writable(self) -> None:
        heard = time.monotonic()

        def is_writable() -> bool:
            nonlocal heard
            try:
                writable = self._registry().is_writable()
            except RegistrySilentError:
                if time.monotonic() - heard > REGISTRY_DEADLINE_SECONDS:
                    raise
                return False
            heard = time.monotonic()
            return writable

        address = self.params["registry_address"]
        wait_until(
            is_writable,
            deadline_seconds=READ_ONLY_SECONDS,
            failure=lambda: f"the registry {address} has been read-only for {READ_ONLY_SECONDS} s",
        )


def _to_be_made(actions: Iterable[planning.Make | planning.Push]) -> dict[str, str]:
    """What check mode says for an id that nobody knows yet: the name that the image will have."""
    return {action.target.name: action.target.image for action in actions if isinstance(action, planning.Make)}


def _to_be_pushed(actions: Iterable[planning.Make | planning.Push]) -> dict[str, str]:
    """The same for a reference by digest: the one by tag."""
    return {
        action.target.name: planning.remote_tag(action.target, action.registry_address)
        for action in actions
        if isinstance(action, planning.Push)
    }


def _in_parallel(actions: list[Any], work: Callable[[Any], None]) -> dict[str, float]:
    """Do all ``actions`` at once, each after those that make its bases; name -> seconds.

    Every failure is reported by name; what stands on a failed base is not begun.
    """
    futures: dict[str, Future[float]] = {}

    def one(action: Any, bases: list[Future[float]]) -> float:
        for base in bases:
            base.result()
        start = time.monotonic()
        work(action)
        return round(time.monotonic() - start, 1)

    with ThreadPoolExecutor(max_workers=max(len(actions), 1)) as pool:
        for action in actions:  # bases come first
            bases = [futures[base] for base in action.target.bases if base in futures]
            futures[action.target.name] = pool.submit(one, action, bases)
    failures: dict[str, PlatformError] = {}
    for name, future in futures.items():
        error = future.exception()
        if isinstance(error, PlatformError):
            if error not in failures.values():
                failures[name] = error
        elif error:
            raise error
    if failures:
        raise PlatformError(
            "; ".join(f"{name}: {error.message}" for name, error in failures.items()),
            failed_images={name: {"message": error.message, **error.details} for name, error in failures.items()},
        )
    return {name: future.result() for name, future in futures.items()}
