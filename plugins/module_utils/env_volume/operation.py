# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``env_volume``."""

from __future__ import annotations

import base64
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, TypeAlias, TypeVar

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import in_parallel
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.docker.archives import ChunkFile
from ansible_collections.fungap.swarm.plugins.module_utils.docker.containers import TASK_LABEL, said, volumes_of
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import files as env_files
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import model as env
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import plan as planning

Result = TypeVar("Result")
# Reading a refused target stops here: enough to name and to count.
ENTRIES_READ = 2000
# How long containers of a service that was removed may take to go.
ENDS_SECONDS = 60
# (node, version) to the volume on it, and the file in that.
Sources: TypeAlias = "dict[tuple[str, str], tuple[env.EnvVolume, env.EnvFile]]"


@dataclass(frozen=True)
class Verified:
    """What is known of the image: its target hides nothing, the file's owner is this."""

    owner: env.Owner


@dataclass(frozen=True)
class Verify:
    """Pull the image and look into it: needed before the plan can be known for certain."""

    image: str
    target: str

    def __str__(self) -> str:
        return f"pull {self.image} and check that nothing in {self.target} would be hidden"


def _given(value: Result | None, parameter: str) -> Result:
    if value is None:
        raise PlatformError(f"{parameter} is required")
    return value


class EnvVolume:
    """One call of the module."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.app: str = params["app"]
        self.absent = params["state"] == "absent"
        self.content: bytes | None = (
            None if params["content"] is None else params["content"].encode("utf-8", "surrogateescape")
        )
        self.version: str | None = params["version"] or None
        self.file_name: str = params["file_name"]
        self.target = env.check_target(params["target"])
        self.image: str | None = params["image"] or None
        # What the owner is given by; empty: by the image's own user.
        self.user: str = params["owner"] or params["user"] or ""
        self.owner = _owner(params["owner"], self.user)
        self.mode = env.check_mode(params["mode"])
        self.sockets = {node["name"]: node["socket"] for node in params["nodes"]}
        self.manager_socket: str | None = params["manager_socket"] or None
        self.ready = _versions_by_node(params["ready"])
        self.ready_given = params["ready"] is not None
        self.lost = _versions_by_node(params["lost"])
        self.copies = {one["version"]: one for one in params["copies"] or []}
        self.copies_given = params["copies"] is not None
        self.registry_config: str | None = params["registry_config"]
        self.keep: int = params["keep"]
        self.keep_versions = frozenset(params["keep_versions"])
        self._refuse_what_cannot_be(params)
        self.engines: dict[str, Engine] = {}
        self.node_ids: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.placeholders: list[str] = []
        self.observed = planning.Observed(volumes={}, labels={})
        self.mounts: list[env.EnvMount] = []
        # Node, and a container on it that has an env volume of the app.
        self.holders: list[tuple[str, dict[str, Any]]] = []
        self.manager: Engine | None = None

    def _refuse_what_cannot_be(self, params: Mapping[str, Any]) -> None:
        env.check_names(self.app, self.file_name)
        if len(self.sockets) != len(params["nodes"]):
            raise PlatformError("nodes: two entries have the same name")
        if self.content is not None:
            env.parse_env(params["content"])
        if self.content is None and self.version is None and self.sockets and not self.absent:
            raise PlatformError("content or version is required for writing to nodes")
        if not self.sockets and not self.manager_socket:
            raise PlatformError("give nodes to write to, or manager_socket to set labels, or both")

    # --- looking ---

    def plan(self) -> Plan:
        """See the protocol."""
        self._observe()
        if self.absent:
            self._await_ends()
            self._refuse_removal_in_use()
            return self._planned(None)
        if self.content is None and self.version is None:
            return self._planned(None)
        verified = self._verify(pull=False)
        if verified is None:
            return self._planned(self.owner or env.Owner(), first=[Verify(_given(self.image, "image"), self.target)])
        self._refuse_other_access(verified.owner)
        return self._planned(verified.owner)

    def _refuse_other_access(self, owner: env.Owner) -> None:
        """A version is its owner's, with its mode: an app that runs as somebody else could not read it."""
        if self.version is None:
            return
        held = [volumes[self.version] for volumes in self.observed.volumes.values() if self.version in volumes]
        brought = self.copies.get(self.version, {})
        owners = {volume.owner for volume in held if volume.owner} | _said(brought, "owner")
        if owners and str(owner) not in owners:
            runs = f"app {self.app} runs it" if self.user or not self.image else f"image {self.image} runs"
            raise PlatformError(
                f"env version {self.version} belongs to user {', '.join(sorted(owners))}, and {runs} "
                f"as {owner}, who could not read it: deploy it together with its env file"
            )
        modes = {volume.mode for volume in held if volume.managed} | _said(brought, "mode")
        if modes and self.mode not in modes:
            raise PlatformError(
                f"env version {self.version} has mode {', '.join(sorted(modes))}, and {self.mode} is wanted: deploy it "
                "together with its env file"
            )

    def _observe(self) -> None:
        volumes: dict[str, Mapping[str, env.EnvVolume]] = {}
        in_use: dict[str, planning.Versions] = {}
        helpers: dict[str, tuple[str, ...]] = {}
        held_by: dict[str, list[dict[str, Any]]] = {}

        def look(name: str) -> Callable[[], None]:
            def look_at_node() -> None:
                engine = Engine(self.sockets[name])
                if self.manager_socket:
                    node_id = str((engine.info().get("Swarm") or {}).get("NodeID") or "")
                    if not node_id:
                        raise PlatformError("it isn't a member of the swarm")
                    self.node_ids[name] = node_id
                found = env.env_volumes(self.app, engine.volumes.containing(env.volume_name(self.app, "")))
                names = {env.volume_name(self.app, version) for version in found}
                containers = engine.containers.with_labels({})
                holders = [one for one in containers if names & volumes_of(one)]
                mine = [one for one in containers if self._is_helper(one)]
                # Asked only where they are to go.
                mine += [one for one in holders if self.absent and engine.containers.is_left_over(one)]
                held_by[name] = [one for one in holders if one not in mine]
                mounted = set().union(*map(volumes_of, held_by[name]))
                volumes[name] = found
                in_use[name] = frozenset(version for version in found if env.volume_name(self.app, version) in mounted)
                helpers[name] = tuple(one["Id"] for one in mine)
                self.engines[name] = engine

            return look_at_node

        self.left_out = in_parallel({name: look(name) for name in self.sockets})
        # Where this is not the only docker host, the others' nodes may be enough.
        if self.sockets and not self.engines and not self.ready_given:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in sorted(self.left_out.items()))
            raise PlatformError(f"no node of app {self.app} can be written to: {reasons}")
        labels = dict(self.ready)
        if self.manager_socket:
            self.manager = Engine(self.manager_socket)
            labels = self._node_labels(self.manager.swarm.nodes())
            self.mounts = env.env_mounts(self.app, self.manager.services.all())
        self.holders = [(node, one) for node in sorted(held_by) for one in held_by[node]]
        self.observed = planning.Observed(
            volumes=volumes,
            labels=labels,
            referenced=frozenset(mount.version for mount in self.mounts),
            in_use=in_use,
            helpers=helpers,
            elsewhere={version: one["node"] for version, one in self.copies.items()},
        )

    def _is_helper(self, container: Mapping[str, Any]) -> bool:
        labels = container.get("Labels") or {}
        return labels.get(env.LABEL_HELPER) == "env_volume" and labels.get(env.LABEL_APP) == self.app

    def _node_labels(self, nodes: Iterable[Mapping[str, Any]]) -> dict[str, planning.Versions]:
        """Labels by the node's name; a node of this call is known by its id, so that no ghost of its name is meant."""
        names = {node_id: name for name, node_id in self.node_ids.items()}
        labels: dict[str, planning.Versions] = {}
        # Nodes that are down come first, so that one that is ready wins over its own ghost.
        for node in sorted(nodes, key=lambda node: str((node.get("Status") or {}).get("State")) == "ready"):
            name = names.get(node["ID"]) or str((node.get("Description") or {}).get("Hostname") or node["ID"])
            if name in self.node_ids and names.get(node["ID"]) != name:
                continue
            self.node_ids[name] = node["ID"]
            names[node["ID"]] = name
            labels[name] = env.labelled_versions(self.app, (node.get("Spec") or {}).get("Labels") or {})
        return labels

    def _await_ends(self) -> None:
        """Of a service that was just removed, the nodes take the containers away a moment after its last task."""
        end = time.monotonic() + ENDS_SECONDS
        while not self.mounts and self.holders and self._are_tasks() and time.monotonic() < end:
            time.sleep(0.5)
            self._observe()

    def _are_tasks(self) -> bool:
        """Whether swarm will end all that holds a volume: nobody waits for what a user has started."""
        return all(TASK_LABEL in (container.get("Labels") or {}) for _node, container in self.holders)

    def _refuse_removal_in_use(self) -> None:
        services = sorted({mount.service for mount in self.mounts})
        containers = [f"container {said(one)} on {node}" for node, one in self.holders]
        if users := [*(f"service {name}" for name in services), *containers]:
            raise PlatformError(
                f"env volumes of app {self.app} are still in use by {', '.join(users)}: remove those first"
            )

    def _verify(self, *, pull: bool) -> Verified | None:
        """Check the target and find the owner; None when that takes an image that no node has and ``pull`` is false."""
        if self.image is None:
            return Verified(self.owner or env.Owner())
        if known := self._verified_earlier():
            return Verified(self.owner or env.Owner.parse(known.owner))
        engine = next((engine for engine in self._engines() if engine.images.inspect(self.image) is not None), None)
        if engine is None:
            if not pull:
                return None
            engine = self._engines()[0]
            engine.images.pull_with_config(self.image, self.registry_config)
        return self._look_into_image(engine)

    def _verified_earlier(self) -> env.EnvVolume | None:
        """A volume that was made after the image was looked into, as far as that says what is asked now.

        What was found is remembered in the volume's labels, and by the service that runs with it: nothing is created
        for finding it again.
        """
        place = (self.image, self.target)
        running = {mount.version for mount in self.mounts if (mount.image, mount.target) == place}
        made = [
            volume
            for volumes in self.observed.volumes.values()
            for volume in volumes.values()
            if volume.managed and volume.owner and (self.owner is not None or volume.user == self.user)
        ]
        of_image = [volume for volume in made if (volume.image, volume.target) == place]
        return next(iter([*of_image, *(volume for volume in made if volume.version in running)]), None)

    def _engines(self) -> list[Engine]:
        if self.engines:
            return [self.engines[name] for name in sorted(self.engines)]
        return [_given(self.manager, "manager_socket")]

    def _look_into_image(self, engine: Engine) -> Verified:
        image = _given(self.image, "image")
        user = self.user or str(((engine.images.inspect(image) or {}).get("Config") or {}).get("User") or "")
        with engine.containers.helper(image, env_files.helper_labels(self.app)) as helper:
            # "/.": what lies behind a symbolic link, and an error for a file.
            stream = engine.containers.read_archive(helper, self.target + "/.")
            if stream is not None:
                entries, self.placeholders, complete = read_entries(stream)
                hidden = env.hidden_by_mount(entries, self.file_name)
                if hidden:
                    raise env.refusal(self.target, image, hidden, complete=complete)
            owner = self.owner or env.owner_of_user(user)
            if owner is None:
                passwd = engine.containers.read_archive(helper, "/etc/passwd")
                text = b"" if passwd is None else next((one.content for one in env.files_in(b"".join(passwd))), b"")
                owner = env.owner_of_user(user, text.decode("utf-8", "replace"))
        return Verified(owner or env.Owner())

    def _planned(self, owner: env.Owner | None, first: Iterable[Verify] = ()) -> Plan:
        desired = self._desired(owner)
        actions = planning.plan_env_volume(self.observed, desired)
        after = planning.labels_after(self.observed, actions, desired)
        result: dict[str, Any] = {"ready": after, "left_out": sorted(self.left_out)}
        before = {node: sorted(self.observed.labels.get(node, ())) for node in after}
        if desired.version is not None:
            result.update(
                version=desired.version,
                volume=env.volume_name(self.app, desired.version),
                constraint=f"node.labels.{env.node_label(self.app, desired.version)} == {env.READY}",
                owner=str(owner),
                mode=self.mode,
            )
        warnings = [
            f"env of app {self.app}: node {node} is left out: {why}" for node, why in sorted(self.left_out.items())
        ]
        if self.copies_given:
            warnings += [
                self._lacks(node, str(desired.version)) for node in planning.lacking(self.observed, desired, after)
            ]
        if self.placeholders:
            warnings.append(
                f"env of app {self.app}: the volume hides {', '.join(sorted(self.placeholders))} in {self.target} of "
                "the image, which only keep the place"
            )
        for node, versions in sorted(self.observed.volumes.items()):
            warnings += [
                f"volume {env.volume_name(self.app, version)} on {node} was not made by this module, and containers "
                "hold it: its content is written again on every run. Remove those containers, then the volume"
                for version, volume in sorted(versions.items())
                if not volume.managed and version in self.observed.in_use.get(node, ())
            ]
        return Plan(
            actions=[*(first if actions else ()), *actions],
            before={"app": self.app, "env_versions": before},
            after={"app": self.app, "env_versions": after},
            result=result,
            warnings=warnings,
        )

    def _lacks(self, node: str, version: str) -> str:
        """What an operator can do for a node that gets no replica."""
        elsewhere = self.ready.keys() - self.observed.volumes.keys()
        holders = ", ".join(sorted(name for name in elsewhere if version in self.ready[name]))
        way = f"Bring back a node that has it ({holders}) and run this again, or deploy" if holders else "Deploy"
        return (
            f"env of app {self.app}: node {node} lacks version {version}, and no node that answers has it: no replica "
            f"is placed on {node}. {way} once more with the env file itself (-e env_file=...)"
        )

    def _desired(self, owner: env.Owner | None) -> planning.Desired:
        version = None if self.absent else self.version
        if self.content is not None and not self.absent:
            version = env.env_version(self.content, owner or env.Owner(), self.file_name, self.mode)
        if self.manager_socket:
            # Without content it is not known which version is the current one: only labels are set.
            keep = self.keep if version else None
            return planning.Desired(
                version,
                keep,
                self.keep_versions,
                self.ready,
                self.lost,
                labels=True,
                absent=self.absent,
                content=self.content is not None,
            )
        kept = self.keep_versions.union(*self.ready.values())
        return planning.Desired(
            version,
            0 if self.ready_given else None,
            kept,
            labels=False,
            absent=self.absent,
            content=self.content is not None,
        )

    # --- acting ---

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        """See the protocol."""
        if any(isinstance(action, Verify) for action in plan.actions):
            verified = self._verify(pull=True)
            if verified is None:
                raise PlatformError(f"image {self.image} was pulled and is not there")
            plan = self._planned(verified.owner)
        self._change_labels([action for action in plan.actions if isinstance(action, planning.Unlabel)])
        owner = env.Owner.parse(str(plan.result.get("owner", "0:0")))
        sources = self._sources([action for action in plan.actions if isinstance(action, planning.Copy)])
        created = datetime.fromtimestamp(time.time(), timezone.utc).isoformat(timespec="milliseconds")

        def work(node: str) -> Callable[[], None]:
            def work_on_node() -> None:
                for action in plan.actions:
                    if action.node == node:
                        self._act(action, owner, created, sources)

            return work_on_node

        nodes = {action.node for action in plan.actions if not isinstance(action, (planning.Label, planning.Unlabel))}
        failed = in_parallel({node: work(node) for node in nodes})
        self._change_labels(
            [action for action in plan.actions if isinstance(action, planning.Label) and action.node not in failed]
        )
        if failed:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in sorted(failed.items()))
            raise PlatformError(
                f"the env file of app {self.app} is not on every node: {reasons}", failed_nodes=sorted(failed)
            )
        # Of an image that had to be pulled, known by now only.
        return {**plan.result, "warnings": plan.warnings}

    def _act(self, action: planning.Action, owner: env.Owner, created: str, sources: Sources) -> None:
        engine = self.engines[action.node]
        if isinstance(action, planning.RemoveHelper):
            engine.containers.remove_with_volumes(action.helper)
        elif isinstance(action, planning.Remove):
            engine.volumes.remove(env.volume_name(self.app, action.version))
        elif isinstance(action, planning.Write):
            file = env.EnvFile(self.file_name, _given(self.content, "content"), owner, self.mode)
            volume = env.EnvVolume(
                action.version, created, str(owner), self.image or "", self.target, mode=self.mode, user=self.user
            )
            self._fill(action.node, volume, file, anew=action.anew)
        elif isinstance(action, planning.Copy):
            volume, file = sources[action.source, action.version]
            self._fill(action.node, volume, file, anew=action.anew)

    def _fill(self, node: str, volume: env.EnvVolume, file: env.EnvFile, *, anew: bool) -> None:
        engine, name = self.engines[node], env.volume_name(self.app, volume.version)
        if anew:
            engine.volumes.remove(name)
        engine.volumes.create(name, volume.labels(self.app))
        env_files.write_version(engine, node, self.app, volume.version, file)

    def _sources(self, copies: list[planning.Copy]) -> Sources:
        """What the copies need, each read once: the volume and the file in it."""
        sources: Sources = {}
        for source, version in sorted({(copy.source, copy.version) for copy in copies}):
            if self.observed.holds(source, version):
                file = env_files.read_version(self.engines[source], source, self.app, version)
                sources[source, version] = self.observed.volumes[source][version], file
            else:
                sources[source, version] = _brought(self.copies[version])
        return sources

    def _change_labels(self, actions: list[planning.Label] | list[planning.Unlabel]) -> None:
        """One update for each node."""
        for node in sorted({action.node for action in actions}):
            keys = [env.node_label(self.app, action.version) for action in actions if action.node == node]
            if node not in self.node_ids or self.manager is None:
                raise PlatformError(f"node {node} isn't a member of the swarm: it can't be labelled")
            added = dict.fromkeys(keys, env.READY) if isinstance(actions[0], planning.Label) else {}
            self.manager.swarm.update_node(self.node_ids[node], partial(_with_labels, added, frozenset(keys)))


