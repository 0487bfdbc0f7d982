"""env_volume against real engines: the mount that hides code, and all that the module promises."""

from __future__ import annotations

import io
import json
import os
import secrets
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.plugin_utils.env_copies import env_copies, env_labels

from ..waiting import until
from .conftest import ROOT, Lab, Node

RunModule = Callable[..., dict[str, Any]]
MODE = 0o600
SERVER = ["/bin/busybox", "httpd", "-f", "-p", "3000", "-h", "/usr/src/app/www"]


def add_image(
    node: Node, busybox: bytes, tag: str, files: dict[str, str], user: str = "", applets: tuple[str, ...] = ()
) -> str:
    """An app image in the shape of the origin's: WORKDIR /usr/src/app, code in it, port 3000."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in {"bin/busybox": busybox, **{name: text.encode() for name, text in files.items()}}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
        for applet in applets:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    changes = ["WORKDIR /usr/src/app", f"CMD {json.dumps(SERVER)}", *([f"USER {user}"] if user else [])]
    node.api.import_image_from_data(buffer.getvalue(), "web", tag, changes=changes)
    return f"web:{tag}"


def code(version: str) -> dict[str, str]:
    return {
        "usr/src/app/www/index.html": version,
        "usr/src/app/app.js": f"// {version}",
        "usr/src/app/package.json": "{}",
        "etc/passwd": "root:x:0:0:root:/:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n",
    }


def run_in(node: Node, container: str, *command: str) -> str:
    try:
        return Engine(node.socket).containers.exec(container, command)[1]
    except PlatformError:  # not running yet, or not any more
        return ""


def read_volume(node: Node, volume: str) -> dict[str, tuple[bytes, int, int, int]]:
    """Content, mode, uid and gid of each file of a volume."""
    api = node.api
    mount = {"Type": "volume", "Source": volume, "Target": "/data", "VolumeOptions": {"NoCopy": True}}
    helper = api.create_container("web:v1", host_config={**api.create_host_config(), "Mounts": [mount]})["Id"]
    try:
        data = b"".join(api.get_archive(helper, "/data/.")[0])
    finally:
        api.remove_container(helper)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            os.path.basename(entry.name): (archive.extractfile(entry).read(), entry.mode, entry.uid, entry.gid)  # type: ignore[union-attr]
            for entry in archive
            if entry.isfile()
        }


def from_file(path: Path) -> str:
    """As a role hands the file over."""
    return "{{ lookup('ansible.builtin.file', '" + str(path) + "', rstrip=false) }}"


def volumes(node: Node) -> set[str]:
    return {volume["Name"] for volume in node.api.volumes()["Volumes"] or []}


def node_labels(manager: Node, hostname: str) -> dict[str, str]:
    for node in manager.api.nodes():
        if node["Description"]["Hostname"] == hostname:
            return dict(node["Spec"]["Labels"])
    raise LookupError(hostname)


def events(nodes: list[Node], since: float) -> list[dict[str, Any]]:
    until = time.time()
    return [event for node in nodes for event in node.api.events(since=since, until=until, decode=True)]


class Swarm:
    """A swarm of lab nodes with the app's images on each."""

    def __init__(self, lab: Lab, busybox: bytes) -> None:
        self.lab, self.busybox = lab, busybox
        self.manager, self.worker = lab.start("manager1", "worker1")
        self.manager.api.init_swarm(advertise_addr=self.manager.address, listen_addr=self.manager.address)
        self.nodes = [self.manager]
        self.add_images(self.manager)
        self.join(self.worker)

    def join(self, node: Node) -> None:
        token = self.manager.api.inspect_swarm()["JoinTokens"]["Worker"]
        node.api.join_swarm([self.manager.address], token, advertise_addr=node.address)
        assert until(lambda: len(self.manager.api.nodes()) > len(self.nodes))
        self.nodes.append(node)
        self.add_images(node)

    def add_images(self, node: Node) -> None:
        add_image(node, self.busybox, "v1", code("code v1"))
        add_image(node, self.busybox, "v2", code("code v2"))
        add_image(node, self.busybox, "v3", code("code v3"), user="node")
        add_image(
            node, self.busybox, "baked", {**code("x"), "usr/src/app/env/.env": "A=1", "usr/src/app/env/key.pem": "x"}
        )

        add_image(node, self.busybox, "kept", {**code("x"), "usr/src/app/env/.gitkeep": "", "usr/src/app/env/.env": ""})

    def clean(self) -> None:
        """Leave no service, no record, no env volume and no label."""
        api = self.manager.api
        for service in api.services():
            api.remove_service(service["ID"])
        for node in self.nodes:
            for one in node.api.containers(all=True):
                with suppress(docker.errors.APIError):  # a task's own end came first
                    node.api.remove_container(one["Id"], force=True)
            for name in volumes(node):
                until(lambda node=node, name=name: _removed(node, name))
        assert until(lambda: _unlabelled(self))
        for config in api.configs():
            api.remove_config(config["ID"])
        for secret in api.secrets():
            api.remove_secret(secret["ID"])
        for network in api.networks(filters={"label": "com.docker.stack.namespace"}):
            until(lambda network=network: api.remove_network(network["Id"]) is None)

    def arguments(self, **changes: Any) -> dict[str, Any]:
        arguments = {
            "app": "web",
            "content": "A=1\n",
            "image": "web:v1",
            "nodes": [{"name": node.name, "socket": node.socket} for node in self.nodes],
            "manager_socket": self.manager.socket,
            **changes,
        }
        return {key: value for key, value in arguments.items() if value is not None}


