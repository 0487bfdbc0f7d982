#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: env_volume
short_description: Keep an app's env file in immutable volumes on the nodes that may run it
description:
  - Writes an env file into a volume named C(<app>_env_<version>) on every given node, through the engine API. The
    version stands for
    the content, so a volume never changes, and a changed env file is a new volume. Neither a key nor a value stands
    in a
    command line, an environment variable, a label, a diff or a message.
  - A node that holds a version completely gets the node label C(fungap.env.<app>.<version>=ready). A service that is
    constrained to
    that label never starts beside an empty volume. A volume without the label, as an interrupted run leaves it, is
    written again.
  - Before anything is written, the image is looked into. A target folder that holds anything else than the env file
    itself is refused,
    and the message names what the mount would hide.
  - Older versions are kept for rollbacks, copied to nodes that lack them (new and re-created ones), and removed in
    the end, but never one
    that a service or a container refers to.
  - One call serves all the nodes of one docker host, in parallel. Where nodes stand on several docker hosts, first
    call it on the manager's, then
    on each other one with the RV(ready), RV(owner) and RV(version) that the first returned, and last on the manager's
    again with what those returned as O(ready).
  - What no node of a docker host can give comes from another one in between, as M(fungap.swarm.env_volume_info) reads
    it there, by O(copies). What was written is read again, and has to be what the version stands for, before a label
    says that it is there.
version_added: 0.1.0
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - The Docker SDK for Python on the docker host
attributes:
  check_mode:
    support: full
    description:
      - Can run in check mode and tell what would change. When the target of a new image has to be looked into, a
        container is created from the image for that, never started, and removed at once; an image that isn't on any
        node is not pulled, and its target not checked.
  diff_mode:
    support: full
    description: Shows which versions each node holds, before and after; no keys, no values.
  idempotent:
    support: full
    description: When nothing is to be done, nothing is created, not even for a moment.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  state:
    description:
      - V(present) means that every node holds the env file O(content).
      - V(absent) removes every version of the app and its labels; refused while a service or a container refers to one.
    type: str
    choices: [present, absent]
    default: present
  content:
    description:
      - Text of the env file, kept byte for byte (as UTF-8). Each line is C(KEY=VALUE), a comment or blank.
      - Required for O(state=present) unless O(version) is given, and except in a call that only sets the labels of
        O(ready).
    type: str
  version:
    description:
      - Instead of O(content), a version that nodes hold already. It is copied to those that lack it. It fails where no
        node of the swarm holds it.
    type: str
  file_name:
    description: Name of the file in the volume.
    type: str
    default: .env
  target:
    description: Folder of the app's containers that the volume is mounted on.
    type: str
    default: /usr/src/app/env
  image:
    description:
      - Reference of the app's image, best by digest.
      - Without it the target is not checked, and O(owner) counts as V(0:0) when it isn't given.
    type: str
  owner:
    description:
      - Numeric owner of the file, as C(uid) or C(uid:gid).
      - The default is O(user), else the user that the image runs as, looked up in the image where it is a name.
    type: str
  user:
    description: The user that the app's containers run as, where it isn't the image's own. As in a compose file.
    type: str
  mode:
    description: Mode of the file, in octal digits with a zero before them.
    type: str
    default: "0600"
  nodes:
    description: The nodes of this docker host that may run the app.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the node in the swarm.
        type: str
        required: true
      socket:
        description: Path of the unix socket of its engine.
        type: str
        required: true
  manager_socket:
    description:
      - Path of the unix socket of a manager's engine on this docker host. Node labels are read and set through it.
      - Without it the labels are what O(ready) says.
    type: str
  ready:
    description:
      - What another call returned as RV(ready). With O(manager_socket) those nodes get their labels. Without, it
        tells which volumes are complete
        and which versions are kept.
    type: dict
  lost:
    description: With O(manager_socket), node to versions that another call did not find there. Their labels go.
    type: dict
  copies:
    description:
      - With O(ready), what nodes of other docker hosts give to those of this one, as M(fungap.swarm.env_volume_info)
        returns it. In check mode O(copies[].version) and O(copies[].node) are enough.
      - Given, even as an empty list, each node that still lacks O(version) is named in a warning.
    type: list
    elements: dict
    suboptions:
      version:
        description: The version.
        type: str
        required: true
      node:
        description: The node that it was read from.
        type: str
        required: true
      name:
        description: Name of the file.
        type: str
        default: .env
      content:
        description: The file, in base64.
        type: str
      owner:
        description: Numeric owner of the file.
        type: str
        default: ""
      mode:
        description: The file's mode in octal.
        type: str
        default: ""
      user:
        description: What the owner was given by; empty for the image's own user.
        type: str
        default: ""
      created:
        description: When the version was first written.
        type: str
        default: ""
      image:
        description: The image that O(copies[].target) was checked in.
        type: str
        default: ""
      target:
        description: The folder that the volume is mounted on.
        type: str
        default: ""
      problem:
        description: Why it could not be read. Copying it fails with this.
        type: str
        default: ""
  registry_config:
    description:
      - Folder with the C(config.json) that holds the registry's credentials, for pulling O(image) where no node has
        it.
    type: path
  keep:
    description: How many older versions stay on the nodes.
    type: int
    default: 5
  keep_versions:
    description: Versions that stay in any case, such as those of recorded revisions.
    type: list
    elements: str
    default: []
