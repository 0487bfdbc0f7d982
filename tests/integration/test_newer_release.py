"""What Debian's next release brings: an engine with containerd's store of images, Prometheus 3, a newer nginx."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from ..waiting import wait_for
from .conftest import Lab
from .newer import newer_image
from .test_alert_rules import FILES, TESTS, promtool
from .test_monitoring_config import EVERYTHING, check, render
from .test_proxy_config import ROUTES, Site
from .test_proxy_config import render as render_proxy
from .test_prune import RegistryUnderTest, ok
from .test_swarm_stack import Swarm, _image

Run = Callable[..., dict[str, Any]]
STEPS = "FROM newer/base:1\nRUN echo 1 >/one\nRUN echo 2 >/two\nCOPY three /three\n"


@pytest.fixture(scope="module")
def swarm() -> Iterator[Swarm]:
    lab = Lab(newer_image("node"), {"features": {"containerd-snapshotter": True}})
    try:
        yield Swarm(lab)
    finally:
        lab.close()


@pytest.fixture(scope="module")
def registry(swarm: Swarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryUnderTest]:
    under_test = RegistryUnderTest(swarm.lab, tmp_path_factory.mktemp("newer"))
    under_test.trust("manager1", "worker1")
    yield under_test
    under_test.close()


def test_it_is_a_newer_engine_with_the_other_store(swarm: Swarm) -> None:
    info = swarm.manager.api.info()
    assert int(info["ServerVersion"].split(".")[0]) >= 28
    assert ["driver-type", "io.containerd.snapshotter.v1"] in info["DriverStatus"]


def test_images_are_built_and_pushed_once(
    run_module: Run, swarm: Swarm, registry: RegistryUnderTest, tmp_path: Path
) -> None:
    swarm.manager.api.import_image_from_data(_image(), repository="newer/base", tag="1")
    (tmp_path / "Dockerfile").write_text(STEPS)
    (tmp_path / "three").write_text("3\n")
    args = {
        "catalog": {"newer": {"build": {"context": str(tmp_path)}}},
        "platform": swarm.lab.prefix,
        "docker_socket": swarm.manager.socket,
        "registry_address": registry.address,
        "registry_config": registry.config,
        "certs_dir": str(registry.certs),
        "push": True,
    }
    made = ok(run_module("image_catalog", args), changed=True)["images"]["newer"]
    assert registry.has(made["ref"])
    again = ok(run_module("image_catalog", args), changed=False)["images"]["newer"]
    assert (again["ref"], again["id"]) == (made["ref"], made["id"])
    swarm.worker.api.pull(made["ref"], auth_config=registry.login())
    assert swarm.worker.api.inspect_image(made["ref"])


def test_an_app_runs_is_changed_and_comes_back(
    run_module: Run, swarm: Swarm, registry: RegistryUnderTest, tmp_path: Path
) -> None:
    first, second = (registry.push(swarm.manager.api, "web", version) for version in ("1", "2"))
    stack = {
        "name": "web",
        "socket": swarm.manager.socket,
        "path": str(tmp_path),
        "resolve_image": "never",
        "registry_config": registry.config,
        "node_sockets": {"manager1": swarm.manager.socket, "worker1": swarm.worker.socket},
        "deadline_seconds": 60,
    }

    def compose(image: str) -> dict[str, Any]:
        update = {"order": "start-first", "monitor": "1s", "parallelism": 0, "failure_action": "rollback"}
        web = {
            "image": image,
            "command": ["sh", "-c", "exec sleep 1000"],
            "stop_grace_period": "1s",
            "deploy": {"replicas": 2, "endpoint_mode": "dnsrr", "update_config": update},
        }
        return {**stack, "compose": {"services": {"web": web}}}

    for image in (first, second, first):
        ok(run_module("swarm_stack", compose(image), check=True), changed=True)
        ok(run_module("swarm_stack", compose(image)), changed=True)
        ok(run_module("swarm_stack", compose(image)), changed=False)
    running = swarm.running("web", "web")
    assert {task["Spec"]["ContainerSpec"]["Image"] for task in running} == {first}
    assert len({task["NodeID"] for task in running}) == 2


def test_prune_leaves_nothing_that_nobody_needs(run_module: Run, swarm: Swarm, registry: RegistryUnderTest) -> None:
    api = swarm.manager.api
    registry.push(swarm.worker.api, "abandoned", "1")
    for reference in [tag for image in api.images() for tag in image["RepoTags"] or [] if "/newer:" in tag]:
        api.remove_image(reference, noprune=True)
    used = run_module("image_use_info", {"manager_sockets": [swarm.manager.socket]})["images"]
    args = {
        "platform": swarm.lab.prefix,
        "sockets": {"manager1": swarm.manager.socket, "worker1": swarm.worker.socket},
        "registry_address": registry.address,
        "needed": list(used),
        "grace_seconds": 0,
    }
    ok(run_module("image_prune", args, check=True), changed=True)
    done = ok(run_module("image_prune", args), changed=True)
    assert done["engines"]["worker1"]["removed"]
    ok(run_module("image_prune", args), changed=False)
    assert not [image for image in api.images() if not image["RepoTags"] and not image["RepoDigests"]]
    wait_for("both replicas", lambda: len(swarm.running("web", "web")) == 2)


def version(image: str, *command: str) -> tuple[int, ...]:
    """What a program says of itself, as numbers."""
    output: bytes = docker.from_env().containers.run(
        image, list(command[1:]), entrypoint=command[0], remove=True, stderr=True, network_mode="none"
    )
    found = re.search(rb"(?:version[ =:]+|nginx/)([0-9.]+)", output)
    assert found, output
    return tuple(map(int, found[1].split(b".")))


def test_prometheus_3_takes_the_files_and_the_alerts_fire_as_before(tmp_path: Path) -> None:
    image = newer_image("prometheus")
    assert version(image, "promtool", "--version") >= (3, 5)
    arguments = ["check", "config", "/etc/prometheus/prometheus.yml"]
    (tmp_path / "files").mkdir()
    assert "SUCCESS" in check(image, "promtool", arguments, render(tmp_path, EVERYTHING), tmp_path / "files")
    assert promtool("test", "rules", *(f"{TESTS}/{name}" for name in FILES), newer=image).count("SUCCESS") == len(FILES)


def test_alertmanager_and_the_blackbox_exporter_take_their_files(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    rendered = render(tmp_path, EVERYTHING)
    alertmanager, blackbox = newer_image("alertmanager"), newer_image("blackbox-exporter")
    assert version(alertmanager, "amtool", "--version") >= (0, 33)
    arguments = ["check-config", "/etc/alertmanager/alertmanager.yml"]
    assert "SUCCESS" in check(alertmanager, "amtool", arguments, rendered, tmp_path / "files")
    arguments = ["--config.file=/etc/blackbox/blackbox.yml", "--config.check"]
    assert "Config file is ok" in check(blackbox, "/bin/blackbox_exporter", arguments, rendered, tmp_path / "files")


def test_a_newer_nginx_routes_to_the_app(tmp_path: Path) -> None:
    site = Site(tmp_path, newer_image("proxy"))
    try:
        assert version(site.proxy_image, "nginx", "-v") >= (1, 30)
        site.backend("web1", "tasks.web_web")
        render_proxy(tmp_path, {"proxy_routes": ROUTES})
        assert site.https(site.proxy(), "web.localhost").json["name"] == "web1"
    finally:
        site.close()