@pytest.fixture(scope="module")
def swarm(shared_engines: Lab, busybox: bytes) -> Swarm:
    return Swarm(shared_engines, busybox)


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test leaves no env volume and no label."""
    yield
    if "swarm" in request.fixturenames:
        request.getfixturevalue("swarm").clean()


def _unlabelled(swarm: Swarm) -> bool:
    try:
        for one in swarm.manager.api.nodes():
            swarm.manager.api.update_node(one["ID"], one["Version"]["Index"], {**one["Spec"], "Labels": {}})
    except docker.errors.APIError:  # somebody else changed the node meanwhile
        return False
    return True


def _removed(node: Node, name: str) -> bool:
    try:
        node.api.remove_volume(name)
    except Exception:  # a task's container may still be going away
        return name not in volumes(node)
    return True


def mount(source: str, target: str) -> dict[str, Any]:
    return {"Type": "volume", "Source": source, "Target": target}


def deploy(swarm: Swarm, image: str, source: str, target: str, version: str | None = None) -> str:
    """Create or update the service web; return what the replica that runs this image answers."""
    api = swarm.manager.api
    spec: dict[str, Any] = {
        "Name": "web_web",
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": {
            "ContainerSpec": {"Image": image, "Mounts": [mount(source, target)], "StopGracePeriod": 10**9},
            "Placement": {"Constraints": [version] if version else ["node.hostname == worker1"]},
        },
    }
    services = api.services(filters={"name": "web_web"})
    if services:
        index = services[0]["Version"]["Index"]
        api._post_json(api._url("/services/{0}/update", services[0]["ID"]), data=spec, params={"version": index})
    else:
        api._post_json(api._url("/services/create"), data=spec)

    def answer() -> str | None:
        for node in swarm.nodes:
            for one in node.api.containers(filters={"label": "com.docker.swarm.service.name=web_web"}):
                if one["Image"] == image:
                    found = run_in(node, one["Id"], "/bin/busybox", "wget", "-qO-", "http://127.0.0.1:3000/")
                    if found.startswith("code"):
                        return found
        return None

    return str(until(answer))


def service_update(swarm: Swarm) -> str | None:
    return (swarm.manager.api.services()[0].get("UpdateStatus") or {}).get("State")


def test_the_bug_a_volume_over_the_code_hides_what_comes_later(swarm: Swarm) -> None:
    """The first image fills the volume, the second one's code is hidden behind it, nobody is told."""
    assert deploy(swarm, "web:v1", "web_code", "/usr/src/app") == "code v1"
    assert deploy(swarm, "web:v2", "web_code", "/usr/src/app") == "code v1"