def _owner(given: str | None, user: str) -> env.Owner | None:
    """Whose the file is to be; None: only the image knows, since nobody says it or by a name alone."""
    if given:
        return env.Owner.parse(given)
    return env.owner_of_user(user) if user else None


def _versions_by_node(given: Mapping[Any, Iterable[Any]] | None) -> dict[str, planning.Versions]:
    return {str(node): frozenset(map(str, versions)) for node, versions in (given or {}).items()}


def _said(copy: Mapping[str, Any], what: str) -> set[str]:
    """What a copy says of its owner or mode, if it does."""
    return {copy[what]} if copy.get(what) else set()


def _with_labels(added: Mapping[str, str], removed: frozenset[str], spec: dict[str, Any]) -> dict[str, Any]:
    """A node's spec with these labels changed and all others left alone."""
    labels = {key: value for key, value in (spec.get("Labels") or {}).items() if key not in removed}
    return {**spec, "Labels": {**labels, **added}}


def _brought(copy: Mapping[str, Any]) -> tuple[env.EnvVolume, env.EnvFile]:
    """The volume and the file that env_volume_info read on another docker host."""
    if copy["problem"] or copy["content"] is None:
        raise PlatformError(copy["problem"] or f"copies: version {copy['version']} has no content")
    volume = env.EnvVolume(
        copy["version"],
        copy["created"],
        copy["owner"],
        copy["image"],
        copy["target"],
        mode=copy["mode"] or env.MODE,
        user=copy["user"],
    )
    owner = env.Owner.parse(copy["owner"] or "0:0")
    return volume, env.EnvFile(copy["name"], base64.b64decode(copy["content"]), owner, volume.mode)


def read_entries(chunks: Iterable[bytes]) -> tuple[list[tuple[str, bool]], list[str], bool]:
    """Paths in a folder's tar (and whether each is a folder), placeholders apart, and whether that is all of them."""
    entries: list[tuple[str, bool]] = []
    placeholders: list[str] = []
    with tarfile.open(fileobj=ChunkFile(chunks), mode="r|") as archive:
        for entry in archive:
            name = entry.name[2:] if entry.name.startswith("./") else entry.name
            if entry.isreg() and env.is_placeholder(name, entry.size):
                placeholders.append(name)
                continue
            entries.append((name, entry.isdir()))
            if len(entries) >= ENTRIES_READ:
                return entries, placeholders, False
    return entries, placeholders, True