seealso:
  - module: fungap.swarm.env_volume_info
  - module: fungap.swarm.swarm_stack
"""

EXAMPLES = r"""
- name: Deliver the env file of the app web to the nodes of this docker host
  fungap.swarm.env_volume:
    app: web
    content: "{{ lookup('ansible.builtin.file', 'files/web.env', rstrip=false) }}"
    target: /usr/src/app/env
    image: registry:5000/express-app@sha256:6b1d1b3b0a3a5bd7e7a7a5a9c2f1c0d5f1f8b4c9d2e3f4a5b6c7d8e9f0a1b2c3
    nodes:
      - {name: manager1, socket: /run/fungap/manager1/docker.sock}
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
    manager_socket: /run/fungap/manager1/docker.sock
    registry_config: /etc/fungap/registry-client
  register: env

- name: Deliver it to the nodes of another docker host
  fungap.swarm.env_volume:
    app: web
    content: "{{ lookup('ansible.builtin.file', 'files/web.env', rstrip=false) }}"
    owner: "{{ env.owner }}"
    ready: "{{ env.ready }}"
    nodes:
      - {name: worker2, socket: /run/fungap/worker2/docker.sock}
  delegate_to: vm2
  register: elsewhere

- name: Let the swarm place the app there too
  fungap.swarm.env_volume:
    app: web
    manager_socket: /run/fungap/manager1/docker.sock
    ready: "{{ elsewhere.ready }}"
"""

RETURN = r"""
version:
  description: Version of O(content), 12 hexadecimal digits, or O(version).
  returned: when O(content) or O(version) is given
  type: str
  sample: 4a1f6f2c9b3e
volume:
  description: Name of the volume that holds it on every node.
  returned: when O(content) or O(version) is given
  type: str
  sample: web_env_4a1f6f2c9b3e
constraint:
  description: Placement constraint that keeps a service on nodes that hold it.
  returned: when O(content) or O(version) is given
  type: str
  sample: node.labels.fungap.env.web.4a1f6f2c9b3e == ready
owner:
  description: Numeric owner of the file.
  returned: when O(content) or O(version) is given
  type: str
  sample: "1000:1000"
mode:
  description: Mode of the file.
  returned: when O(content) or O(version) is given
  type: str
  sample: "0600"
ready:
  description:
    - The versions that each node holds, of the whole swarm with O(manager_socket), else of what O(ready) and this
      call tell. Of this call's nodes, what was found on them.
  returned: always
  type: dict
  sample: {manager1: [4a1f6f2c9b3e], worker1: [4a1f6f2c9b3e]}
left_out:
  description:
    - Nodes whose engine didn't answer, or that aren't members of the swarm. Nothing was done for them, and nothing
      will be placed there.
  returned: always
  type: list
  elements: str
  sample: []