def test_a_mount_that_would_hide_code_is_refused_before_anything_is_written(
    swarm: Swarm, run_module: RunModule
) -> None:
    since = [volumes(node) for node in swarm.nodes]
    for check in (True, False):
        refused = run_module("env_volume", swarm.arguments(target="/usr/src/app"), check=check)
        assert refused["failed"], refused
        for name in ("app.js", "package.json", "www/index.html", "3 file(s)", "/usr/src/app/env"):
            assert name in refused["msg"]
        assert sorted(refused["hidden"]) == ["app.js", "package.json", "www/index.html"]
    assert [volumes(node) for node in swarm.nodes] == since
    assert not any(
        one["Labels"].get("io.fungap.helper") for node in swarm.nodes for one in node.api.containers(all=True)
    )


def test_the_right_mount_has_new_code_with_its_env_file(swarm: Swarm, run_module: RunModule) -> None:
    done = run_module("env_volume", swarm.arguments())
    assert deploy(swarm, "web:v1", done["volume"], "/usr/src/app/env", done["constraint"]) == "code v1"
    done = run_module("env_volume", swarm.arguments(image="web:v2"))
    assert deploy(swarm, "web:v2", done["volume"], "/usr/src/app/env", done["constraint"]) == "code v2"
    running = [
        run_in(node, one["Id"], "/bin/busybox", "cat", "/usr/src/app/env/.env")
        for node in swarm.nodes
        for one in node.api.containers(filters={"ancestor": "web:v2"})
    ]
    assert running == ["A=1\n"]
    # That service remembers that image and target were looked at: no container is created for it again.
    settled = {"completed", None}
    assert until(lambda: service_update(swarm) in settled)
    before = time.time()
    again = run_module("env_volume", swarm.arguments(image="web:v2"))
    assert not again["changed"]
    assert events(swarm.nodes, before) == []
    # What it uses is not taken away under it.
    refused = run_module("env_volume", swarm.arguments(state="absent", content=None))
    assert refused["failed"]
    assert "web_web" in refused["msg"]


def test_a_placeholder_in_the_target_is_named(run_module: Any, swarm: Swarm) -> None:
    done = run_module("env_volume", swarm.arguments(app="kept", image="web:kept"))
    assert not done.get("failed"), done
    assert any(".env, .gitkeep in /usr/src/app/env" in text for text in done["warnings"])
    run_module("env_volume", swarm.arguments(app="kept", state="absent", content=None, image=None))


def test_written_everywhere_then_nothing_to_do(swarm: Swarm, run_module: RunModule, tmp_path: Path) -> None:
    content = '# a comment\r\n\r\nSECRET=p$w\'d "x" \\n `{{ no }}` \u00fc\u20ac\U0001f512\r\nexport B = \tblank \nC='
    (tmp_path / "web.env").write_bytes(content.encode())
    arguments = swarm.arguments(content=from_file(tmp_path / "web.env"))
    would = run_module("env_volume", arguments, check=True)
    assert would["changed"]
    assert [volumes(node) for node in swarm.nodes] == [set(), set()]
    done = run_module("env_volume", arguments)
    assert done["changed"]
    assert done["version"] == would["version"]
    for node in swarm.nodes:
        assert read_volume(node, done["volume"]) == {".env": (content.encode(), MODE, 0, 0)}
        assert node_labels(swarm.manager, node.name) == {f"fungap.env.web.{done['version']}": "ready"}
        assert [image for image in node.api.images() if not image["RepoTags"]] == []
        assert node.api.containers(all=True) == []
    before = time.time()
    again = run_module("env_volume", arguments)
    assert not again["changed"]
    assert again["ready"] == {"manager1": [done["version"]], "worker1": [done["version"]]}
    assert not run_module("env_volume", arguments, check=True)["changed"]
    assert events(swarm.nodes, before) == []


