"""Clean-up of a real registry, made by its role, and of the engines of a swarm that pulls from it."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan, carry_out
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.docker.images import pushed_digest
from ansible_collections.fungap.swarm.plugins.module_utils.host.hosts_entry import HostsEntry
from ansible_collections.fungap.swarm.plugins.module_utils.image.operation import ImageCatalog
from ansible_collections.fungap.swarm.plugins.module_utils.prune.registry import RegistryPrune
from ansible_collections.fungap.swarm.plugins.module_utils.registry import window as registry_window

from ..images import image
from ..waiting import patience, wait_for
from ..warm_ansible import ansible_playbook
from .conftest import ROOT, Lab
from .test_swarm_stack import Swarm, _image

Run = Callable[..., dict[str, Any]]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MEGABYTE = 1_000_000
DEFAULTS = {"docker_socket": "/var/run/docker.sock", "catalog": [], "deadline_seconds": 60}
NOTHING = "sha256:" + 64 * "0"


class RegistryUnderTest:
    """The role's registry on the lab's network, with TLS and a login; images are pushed to it from a node."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.name = f"{lab.prefix}-registry"
        self.ip = f"{lab.subnet}.2"
        self.address = f"{self.name}:5000"
        self.between = f"169.254.{lab.subnet.rpartition('.')[2]}"
        self.own = Path(f"/etc/{lab.prefix}")
        self.config = str(self.own / "registry-client")
        self.certs = self.own / "certs.d"
        self.converge()
        login = json.loads((self.own / "registry-client" / "config.json").read_text())["auths"][self.address]["auth"]
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Basic {login}"
        self.session.verify = str(self.certs / self.address / "ca.crt")
        self.auth = {"auth": login}

    @property
    def container(self) -> Any:
        return self.lab.outer.containers.get(self.name)

    def converge(self) -> int:
        """Run the role; the number of changes."""
        variables = {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "platform_name": self.lab.prefix,
            "platform_config_dir": str(self.own),
            "registry_image": image("registry"),
            "registry_address": self.address,
            "registry_ip": self.ip,
            "registry_network": self.lab.prefix,
            "registry_metrics": {
                "port": 5001,
                "address": f"{self.lab.subnet}.4",
                "subnet": f"{self.between}.248/29",
                "registry_address": f"{self.between}.250",
                "nginx_address": f"{self.between}.251",
            },
        }
        secrets = {
            "directory": str(self.folder / "secrets"),
            "ca_name": "prn",
            "certificates": {"registry": {"names": [self.name]}},
            "passwords": ["registry"],
            "htpasswd": {"registry": "platform"},
        }
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": variables,
            "pre_tasks": [{"fungap.swarm.platform_secrets": secrets}],
            "roles": ["fungap.swarm.registry"],
        }
        (self.folder / "registry.yml").write_text(json.dumps([play]))
        done = ansible_playbook().run("-i", "localhost,", str(self.folder / "registry.yml"))
        assert done.code == 0, done.output
        recap = next(line for line in done.output.splitlines() if line.startswith("localhost ") and "ok=" in line)
        return int(dict(word.split("=") for word in recap.split() if "=" in word)["changed"])

    def trust(self, *names: str) -> None:
        """Give nodes the registry's CA."""
        content = (self.certs / self.address / "ca.crt").read_bytes()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo(f"etc/docker/certs.d/{self.address}/ca.crt")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name in names:
            self.lab.outer.containers.get(self.lab.nodes[name].container).put_archive("/", archive.getvalue())

    def push(self, api: docker.APIClient, repository: str, tag: str, size: int = 2 * MEGABYTE) -> str:
        """Push a new image with ``size`` bytes of its own; its reference by digest."""
        content = io.BytesIO(_image())
        with tarfile.open(fileobj=content, mode="a") as tar:
            entry = tarfile.TarInfo("etc/ballast")
            entry.size = size
            tar.addfile(entry, io.BytesIO(os.urandom(size)))
        name = f"{self.address}/{repository}"
        api.import_image_from_data(content.getvalue(), repository=name, tag=tag)
        return self.push_again(api, repository, tag)

    def push_again(self, api: docker.APIClient, repository: str, tag: str) -> str:
        name = f"{self.address}/{repository}"
        lines = list(api.push(name, tag, auth_config=self.login(), stream=True, decode=True))
        digest = pushed_digest(lines)
        assert digest, lines[-3:]
        return f"{name}@{digest}"

    def login(self) -> dict[str, str]:
        user, _colon, password = base64.b64decode(self.auth["auth"]).decode().partition(":")
        return {"username": user, "password": password}

    def url(self, path: str) -> str:
        return f"https://{self.address}/v2/{path}"

    def has(self, reference: str) -> bool:
        repository, _at, digest = reference.removeprefix(f"{self.address}/").partition("@")
        answer = self.session.head(
            self.url(f"{repository}/manifests/{digest}"), headers={"Accept": f"{MANIFEST}, {OCI_MANIFEST}, {INDEX}"}
        )
        return answer.status_code == 200

    def is_writable(self) -> bool:
        return self.session.delete(self.url(f"no/manifests/{NOTHING}"), timeout=5).status_code == 404

    def pull(self, reference: str) -> bool:
        """Manifest and layers, whole."""
        repository, _at, digest = reference.removeprefix(f"{self.address}/").partition("@")
        answer = self.session.get(self.url(f"{repository}/manifests/{digest}"), headers={"Accept": MANIFEST}, timeout=5)
        layers = answer.json()["layers"]
        return all(
            len(self.session.get(self.url(f"{repository}/blobs/{one['digest']}"), timeout=5).content) == one["size"]
            for one in layers
        )

    def close(self) -> None:
        for container in self.lab.outer.containers.list(all=True, ignore_removed=True):
            if container.name.startswith(self.name):
                container.remove(force=True, v=True)
        self.lab.outer.volumes.get(self.name).remove()
        self.lab.outer.networks.get(f"{self.name}-metrics").remove()
        carry_out(HostsEntry({"owner": self.name, "entry": "", "path": "/etc/hosts"}))
        shutil.rmtree(f"/etc/docker/certs.d/{self.address}", ignore_errors=True)
        shutil.rmtree(self.own)

    def put_index(self, repository: str, tag: str, digests: Sequence[str]) -> str:
        """A multi-platform index of images that are there; its reference by digest."""

        def size(digest: str) -> int:
            head = self.session.head(self.url(f"{repository}/manifests/{digest}"), headers={"Accept": MANIFEST})
            return int(head.headers["Content-Length"])

        platforms = [{"os": "linux", "architecture": architecture} for architecture in ("amd64", "arm64")]
        manifests = [
            {"mediaType": MANIFEST, "digest": digest, "size": size(digest), "platform": platform}
            for digest, platform in zip(digests, platforms, strict=True)
        ]
        put = self.session.put(
            self.url(f"{repository}/manifests/{tag}"),
            data=json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}),
            headers={"Content-Type": INDEX},
        )
        assert put.status_code == 201, put.text
        return f"{self.address}/{repository}@{put.headers['Docker-Content-Digest']}"