"""

import base64
import io
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, TypeAlias, TypeVar

from ansible_collections.fungap.swarm.plugins.module_utils import env_files
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model import env
from ansible_collections.fungap.swarm.plugins.module_utils.parallel import in_parallel
from ansible_collections.fungap.swarm.plugins.module_utils.plan import env_volume as planning
from ansible_collections.fungap.swarm.plugins.module_utils.runner import Plan, run

Result = TypeVar("Result")
# Reading a refused target stops here: enough to name and to count.
ENTRIES_READ = 2000
# How long containers of a service that was removed may take to go.
ENDS_SECONDS = 30
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
        self.owner = env.Owner.parse(params["owner"]) if params["owner"] else None
        if self.owner is None and self.user:
            self.owner = env.owner_of_user(self.user)  # of a name, only the image knows
        self.mode = env.check_mode(params["mode"])
        self.sockets = {node["name"]: node["socket"] for node in params["nodes"]}
        self.manager_socket: str | None = params["manager_socket"] or None
        self.ready = {str(node): frozenset(map(str, versions)) for node, versions in (params["ready"] or {}).items()}
        self.ready_given = params["ready"] is not None
        self.lost = {str(node): frozenset(map(str, versions)) for node, versions in (params["lost"] or {}).items()}
        self.copies = {one["version"]: one for one in params["copies"] or []}
        self.copies_given = params["copies"] is not None
        self.registry_config: str | None = params["registry_config"]
        self.keep: int = params["keep"]
        self.keep_versions = frozenset(params["keep_versions"])
        env.check_names(self.app, self.file_name)
        if len(self.sockets) != len(params["nodes"]):
            raise PlatformError("nodes: two entries have the same name")
        if self.content is not None:
            env.parse_env(params["content"])
        if self.content is None and self.version is None and self.sockets and not self.absent:
            raise PlatformError("content or version is required for writing to nodes")
        if not self.sockets and not self.manager_socket:
            raise PlatformError("give nodes to write to, or manager_socket to set labels, or both")
        self.engines: dict[str, Engine] = {}
        self.node_ids: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.placeholders: list[str] = []
        self.observed = planning.Observed(volumes={}, labels={})
        self.mounts: list[env.EnvMount] = []
        self.manager: Engine | None = None

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
        held = [volumes.get(self.version or "") for volumes in self.observed.volumes.values()]
        owners = {volume.owner for volume in held if volume and volume.owner}
        owners |= {one["owner"] for one in self.copies.values() if one["version"] == self.version and one["owner"]}
        if owners and str(owner) not in owners:
            runs = f"app {self.app} runs it" if self.user or not self.image else f"image {self.image} runs"
            raise PlatformError(
                f"env version {self.version} belongs to user {', '.join(sorted(owners))}, and {runs} "
                f"as {owner}, who could not read it: deploy it together with its env file"
            )
        modes = {volume.mode for volume in held if volume and volume.managed}
        modes |= {one["mode"] for one in self.copies.values() if one["version"] == self.version and one["mode"]}
        if modes and self.mode not in modes:
            raise PlatformError(
                f"env version {self.version} has mode {', '.join(sorted(modes))}, and {self.mode} is wanted: deploy it "
                "together with its env file"
            )

    def _observe(self) -> None:
        volumes: dict[str, Mapping[str, env.EnvVolume]] = {}
        in_use: dict[str, planning.Versions] = {}
        helpers: dict[str, tuple[str, ...]] = {}

        def look(name: str) -> Callable[[], None]:
            def look_at_node() -> None:
                engine = Engine(self.sockets[name])
                if self.manager_socket:
                    node_id = str((engine.info().get("Swarm") or {}).get("NodeID") or "")
                    if not node_id:
                        raise PlatformError("it isn't a member of the swarm")
                    self.node_ids[name] = node_id
                found = env.env_volumes(self.app, engine.named_volumes(env.volume_name(self.app, "")))
                containers = engine.containers({})
                mine = [one for one in containers if self._is_helper(one) or self._is_dead(engine, one)]
                names = {
                    mount.get("Name") for one in containers if one not in mine for mount in one.get("Mounts") or []
                }
                volumes[name] = found
                in_use[name] = frozenset(version for version in found if env.volume_name(self.app, version) in names)
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
            labels = self._node_labels(self.manager.swarm_nodes())
            self.mounts = env.env_mounts(self.app, self.manager.swarm_services())
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

    def _is_dead(self, engine: Engine, container: Mapping[str, Any]) -> bool:
        """Whether its engine began to remove a container and could not: it holds its env volumes until it is gone.

        Asked only where they are to go. A list of containers doesn't tell it from one that is being removed.
        """
        if not self.absent or container.get("State") not in ("removing", "dead"):
            return False
        mounted = [str(mount.get("Name") or "") for mount in container.get("Mounts") or []]
        prefix = env.volume_name(self.app, "")
        if not any(name.startswith(prefix) for name in mounted):
            return False
        found = engine.container(container["Id"])
        return bool(found and found["State"]["Status"] == "dead")

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
        while not self.mounts and any(self.observed.in_use.values()) and time.monotonic() < end:
            time.sleep(0.5)
            self._observe()

    def _refuse_removal_in_use(self) -> None:
        services = sorted({mount.service for mount in self.mounts})
        nodes = sorted(node for node, versions in self.observed.in_use.items() if versions)
        if services or nodes:
            users = [f"service {name}" for name in services] + [f"containers on {name}" for name in nodes]
            raise PlatformError(
                f"env volumes of app {self.app} are still in use by {', '.join(users)}: remove those first"
            )

    def _verify(self, *, pull: bool) -> Verified | None:
        """Check the target and find the owner, or None when that takes an image that no node has and ``pull`` is false.

        What was found earlier is remembered in the labels of the volume that was made after it, and by the service that
        runs with it: nothing is created for finding it again.
        """
        if self.image is None:
            return Verified(self.owner or env.Owner())
        known = [
            volume
            for volumes in self.observed.volumes.values()
            for volume in volumes.values()
            if volume.managed and volume.owner and (volume.image, volume.target) == (self.image, self.target)
        ]
        running = {mount.version for mount in self.mounts if (mount.image, mount.target) == (self.image, self.target)}
        known += [
            volume
            for volumes in self.observed.volumes.values()
            for volume in volumes.values()
            if volume.managed and volume.owner and volume.version in running
        ]
        if self.owner is None:
            known = [volume for volume in known if volume.user == self.user]
        if known:
            return Verified(self.owner or env.Owner.parse(known[0].owner))
        engine = next((engine for engine in self._engines() if engine.image(self.image) is not None), None)
        if engine is None:
            if not pull:
                return None
            engine = self._engines()[0]
            engine.pull_with_config(self.image, self.registry_config)
        return self._look_into_image(engine)

    def _engines(self) -> list[Engine]:
        if self.engines:
            return [self.engines[name] for name in sorted(self.engines)]
        return [_given(self.manager, "manager_socket")]

    def _look_into_image(self, engine: Engine) -> Verified:
        image = _given(self.image, "image")
        user = self.user or str(((engine.image(image) or {}).get("Config") or {}).get("User") or "")
        with engine.helper_container(image, env_files.helper_labels(self.app)) as helper:
            # "/.": what lies behind a symbolic link, and an error for a file.
            stream = engine.read_archive(helper, self.target + "/.")
            if stream is not None:
                entries, self.placeholders, complete = read_entries(stream)
                hidden = env.hidden_by_mount(entries, self.file_name)
                if hidden:
                    raise env.refusal(self.target, image, hidden, complete=complete)
            owner = self.owner or env.owner_of_user(user)
            if owner is None:
                passwd = engine.read_archive(helper, "/etc/passwd")
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
            engine.remove_container_and_volumes(action.helper)
        elif isinstance(action, planning.Remove):
            engine.remove_named_volume(env.volume_name(self.app, action.version))
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
            engine.remove_named_volume(name)
        engine.create_volume(name, volume.labels(self.app))
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
            self.manager.swarm_node_update(self.node_ids[node], partial(_with_labels, added, frozenset(keys)))


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


class _Stream(io.RawIOBase):
    """Chunks as a file, for tarfile's stream mode."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def read_entries(chunks: Iterable[bytes]) -> tuple[list[tuple[str, bool]], list[str], bool]:
    """Paths in a folder's tar (and whether each is a folder), placeholders apart, and whether that is all of them."""
    entries: list[tuple[str, bool]] = []
    placeholders: list[str] = []
    with tarfile.open(fileobj=_Stream(chunks), mode="r|") as archive:
        for entry in archive:
            name = entry.name[2:] if entry.name.startswith("./") else entry.name
            if entry.isreg() and env.is_placeholder(name, entry.size):
                placeholders.append(name)
                continue
            entries.append((name, entry.isdir()))
            if len(entries) >= ENTRIES_READ:
                return entries, placeholders, False
    return entries, placeholders, True


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    copy = {
        "version": {"type": "str", "required": True},
        "node": {"type": "str", "required": True},
        "name": {"type": "str", "default": ".env"},
        "content": {"type": "str", "no_log": True},
        **{
            key: {"type": "str", "default": ""}
            for key in ("owner", "mode", "user", "created", "image", "target", "problem")
        },
    }
    run(
        EnvVolume,
        {
            "app": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "content": {"type": "str", "no_log": True},
            "version": {"type": "str"},
            "file_name": {"type": "str", "default": ".env"},
            "target": {"type": "str", "default": "/usr/src/app/env"},
            "image": {"type": "str"},
            "owner": {"type": "str"},
            "user": {"type": "str"},
            "mode": {"type": "str", "default": "0600"},
            "nodes": {"type": "list", "elements": "dict", "default": [], "options": node},
            "manager_socket": {"type": "str"},
            "ready": {"type": "dict"},
            "lost": {"type": "dict"},
            "copies": {"type": "list", "elements": "dict", "options": copy},
            "registry_config": {"type": "path"},
            "keep": {"type": "int", "default": 5},
            "keep_versions": {"type": "list", "elements": "str", "default": []},
        },
        mutually_exclusive=[("content", "version")],
    )


if __name__ == "__main__":
    main()