def test_the_file_is_the_users_that_the_app_runs_as(swarm: Swarm, run_module: RunModule) -> None:
    arguments = swarm.arguments(user="node", mode="0640")
    done = run_module("env_volume", arguments)
    assert (done["owner"], done["mode"]) == ("1000:1001", "0640")
    assert read_volume(swarm.manager, done["volume"]) == {".env": (b"A=1\n", 0o640, 1000, 1001)}
    assert not run_module("env_volume", arguments)["changed"]
    # What was found for a user is not the image's own.
    assert run_module("env_volume", swarm.arguments())["owner"] == "0:0"
    version = swarm.arguments(content=None, version=done["version"])
    for changes, said in (
        ({}, "belongs to user 1000:1001, and image web:v1 runs as 0:0"),
        ({"user": "2000"}, "belongs to user 1000:1001, and app web runs it as 2000:0"),
        ({"user": "node"}, "has mode 0640, and 0600 is wanted"),
        ({"user": "nobody"}, "user 'nobody', who is not in the image's /etc/passwd"),
    ):
        refused = run_module("env_volume", {**version, **changes})
        assert refused["failed"]
        assert said in refused["msg"]


def test_a_container_that_its_engine_could_not_remove_holds_nothing(swarm: Swarm, run_module: RunModule) -> None:
    """Docker calls it dead, and keeps its volumes for it until somebody removes it once more."""
    done = run_module("env_volume", swarm.arguments(app="stuck"))
    api = swarm.worker.api
    host_config = {"Mounts": [mount(done["volume"], "/data")]}
    container = api.create_container("web:v1", host_config=host_config)["Id"]
    layer = api.inspect_container(container)["GraphDriver"]["Data"]["UpperDir"].removeprefix("/var/lib/docker/")
    root = swarm.lab.outer.api.inspect_volume(swarm.worker.container)["Mountpoint"]
    held = Path(root, layer, "held")
    held.touch()
    subprocess.run(["chattr", "+i", held], check=True)
    absent = swarm.arguments(app="stuck", state="absent", content=None, image=None)
    try:
        with pytest.raises(docker.errors.APIError):
            api.remove_container(container, force=True)
        assert api.inspect_container(container)["State"]["Status"] == "dead"
        # What an engine still can't do is said in its words.
        assert "operation not permitted" in run_module("env_volume", absent)["msg"]
        assert done["volume"] in volumes(swarm.worker)
    finally:
        subprocess.run(["chattr", "-i", held], check=True)
    assert run_module("env_volume", absent)["changed"]
    assert api.containers(all=True, filters={"id": container}) == []
    assert [volumes(node) & {done["volume"]} for node in swarm.nodes] == [set(), set()]


def test_what_swarm_left_of_a_task_holds_nothing_and_what_runs_is_named(swarm: Swarm, run_module: RunModule) -> None:
    """An engine tries once to remove the container of a task that swarm has forgotten: made by hand, with its label."""
    done = run_module("env_volume", swarm.arguments(app="left"))
    api = swarm.worker.api
    host_config = {"Mounts": [mount(done["volume"], "/data")]}
    labels = {"com.docker.swarm.task.id": "forgotten"}
    for name, labelled in {"never-started": labels, "ended": labels, "runs": labels, "a-users-own": {}}.items():
        api.create_container("web:v1", SERVER, name=name, host_config=host_config, labels=labelled)
    for name in ("ended", "runs"):
        api.start(name)
    api.kill("ended")
    until(lambda: api.inspect_container("ended")["State"]["Status"] == "exited")
    absent = swarm.arguments(app="left", state="absent", content=None, image=None)
    refused = run_module("env_volume", absent)["msg"]
    assert "in use by container a-users-own (created) on worker1, container runs (running) on worker1: " in refused
    assert api.inspect_container("ended"), "nothing was done before it was refused"
    for name in ("runs", "a-users-own"):
        api.remove_container(name, force=True)
    assert run_module("env_volume", absent)["changed"]
    assert api.containers(all=True, filters={"volume": done["volume"]}) == []
    assert [volumes(node) & {done["volume"]} for node in swarm.nodes] == [set(), set()]