@pytest.fixture(scope="module")
def swarm(shared_engines: Lab) -> Swarm:
    return Swarm(shared_engines)


@pytest.fixture(scope="module")
def registry(swarm: Swarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryUnderTest]:
    under_test = RegistryUnderTest(swarm.lab, tmp_path_factory.mktemp("prn"))
    under_test.trust("manager1", "worker1")
    yield under_test
    under_test.close()


def arguments(registry: RegistryUnderTest, **more: Any) -> dict[str, Any]:
    """Of registry_prune."""
    return {
        "container": registry.name,
        "registry_address": registry.address,
        "registry_config": registry.config,
        "certs_dir": str(registry.certs),
        "needed": {},
        "grace_seconds": 0,
        "quiet_seconds": 0.5,
        **more,
    }


def ok(result: dict[str, Any], *, changed: bool) -> dict[str, Any]:
    assert not result.get("failed"), result
    assert result["changed"] is changed, {key: result.get(key) for key in ("actions", "diff")}
    return result


class Puller:
    """Pulls an image again and again; each time notes whether the registry could be written to, and the result."""

    def __init__(self, registry: RegistryUnderTest, reference: str) -> None:
        self.registry, self.reference = registry, reference
        self.seen: list[tuple[float, bool | None, bool]] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._pull)

    def __enter__(self) -> Puller:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.done.set()
        self.thread.join()

    def _pull(self) -> None:
        while not self.done.wait(0.05):
            writable: bool | None = None
            pulled = False
            try:
                writable = self.registry.is_writable()
                pulled = self.registry.pull(self.reference)
            except (requests.exceptions.RequestException, ValueError, LookupError):
                pass
            self.seen.append((time.monotonic(), writable, pulled))

    def gaps(self) -> list[float]:
        """Seconds between the last good pull and the next, wherever one failed."""
        gaps, last = [], self.seen[0][0]
        for (_, _, before), (at, _, pulled) in zip(self.seen, self.seen[1:], strict=False):
            if pulled and not before:
                gaps.append(at - last)
            if pulled:
                last = at
        return gaps