def test_changed_content_is_a_new_volume_and_old_ones_go(swarm: Swarm, run_module: RunModule) -> None:
    versions = [run_module("env_volume", swarm.arguments(content=f"A={i}\n", keep=2))["version"] for i in range(3)]
    assert len(set(versions)) == 3
    # The oldest is held by a stopped container of one node, the next one by a service.
    host_config = {"Mounts": [mount(f"web_env_{versions[0]}", "/data")]}
    holder = swarm.worker.api.create_container("web:v1", host_config=host_config)["Id"]
    deploy(swarm, "web:v1", f"web_env_{versions[1]}", "/usr/src/app/env")
    versions += [run_module("env_volume", swarm.arguments(content=f"A={i}\n", keep=2))["version"] for i in (3, 4)]
    names = [f"web_env_{version}" for version in versions]
    assert volumes(swarm.worker) == {names[0], names[1], names[4]}
    assert volumes(swarm.manager) == {names[0], names[1], names[4]}
    # Released, they go: labels and volumes alike.
    swarm.worker.api.remove_container(holder)
    swarm.manager.api.remove_service("web_web")
    until(lambda: not swarm.worker.api.containers(all=True))
    last = run_module("env_volume", swarm.arguments(content="A=5\n", keep=1, keep_versions=[versions[0]]))
    for node in swarm.nodes:
        assert volumes(node) == {names[0], last["volume"]}
        assert set(node_labels(swarm.manager, node.name)) == {
            f"fungap.env.web.{versions[0]}",
            f"fungap.env.web.{last['version']}",
        }
    gone = run_module("env_volume", swarm.arguments(state="absent", content=None))
    assert gone["changed"]
    assert not run_module("env_volume", swarm.arguments(state="absent", content=None))["changed"]
    for node in swarm.nodes:
        assert volumes(node) == set()
        assert node_labels(swarm.manager, node.name) == {}


def test_what_a_killed_run_leaves_is_completed(swarm: Swarm, run_module: RunModule) -> None:
    done = run_module("env_volume", swarm.arguments())
    label = f"fungap.env.web.{done['version']}"
    manager = swarm.manager.api
    node = next(one for one in manager.nodes() if one["Description"]["Hostname"] == "worker1")
    # Created, half written, helper still there, not labelled.
    manager.update_node(node["ID"], node["Version"]["Index"], {**node["Spec"], "Labels": {"mine": "stays"}})
    worker = swarm.worker.api
    helper = worker.create_container(
        "web:v1",
        labels={"io.fungap.helper": "env_volume", "io.fungap.app": "web"},
        host_config={"Mounts": [mount(done["volume"], "/data")]},
    )["Id"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(".env"))
    worker.put_archive(helper, "/data", buffer.getvalue())
    would = run_module("env_volume", swarm.arguments(), check=True)
    assert would["changed"]
    assert "write env version" in " ".join(would["actions"])
    run_module("env_volume", swarm.arguments())
    assert read_volume(swarm.worker, done["volume"]) == {".env": (b"A=1\n", MODE, 0, 0)}
    assert node_labels(swarm.manager, "worker1") == {label: "ready", "mine": "stays"}
    assert worker.containers(all=True) == []
    # A label without its volume is a lie: an engine would make an empty one. Even when it has done so already.
    for remade in (False, True):
        worker.remove_volume(done["volume"])
        if remade:
            worker.create_volume(done["volume"])
        again = run_module("env_volume", swarm.arguments())
        assert again["actions"][0] == f"no longer offer env version {done['version']} on worker1"
        assert read_volume(swarm.worker, done["volume"]) == {".env": (b"A=1\n", MODE, 0, 0)}
        assert not run_module("env_volume", swarm.arguments())["changed"]


def test_a_new_node_gets_the_kept_versions(swarm: Swarm, run_module: RunModule) -> None:
    versions = [run_module("env_volume", swarm.arguments(content=f"A={i}\n"))["version"] for i in range(3)]
    new = swarm.lab.start("worker2")[0]
    swarm.join(new)
    done = run_module("env_volume", swarm.arguments(content="A=2\n"))
    assert done["ready"]["worker2"] == sorted(versions)
    for number, version in enumerate(versions):
        assert read_volume(new, f"web_env_{version}") == {".env": (f"A={number}\n".encode(), MODE, 0, 0)}
    assert set(node_labels(swarm.manager, "worker2")) == {f"fungap.env.web.{version}" for version in versions}
    assert not run_module("env_volume", swarm.arguments(content="A=2\n"))["changed"]
    # A rollback finds its version in place: nothing is written.
    assert not run_module("env_volume", swarm.arguments(content="A=0\n"))["changed"]
    # A node that doesn't answer is left out, and said so; it isn't offered to the swarm.
    swarm.nodes.remove(new)
    swarm.lab.stop("worker2")
    arguments = swarm.arguments(content="A=9\n")
    arguments["nodes"].append({"name": "worker2", "socket": new.socket})
    done = run_module("env_volume", arguments)
    assert done["left_out"] == ["worker2"]
    assert done["ready"]["worker1"] == done["ready"]["manager1"]
    assert done["version"] not in done["ready"]["worker2"]
    # Leave the swarm as it was.
    manager = swarm.manager.api
    gone = next(one["ID"] for one in manager.nodes() if one["Description"]["Hostname"] == "worker2")
    assert until(lambda: manager.inspect_node(gone)["Status"]["State"] == "down")
    manager.remove_node(gone, force=True)


def test_nodes_of_another_docker_host(swarm: Swarm, run_module: RunModule) -> None:
    here = [{"name": "manager1", "socket": swarm.manager.socket}]
    there = [{"name": "worker1", "socket": swarm.worker.socket}]
    arguments = swarm.arguments(nodes=here, image="web:v3")

    def everywhere(content: str) -> list[dict[str, Any]]:
        first = run_module("env_volume", {**arguments, "content": content})
        assert "failed" not in first or not first["failed"], first
        elsewhere = {"app": "web", "content": content, "owner": first["owner"], "ready": first["ready"], "nodes": there}
        second = run_module("env_volume", elsewhere)
        last = {"app": "web", "manager_socket": swarm.manager.socket, "ready": second["ready"]}
        return [first, second, run_module("env_volume", last)]

    done = everywhere("A=1\n")
    assert [one["changed"] for one in done] == [True, True, True]
    assert done[0]["owner"] == "1000:1001"
    assert read_volume(swarm.worker, done[0]["volume"]) == {".env": (b"A=1\n", MODE, 1000, 1001)}
    assert done[2]["ready"]["worker1"] == [done[0]["version"]]
    before = time.time()
    assert [one["changed"] for one in everywhere("A=1\n")] == [False, False, False]
    assert events(swarm.nodes, before) == []
    # The older version goes there, too, once it goes here.
    arguments["keep"] = 0
    done = everywhere("A=2\n")
    assert volumes(swarm.worker) == volumes(swarm.manager) == {done[0]["volume"]}