@dataclass
class Filled:
    """The registry and the engines after five revisions of one app. Each has the same tag, so only the last has one."""

    versions: list[str]
    gone: list[str]
    kept: list[str]
    whole: str
    stack: dict[str, Any]
    wanted: dict[str, Any] = field(default_factory=dict)
    engines: dict[str, Any] = field(default_factory=dict)

    def compose(self, image: str) -> dict[str, Any]:
        update = {"order": "start-first", "monitor": "1s", "parallelism": 0, "failure_action": "rollback"}
        web = {
            "image": image,
            "command": ["sh", "-c", "exec sleep 1000"],
            "stop_grace_period": "1s",
            "deploy": {"replicas": 2, "endpoint_mode": "dnsrr", "update_config": update},
        }
        return {**self.stack, "compose": {"services": {"web": web}}}


@pytest.fixture(scope="module")
def filled(
    run_module: Run, swarm: Swarm, registry: RegistryUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Filled:
    manager = swarm.manager.api
    versions = [registry.push(manager, "team/web", "latest") for _ in range(5)]
    abandoned = registry.push(manager, "abandoned", "1", 3 * MEGABYTE)
    parts = [registry.push(manager, "list", f"part{number}") for number in range(3)]
    whole = registry.put_index("list", "all", [part.partition("@")[2] for part in parts[:2]])
    stack = {
        "name": "web",
        "socket": swarm.manager.socket,
        "path": str(tmp_path_factory.mktemp("stacks")),
        "resolve_image": "never",
        "registry_config": registry.config,
        "deadline_seconds": 60,
        "keep": 3,
    }
    gone, kept = [*versions[:2], abandoned, parts[2]], [*versions[2:], whole, *parts[:2]]
    filled = Filled(versions, gone, kept, whole, stack)
    for version in versions:
        ok(run_module("swarm_stack", filled.compose(version)), changed=True)
    used = run_module("image_use_info", {"manager_sockets": [swarm.manager.socket]})
    filled.wanted = {"needed": used["images"], "catalog": [whole]}
    filled.engines = {
        "sockets": {"manager1": swarm.manager.socket, "worker1": swarm.worker.socket, "away": "/nonexistent.sock"},
        "platform": "prn",
        "registry_address": registry.address,
        "needed": [*used["images"], *kept],
        "grace_seconds": 0,
    }
    return filled


# These seven go on from each other.


def test_what_the_swarm_needs_is_that_of_its_kept_revisions(run_module: Run, swarm: Swarm, filled: Filled) -> None:
    used = run_module("image_use_info", {"manager_sockets": [swarm.manager.socket]})
    ok(used, changed=False)
    assert set(used["images"]) == set(filled.versions[2:])
    assert used["images"][filled.versions[2]] == ["revision 3 of web"]
    assert used["images"][filled.versions[4]] == ["service web_web", "revision 5 of web"]


def test_nothing_young_goes_and_check_mode_takes_nothing(
    run_module: Run, registry: RegistryUnderTest, filled: Filled
) -> None:
    started = registry.container.attrs["State"]["StartedAt"]
    ok(run_module("registry_prune", arguments(registry, **filled.wanted, grace_seconds=3600)), changed=False)
    would = ok(run_module("registry_prune", arguments(registry, **filled.wanted), check=True), changed=True)
    assert {one["image"] for one in would["removed"]} == set(filled.gone)
    assert {one["image"] for one in would["kept"]} == set(filled.kept)
    assert would["removed_repositories"] == ["abandoned"]
    assert "delete team/web" not in would["diff"]["after"]
    assert all(registry.has(image) for image in filled.gone + filled.kept)
    assert registry.container.attrs["State"]["StartedAt"] == started


def test_the_registry_loses_what_nobody_needs(run_module: Run, registry: RegistryUnderTest, filled: Filled) -> None:
    id_ = registry.container.id
    would = run_module("registry_prune", arguments(registry, **filled.wanted), check=True)
    pruned = ok(run_module("registry_prune", arguments(registry, **filled.wanted)), changed=True)
    print(
        f"registry: {pruned['bytes_freed'] / MEGABYTE:.1f} MB freed, {pruned['bytes_used'] / MEGABYTE:.1f} MB left, "
        f"{len(pruned['removed'])} images and {len(pruned['removed_repositories'])} repository removed, "
        f"window {pruned['window_seconds']} s"
    )
    assert pruned["actions"] == would["actions"]
    assert pruned["bytes_freed"] > 8 * MEGABYTE
    assert pruned["bytes_freed"] == pytest.approx(would["bytes_freed"], rel=0.1)
    assert {one["image"] for one in pruned["kept"]} == set(filled.kept)
    assert all(registry.has(image) and (image == filled.whole or registry.pull(image)) for image in filled.kept)
    assert not any(registry.has(image) for image in filled.gone)
    assert sorted(registry.session.get(registry.url("_catalog")).json()["repositories"]) == ["list", "team/web"]
    assert registry.container.id == id_
    assert registry.is_writable()


def test_a_second_run_and_the_registrys_role_find_nothing_to_do(
    run_module: Run, registry: RegistryUnderTest, filled: Filled
) -> None:
    id_ = registry.container.id
    ok(run_module("registry_prune", arguments(registry, **filled.wanted)), changed=False)
    assert registry.converge() == 0
    assert registry.container.id == id_


def test_check_mode_says_what_each_engine_would_lose(run_module: Run, swarm: Swarm, filled: Filled) -> None:
    # Containers of tasks that have ended hold their images, until swarm forgets the tasks.
    for api in (swarm.manager.api, swarm.worker.api):
        for container in api.containers(all=True, filters={"status": "exited"}):
            api.remove_container(container["Id"])
    ok(run_module("image_prune", {**filled.engines, "grace_seconds": 3600}), changed=False)
    would = ok(run_module("image_prune", filled.engines, check=True), changed=True)
    assert would["silent"] == ["away"]
    removed = {
        name: {ref for one in engine["removed"] for ref in one["names"]} for name, engine in would["engines"].items()
    }
    assert removed["manager1"] >= set(filled.gone)
    assert removed["worker1"] == set(filled.versions[:2])
    assert swarm.manager.api.inspect_image(filled.versions[0])


def test_engines_lose_what_nobody_needs(run_module: Run, swarm: Swarm, filled: Filled) -> None:
    cleaned = ok(run_module("image_prune", filled.engines), changed=True)
    for name, api in (("manager1", swarm.manager.api), ("worker1", swarm.worker.api)):
        freed = cleaned["engines"][name]["bytes_freed"]
        print(f"{name}: {freed / MEGABYTE:.1f} MB freed")
        assert freed > 4 * MEGABYTE
        assert all(api.inspect_image(version) for version in filled.versions[2:])
        assert api.inspect_image("test/box:1"), "an image of other origin"
        with pytest.raises(docker.errors.ImageNotFound):
            api.inspect_image(filled.versions[0])
    ok(run_module("image_prune", filled.engines), changed=False)


def test_the_oldest_kept_revision_comes_back_to_engines_without_its_image(
    run_module: Run, swarm: Swarm, registry: RegistryUnderTest, filled: Filled
) -> None:
    oldest, apis = filled.versions[2], (swarm.manager.api, swarm.worker.api)
    for api in apis:
        api.remove_image(oldest, force=True)
    back = ok(run_module("swarm_stack", filled.compose(oldest)), changed=True)
    assert back["verdict"] == "converged"
    assert [task["Spec"]["ContainerSpec"]["Image"] for task in swarm.running("web", "web")] == [oldest] * 2
    used = run_module("image_use_info", {"manager_sockets": [swarm.manager.socket]})
    assert set(used["images"]) == set(filled.versions[2:])
    ok(run_module("registry_prune", arguments(registry, **{**filled.wanted, "needed": used["images"]})), changed=False)


def test_the_playbook(swarm: Swarm, registry: RegistryUnderTest, tmp_path: Path) -> None:
    """As an operator runs it, on an inventory that describes the engines and the registry under test."""
    lab = swarm.lab
    host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    node = {"swarm_node_host": "vm1"}
    # The lab's own network is none of the platform's, so this one has another; what counts are the sockets.
    subnet = "172.29.253"
    inventory = {
        "docker_hosts": {"hosts": {"vm1": host}},
        "registry": {"hosts": {"vm1": None}},
        "swarm_managers": {"hosts": {"manager1": {**node, "swarm_node_address": f"{subnet}.11"}}},
        "swarm_workers": {"hosts": {"worker1": {**node, "swarm_node_address": f"{subnet}.21"}}},
    }
    variables = {
        "platform_name": lab.prefix,
        "platform_subnet": f"{subnet}.0/24",
        "platform_config_dir": str(registry.own),
        "platform_run_dir": str(lab.run_dir),
        "platform_secrets_dir": str(registry.folder / "secrets"),
        "registry_address": registry.address,
        "proxy_bind_address": "127.0.0.1",
        "proxy_http_port": 18190,
        "proxy_https_port": 18553,
        "apps": {},
        "registry_prune_grace_seconds": 0,
        "registry_prune_quiet_seconds": 1,
        # The docker host's engine is this machine's own: what else it holds is none of the test's business.
        "images_prune_grace_seconds": 10**9,
    }
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    (tmp_path / "group_vars" / "all.yml").write_text(json.dumps(variables))

    def prune(*options: str) -> tuple[int, str]:
        started = time.monotonic()
        done = ansible_playbook().run("-i", str(tmp_path), *options, "playbooks/prune.yml")
        assert done.code == 0, done.output
        changed = sum(int(number) for number in re.findall(r"\bchanged=(\d+)", done.output))
        print(f"prune.yml {' '.join(options)}: {time.monotonic() - started:.1f} s, changed={changed}")
        return changed, done.output

    junk = registry.push(swarm.manager.api, "junk", "1")
    changed, output = prune("--check", "--diff")
    assert changed == 1
    assert re.search(r"-.*junk@sha256:\w{12} \(1\): nothing needs it", output)
    assert registry.has(junk)
    changed, output = prune()
    assert changed == 1
    summary = output[output.index("Summary") :]
    print(summary[: summary.index("PLAY RECAP")])
    assert re.search(r"gone - .*\bjunk\b", summary)
    assert not registry.has(junk)
    assert prune()[0] == 0


def test_pulls_go_on_while_the_registry_is_read_only(
    swarm: Swarm, registry: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection that takes as long as they need, beside an impatient client and a node's engine."""
    kept = registry.push(swarm.manager.api, "pulled", "1")
    registry.push(swarm.manager.api, "junk", "1")
    real = registry_window.collector
    volume = next(one for one in registry.container.attrs["Mounts"] if one["Type"] == "volume")
    enough = Path(volume["Source"], "enough")

    def slow(*args: Any) -> dict[str, Any]:
        body = real(*args)
        until_enough = f"until test -e {volume['Destination']}/{enough.name}; do sleep 0.1; done; exec"
        command = " ".join([until_enough, *body["Entrypoint"], *body["Cmd"]])
        return {**body, "Entrypoint": ["sh", "-c"], "Cmd": [command]}

    monkeypatch.setattr(registry_window, "collector", slow)
    pulled: list[bool] = []
    networks: list[dict[str, str]] = []

    def addresses() -> dict[str, str]:
        found = registry.container.attrs["NetworkSettings"]["Networks"]
        return {name: endpoint["IPAddress"] for name, endpoint in found.items()}

    def pull_on_a_node(seen: list[tuple[float, bool | None, bool]]) -> None:
        def pulls() -> int:
            return sum(writable is False for _, writable, _ in list(seen))

        try:
            while not pulls():
                time.sleep(0.05)
            swarm.worker.api.pull(kept, auth_config=registry.login())
            networks.append(addresses())
            pulled.append(registry.is_writable())
            while pulls() <= 10:
                time.sleep(0.05)
        finally:
            enough.touch()

    with Puller(registry, kept) as puller:
        node = threading.Thread(target=pull_on_a_node, args=(puller.seen,))
        node.start()
        operation = RegistryPrune({**DEFAULTS, **arguments(registry, needed={kept: ["it is pulled"]})})
        result = carry_out(operation).result
        node.join()
    enough.unlink()
    window = [good for _, writable, good in puller.seen if writable is False]
    gaps = [round(gap, 1) for gap in puller.gaps()]
    print(
        f"window {result['window_seconds']} s: {len(window)} pulls in it, {window.count(False)} failed; "
        f"no answer for {gaps} s when it opened and closed"
    )
    # Its figures are shown there: a registry that lacks the address would not even start.
    assert networks == [{registry.lab.prefix: registry.ip, f"{registry.name}-metrics": f"{registry.between}.250"}]
    assert addresses() == networks[0]
    assert pulled == [False], "pulled by an engine, and the window was still open"
    assert len(window) > 10
    assert window.count(False) <= 1, "one may meet the end of the window"
    assert all(gap < 5 * patience() for gap in gaps)


def test_a_collection_that_fails_ends_with_a_registry_that_can_be_written_to(
    run_module: Run, swarm: Swarm, registry: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push(swarm.manager.api, "junk", "1")
    id_ = registry.container.id
    real = registry_window.collector
    monkeypatch.setattr(
        registry_window, "collector", lambda *args: {**real(*args), "Cmd": ["garbage-collect", "/nothing.yml"]}
    )
    operation = RegistryPrune({**DEFAULTS, **arguments(registry)})
    with pytest.raises(PlatformError, match=r"exit code 1: .*nothing.yml"):
        carry_out(operation)
    assert registry.container.id == id_
    wait_for_registry(registry)
    # What it had deleted is garbage still: the next run frees it.
    result = ok(run_module("registry_prune", arguments(registry)), changed=True)
    assert result["removed"] == []
    assert result["bytes_freed"] > 2 * MEGABYTE
    ok(run_module("registry_prune", arguments(registry)), changed=False)


def test_what_is_pushed_again_is_young(run_module: Run, swarm: Swarm, registry: RegistryUnderTest) -> None:
    """A deploy on its way to an image that nothing needs yet, which the registry has had for long."""
    images = [registry.push(swarm.manager.api, "again", tag, 1000) for tag in ("1", "2")]
    data = next(Path(one["Source"]) for one in registry.container.attrs["Mounts"] if one["Type"] == "volume")
    long_ago = time.time() - 7200
    for path in data.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    registry.push_again(swarm.manager.api, "again", "2")
    pruned = ok(run_module("registry_prune", arguments(registry, grace_seconds=3600)), changed=True)
    assert images[0] in [one["image"] for one in pruned["removed"]]
    [kept] = pruned["kept"]
    assert kept["image"] == images[1]
    assert is_young(kept["why"])
    assert registry.pull(images[1])
    ok(run_module("registry_prune", arguments(registry, grace_seconds=3600)), changed=False)


def is_young(why: Sequence[str]) -> bool:
    """Whether it is kept for nothing but its age, of minutes at most: the files around it are two hours old."""
    return len(why) == 1 and re.fullmatch(r"pushed \d min ago", why[0]) is not None


class Deploy:
    """What a deploy does to the registry: it takes an image there, from a registry that is the same one here."""

    def __init__(self, swarm: Swarm, registry: RegistryUnderTest, tag: str) -> None:
        api = swarm.manager.api
        source = registry.push(api, "hub", tag, 1000)
        self.registry, self.needed = registry, {source: ["it is the source"]}
        self.params = {
            "docker_socket": swarm.manager.socket,
            "catalog": {"app-web": {"pull": f"{registry.address}/hub:{tag}", "source": "pull", "follow": True}},
            "credentials": [{"registry": registry.address, **registry.login()}],
            "push": True,
            "registry_address": registry.address,
            "registry_config": registry.config,
            "certs_dir": str(registry.certs),
            "trusted_ca_files": [],
        }

    def operation(self) -> ImageCatalog:
        defaults = {"contexts": {}, "names": None, "source": "pull", "archive_dir": None, "generation": "", "bases": {}}
        defaults |= {"archive_sha256": {}, "progress": None}
        defaults |= {
            "optional": [],
            "required": [],
            "platform": "prn",
            "push_names": None,
            "missing": "fail",
            "build_environment": {},
        }
        return ImageCatalog({**defaults, **self.params})

    def prune(self, run_module: Run, **more: Any) -> dict[str, Any]:
        done = run_module("registry_prune", arguments(self.registry, needed=self.needed, **more))
        assert not done.get("failed"), done
        return done

    def age(self) -> None:
        """All that the registry holds was pushed long ago."""
        data = next(Path(one["Source"]) for one in self.registry.container.attrs["Mounts"] if one["Type"] == "volume")
        long_ago = time.time() - 7200
        for path in data.rglob("*"):
            os.utime(path, (long_ago, long_ago))


def test_a_deploy_makes_sure_of_an_image_that_the_registry_has(
    run_module: Run, swarm: Swarm, registry: RegistryUnderTest
) -> None:
    """No revision needs it yet, and it was pushed long ago: a prune that comes between would take it."""
    deploy = Deploy(swarm, registry, "old")
    image = ok(run_module("image_catalog", deploy.params), changed=True)["images"]["app-web"]["ref"]
    deploy.age()
    would = run_module("registry_prune", arguments(registry, needed=deploy.needed, grace_seconds=3600), check=True)
    assert image in [one["image"] for one in would["removed"]]
    assert ok(run_module("image_catalog", deploy.params), changed=False)["images"]["app-web"]["ref"] == image
    pruned = deploy.prune(run_module, grace_seconds=3600)
    assert is_young(next(one["why"] for one in pruned["kept"] if one["image"] == image))
    assert registry.pull(image)
    # Deleted, and its space freed, between the deploy's look and its push; the docker host has lost it, too.
    operation = deploy.operation()
    plan = operation.plan()
    assert not plan.actions
    assert image in [one["image"] for one in deploy.prune(run_module)["removed"]]
    assert not registry.has(image)
    swarm.manager.api.remove_image(operation.targets["app-web"].image, force=True)
    assert operation.apply(plan)["images"]["app-web"]["ref"] == image
    assert registry.pull(image)


def test_a_push_waits_until_the_registry_is_no_longer_read_only(
    run_module: Run, swarm: Swarm, registry: RegistryUnderTest
) -> None:
    deploy = Deploy(swarm, registry, "new")
    window = registry_window.RegistryWindow(Engine("/var/run/docker.sock"), registry.name)
    for what in ("a push", "a renewal"):
        # By then the module has looked at a registry that answers.
        operation = deploy.operation()
        plan = operation.plan()
        assert bool(plan.actions) is (what == "a push")
        done: list[float] = []

        def push(operation: ImageCatalog = operation, plan: Plan = plan, done: list[float] = done) -> None:
            operation.apply(plan)
            done.append(time.monotonic())

        with window.opened():
            wait_for_registry(registry, writable=False)
            thread = threading.Thread(target=push)
            thread.start()
            time.sleep(3)
            assert not done
            closing = time.monotonic()
        thread.join()
        print(f"{what}: done {done[0] - closing:.1f} s after the window began to close")
        assert registry.pull(ok(run_module("image_catalog", deploy.params), changed=False)["images"]["app-web"]["ref"])


def wait_for_registry(registry: RegistryUnderTest, *, writable: bool = True) -> None:
    """Until it answers; then it has to be writable, or not."""
    wait_for("the registry", lambda: registry.is_writable() in (True, False), 20)
    assert registry.is_writable() is writable


# Ends itself by a signal right before the n-th thing that it does to the registry's containers.
ENDED_RUN = """
import json, os, sys, time
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import carry_out
from ansible_collections.fungap.swarm.plugins.module_utils.docker.containers import Containers
from ansible_collections.fungap.swarm.plugins.module_utils.prune.registry import RegistryPrune
params, number, end = json.load(sys.stdin)
done = []
def ending(name):
    method = getattr(Containers, name)
    def wrapper(self, *args, **kwargs):
        done.append(name)
        if len(done) == number:
            print(name, flush=True)
            os.kill(os.getpid(), end)
            time.sleep(5)
        return method(self, *args, **kwargs)
    setattr(Containers, name, wrapper)
for name in ("create", "stop", "rename", "start", "remove"):
    ending(name)
carry_out(RegistryPrune(params))
print("finished")
"""


def ended_run(registry: RegistryUnderTest, number: int, end: signal.Signals) -> str:
    """What it was about to do."""
    done = subprocess.run(
        [sys.executable, "-c", ENDED_RUN],
        input=json.dumps([{**DEFAULTS, **arguments(registry)}, number, end]),
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr


def test_a_run_that_was_killed_is_put_right(run_module: Run, swarm: Swarm, registry: RegistryUnderTest) -> None:
    """By the next run, or by the registry's role: whichever comes first."""
    for number in range(1, 20):
        registry.push(swarm.manager.api, "junk", "1", 1000)
        id_ = registry.container.id
        what = ended_run(registry, number, signal.SIGKILL)
        names = [
            one.name
            for one in registry.lab.outer.containers.list(all=True, ignore_removed=True)
            if one.name.startswith(registry.name)
        ]
        if what == "finished":
            break
        print(f"{number}: killed before {what}, leaving {sorted(names)}")
        if number % 2:
            registry.converge()
            wait_for_registry(registry)
        result = run_module("registry_prune", arguments(registry))
        assert not result.get("failed"), (what, result)
        ok(run_module("registry_prune", arguments(registry)), changed=False)
        assert registry.is_writable()
        assert number % 2 or registry.container.id == id_
        names = [
            one.name
            for one in registry.lab.outer.containers.list(all=True, ignore_removed=True)
            if one.name.startswith(registry.name)
        ]
        assert names == [registry.name]
    assert number > 8


def test_a_run_that_is_ended_politely_puts_it_right_itself(swarm: Swarm, registry: RegistryUnderTest) -> None:
    registry.push(swarm.manager.api, "junk", "1", 1000)
    id_ = registry.container.id
    assert ended_run(registry, 7, signal.SIGTERM) == "start", "that of the collection, in the open window"
    assert registry.container.id == id_
    wait_for_registry(registry)


def test_a_docker_hosts_own_images(run_module: Run, swarm: Swarm) -> None:
    """Older recipes and what has no name, on an engine that stands for a docker host's."""
    api = swarm.worker.api
    for tag, content in (("old", b"1"), ("run", b"2"), ("new", b"3"), ("theirs", b"4")):
        tar = io.BytesIO(_image())
        with tarfile.open(fileobj=tar, mode="a") as archive:
            entry = tarfile.TarInfo("etc/version")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        label = [f"LABEL io.fungap.made-for={'two' if tag == 'theirs' else 'prn'}"]
        api.import_image_from_data(tar.getvalue(), repository="fungap/prn", tag=tag, changes=label)
    nameless = json.loads(api.import_image_from_data(_image() + b"\0" * 512).strip().splitlines()[-1])["status"]
    api.create_container("fungap/prn:run", ["sh"], name="prn-holder")
    args = {
        "sockets": {"host": swarm.worker.socket, "the same": swarm.worker.socket},
        "platform": "prn",
        "registry_address": "registry:5000",
        "needed": [],
        "catalog": ["fungap/prn:new"],
        "grace_seconds": 0,
    }
    would = ok(run_module("image_prune", args, check=True), changed=True)
    assert list(would["engines"]) == ["host"]
    assert "fungap/prn:theirs" not in json.dumps(would)
    cleaned = ok(run_module("image_prune", args), changed=True)
    assert {name for one in cleaned["engines"]["host"]["removed"] for name in one["names"]} >= {
        "fungap/prn:old",
        nameless,
    }
    assert set(api.inspect_image("fungap/prn:new")["RepoTags"]) == {"fungap/prn:new"}
    assert api.inspect_image("fungap/prn:run")
    assert api.inspect_image("fungap/prn:theirs")
    ok(run_module("image_prune", args), changed=False)
    api.remove_container("prn-holder")