@dataclass(frozen=True)
class Apart:
    """manager1 and worker1 as if they stood on two docker hosts: no call reaches both. Two versions are on each."""

    swarm: Swarm
    run_module: RunModule
    versions: list[str]

    @property
    def sockets(self) -> dict[str, str]:
        return {node.name: node.socket for node in self.swarm.nodes}

    @property
    def content(self) -> dict[str, tuple[bytes, int, int, int]]:
        """As ``read_volume`` has it, by the volumes' names."""
        return {
            f"web_env_{version}": (f"A={i}\n".encode(), MODE, 1000, 1001) for i, version in enumerate(self.versions)
        }

    def only(self, name: str) -> list[dict[str, str]]:
        """The argument ``nodes`` of a call that reaches one of them."""
        return [{"name": name, "socket": self.sockets[name]}]

    def roll_back(self, *, check: bool = False) -> list[dict[str, Any]]:
        """To the first version, as the role does it: what was copied, and the labels."""
        swarm, version, run_module = self.swarm, self.versions[0], self.run_module
        nodes = [{"name": name, "host": name, "socket": socket} for name, socket in self.sockets.items()]
        arguments = swarm.arguments(content=None, version=version, image="web:v3", nodes=self.only("manager1"))
        first = run_module("env_volume", arguments, check=check)
        other = {"app": "web", "version": version, "owner": first["owner"]}
        there = {**other, "ready": first["ready"], "nodes": self.only("worker1")}
        others = [{**run_module("env_volume", there, check=check), "__app_host": "worker1"}]
        found = env_copies(first, others, nodes)
        files = {} if check else self.read(found["reads"])
        for host, copies in found["copies"].items():
            brought = copies if check else [files[one["version"]] for one in copies]
            given = {**other, "ready": found["ready"], "nodes": self.only(host), "copies": brought}
            others.append(run_module("env_volume", given, check=check) | {"__app_host": host})
        if others[-1].get("failed"):
            return others[1:]
        labels = {"app": "web", "manager_socket": swarm.manager.socket, **env_labels(first, others, nodes)}
        return [*others[1:], run_module("env_volume", labels, check=check)]

    def read(self, wanted: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The files of versions, by those. ``wanted``: docker host -> versions."""
        files: dict[str, dict[str, Any]] = {}
        for host, versions in wanted.items():
            asked = {"app": "web", "versions": versions, "nodes": self.only(host)}
            files |= {one["version"]: one for one in self.run_module("env_volume_info", asked)["files"]}
        return files

    def empty(self, node: Node) -> None:
        """As a machine that is new: neither volumes nor labels."""
        for name in self.content:
            node.api.remove_volume(name)
        assert until(lambda: self._unlabelled(node.name))

    def _unlabelled(self, name: str) -> bool:
        api = self.swarm.manager.api
        one = next(one for one in api.nodes() if one["Description"]["Hostname"] == name)
        with suppress(docker.errors.APIError):  # somebody else changed the node meanwhile
            api.update_node(one["ID"], one["Version"]["Index"], {**one["Spec"], "Labels": {}})
        return node_labels(self.swarm.manager, name) == {}


@pytest.fixture
def apart(swarm: Swarm, run_module: RunModule) -> Apart:
    contents = [swarm.arguments(content=f"A={i}\n", image="web:v3") for i in (0, 1)]
    return Apart(swarm, run_module, [run_module("env_volume", one)["version"] for one in contents])


def test_what_one_docker_host_lacks_comes_from_another(swarm: Swarm, apart: Apart) -> None:
    assert [one["changed"] for one in apart.roll_back()] == [False]
    for away, source in ((swarm.manager, "worker1"), (swarm.worker, "manager1")):
        created = {name: away.api.inspect_volume(name)["Labels"] for name in apart.content}
        apart.empty(away)
        before = time.time()
        would = apart.roll_back(check=True)[0]
        told = [f"copy env version {one} from {source} to {away.name}" for one in sorted(apart.versions)]
        assert would["actions"] == told
        assert volumes(away) == set()
        assert [one for one in events(swarm.nodes, before) if one["Type"] == "volume"] == []
        copied, labels = apart.roll_back()
        assert (copied["changed"], labels["changed"]) == (True, True)
        for name, file in apart.content.items():
            assert read_volume(away, name) == {".env": file}
        # The age is that of the version, not of the copy.
        assert {name: away.api.inspect_volume(name)["Labels"] for name in apart.content} == created
        assert set(node_labels(swarm.manager, away.name)) == {f"fungap.env.web.{version}" for version in apart.versions}
        assert [one["changed"] for one in apart.roll_back()] == [False]


def test_what_lies_or_was_changed_or_is_out_of_reach_is_not_passed_on(swarm: Swarm, apart: Apart) -> None:
    version = apart.versions[0]
    volume = f"web_env_{version}"
    # A label that lies is found where the volume should be: nobody else sees it.
    swarm.worker.api.remove_volume(volume)
    assert [one["changed"] for one in apart.roll_back()] == [True, False]
    # Somebody has changed the one that is left.
    swarm.worker.api.remove_volume(volume)
    put(swarm.manager, volume, b"A=hunter2\n")
    refused = apart.roll_back()[0]
    assert f"volume {volume} on manager1 does not hold what its name says" in refused["msg"]
    assert "hunter2" not in json.dumps(refused)
    # The only node that has it is not there to be asked.
    gone = {"app": "web", "version": version, "nodes": apart.only("worker1"), "copies": []}
    told = apart.run_module("env_volume", {**gone, "ready": {"worker1": [], "far": [version]}})
    assert "node worker1 lacks version" in told["warnings"][0]
    assert "Bring back a node that has it (far)" in told["warnings"][0]


def put(node: Node, volume: str, content: bytes) -> None:
    """Change the env file in a volume by hand."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(".env")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    mount = {"Type": "volume", "Source": volume, "Target": "/data", "VolumeOptions": {"NoCopy": True}}
    api = node.api
    helper = api.create_container("web:v1", host_config={**api.create_host_config(), "Mounts": [mount]})["Id"]
    api.put_archive(helper, "/data", buffer.getvalue())
    api.remove_container(helper)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content": "A=1\nhunter2 is no assignment\n"}, ["line 2"]),
        ({"content": "A=1\nA=hunter2\n"}, ["line 2", "line 1"]),
        ({"image": "web:baked"}, ["key.pem", "1 file(s)"]),
        ({"target": "/usr/src/app/app.js"}, ["/usr/src/app/app.js"]),
        ({"target": "/"}, ["hide the whole image"]),
        ({"target": "env"}, ["absolute"]),
        ({"image": "web:none"}, ["web:none"]),
    ],
)
def test_refused_before_anything_is_written(
    swarm: Swarm, run_module: RunModule, changes: dict[str, Any], words: list[str]
) -> None:
    refused = run_module("env_volume", swarm.arguments(**changes))
    assert refused["failed"], refused
    for word in words:
        assert word in refused["msg"]
    assert "hunter2" not in json.dumps(refused)
    assert [volumes(node) for node in swarm.nodes] == [set(), set()]


@contextmanager
def watched(value: str) -> Iterator[list[str]]:
    """Where a value is seen in what a process was given, for as long as the block takes."""
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        if value.encode() in (process / name).read_bytes():
                            seen.append(f"{process}/{name}")
                    except OSError:
                        pass
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def test_no_value_is_seen_anywhere(swarm: Swarm) -> None:
    value = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder:
        env_file = Path(folder, "web.env")
        env_file.write_text(f"PASSWORD={value}\n")
        arguments = swarm.arguments(content=from_file(env_file))
        tasks: list[dict[str, Any]] = [{"fungap.swarm.env_volume": arguments}]
        variables = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}
        Path(folder, "play.yml").write_text(json.dumps([play]))
        with watched(value) as seen:
            done = subprocess.run(
                ["ansible-playbook", "-i", "localhost,", "--diff", "-vvv", f"{folder}/play.yml"],
                cwd=ROOT,
                env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                check=False,
            )
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    assert value not in done.stdout + done.stderr
    assert seen == []
    for node in swarm.nodes:
        name = next(iter(volumes(node)))
        assert read_volume(node, name)[".env"][0] == f"PASSWORD={value}\n".encode()
        assert value not in json.dumps(node.api.inspect_volume(name))
        assert "PASSWORD" not in json.dumps(node.api.inspect_volume(name))
