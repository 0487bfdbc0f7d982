"""The role app on a real swarm: env file, stack, update, rollback of the env."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..waiting import until
from ..warm_ansible import ansible_playbook
from .conftest import Lab, Node
from .test_env_volume import Swarm, add_image, code, events, read_volume, run_in, volumes, watched

HEALTH = ["CMD", "/bin/busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:3000/"]
Converge = Callable[..., dict[str, int]]


@pytest.fixture(scope="module")
def shared_swarm(shared_engines: Lab, busybox: bytes) -> Swarm:
    swarm = Swarm(shared_engines, busybox)
    swarm.manager.api.create_network("public", driver="overlay", attachable=True)
    return swarm


@pytest.fixture
def swarm(shared_swarm: Swarm) -> Iterator[Swarm]:
    yield shared_swarm
    shared_swarm.clean()


@pytest.fixture
def said() -> list[str]:
    """What each run has printed."""
    return []


@pytest.fixture
def converge(swarm: Swarm, said: list[str], tmp_path: Path) -> Converge:
    """Run the role with these settings of the app; return the play's counts."""

    def run(
        *options: str, variables_of_role: dict[str, Any] | None = None, tasks_from: str = "", **app: Any
    ) -> dict[str, int]:
        settings = {
            "image": "web",
            "port": 3000,
            "replicas": 2,
            "env_file": "web.env",
            "env_target": "/usr/src/app/env",
            "health": {"test": HEALTH, "interval_seconds": 1, "timeout_seconds": 1, "start_period_seconds": 1},
            "update": {"monitor_seconds": 5, "delay_seconds": 0},
            "stop_grace_seconds": 2,
        }
        variables = {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "ansible_connection": "local",
            "platform_config_dir": str(tmp_path / "config"),
            "app_env_dir": str(tmp_path),
            "app_manager_socket": swarm.manager.socket,
            "app_nodes": [{"name": node.name, "socket": node.socket, "host": "localhost"} for node in swarm.nodes],
            "app_images": {"web": {"ref": "web:v1"}, "web2": {"ref": "web:v2"}},
            "app_apps": {"web": {**settings, **app}},
            **(variables_of_role or {}),
        }
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables}
        role = {"ansible.builtin.import_role": {"name": "fungap.swarm.app", "tasks_from": tasks_from}}
        what = {"tasks": [role]} if tasks_from else {"roles": ["fungap.swarm.app"]}
        (tmp_path / "play.yml").write_text(json.dumps([{**play, **what}]))
        done = ansible_playbook().run("-i", "localhost,elsewhere,", "--diff", *options, str(tmp_path / "play.yml"))
        said.append(done.output)
        assert "hunter" not in done.output
        assert done.code == 0, done.output
        recap = next(line for line in done.output.splitlines() if line.startswith("localhost ") and "ok=" in line)
        return {key: int(value) for key, value in (word.split("=") for word in recap.split() if "=" in word)}

    return run


def answers(swarm: Swarm, *command: str) -> list[str]:
    """What each running replica says to a command."""
    return [
        run_in(node, one["Id"], "/bin/busybox", *command)
        for node in swarm.nodes
        for one in node.api.containers(filters={"label": "com.docker.swarm.service.name=web_web"})
    ]


def test_an_app_with_its_env_file(swarm: Swarm, converge: Converge, tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("PASSWORD=hunter1\n")
    assert converge()["changed"] == 2
    read = ["cat", "/usr/src/app/env/.env"]
    assert until(lambda: answers(swarm, *read) == ["PASSWORD=hunter1\n"] * 2)
    before = time.time()
    assert converge()["changed"] == 0
    assert [one for one in events(swarm.nodes, before) if not one["Action"].startswith("exec_")] == []
    # Another env file and other code, rolled out together.
    (tmp_path / "web.env").write_text("PASSWORD=hunter2\n")
    assert converge(image="web2")["changed"] == 2
    assert until(lambda: answers(swarm, *read) == ["PASSWORD=hunter2\n"] * 2)
    assert answers(swarm, "cat", "/usr/src/app/www/index.html") == ["code v2"] * 2
    assert all(len([name for name in volumes(node) if name.startswith("web_env_")]) == 2 for node in swarm.nodes)
    # As a secret, at the same place.
    assert converge(image="web2", env_delivery="secret")["changed"] == 1
    assert until(lambda: answers(swarm, *read) == ["PASSWORD=hunter2\n"] * 2)


def test_a_docker_host_that_was_away_gets_the_env_file_that_it_missed(
    swarm: Swarm, converge: Converge, said: list[str], tmp_path: Path
) -> None:
    """Which nobody has any more but the node that was there: it was given to a deploy."""
    nodes = [
        {"name": node.name, "socket": node.socket, "host": host}
        for node, host in zip(swarm.nodes, ("localhost", "elsewhere"), strict=True)
    ]
    # Of no other test: those that run meanwhile may show theirs.
    value = f"hunter-{secrets.token_hex(8)}"
    content = f"PASSWORD={value}\n"
    (tmp_path / "web.env").write_text("PASSWORD=hunter1\n")
    (tmp_path / "new.env").write_text(content)
    converge(variables_of_role={"app_nodes": nodes})
    deploy = {"app_name": "web", "app_kind": "deploy", "app_env_file": "new.env"}
    converge(variables_of_role={"app_nodes": nodes[:1], **deploy})
    (tmp_path / "new.env").unlink()
    missed = volumes(swarm.manager) - volumes(swarm.worker)
    assert len(missed) == 1
    steps = ("Read what a docker host lacks", "Copy it there", "Let the swarm place there too")

    def told() -> list[bool]:
        """Which of them were taken: a task that is skipped has no heading."""
        return [f"TASK [fungap.swarm.app : {step}" in said[-1] for step in steps]

    before = time.time()
    assert converge("--check", variables_of_role={"app_nodes": nodes})["changed"] == 2
    assert told() == [False, True, True]
    assert [one for one in events(swarm.nodes, before) if not one["Action"].startswith("exec_")] == []
    # Whatever verb comes by. What is copied, and the label that follows, are the changes; then the replicas.
    scale = {"app_name": "web", "app_kind": "scale", "app_settings": {"replicas": 3}}
    with watched(value) as seen:
        assert converge("-vvv", variables_of_role={"app_nodes": nodes, **scale})["changed"] == 3
    assert seen == []
    assert base64.b64encode(content.encode()).decode() not in said[-1]
    assert read_volume(swarm.worker, missed.pop())[".env"][0] == content.encode()
    read = ["cat", "/usr/src/app/env/.env"]
    assert until(lambda: answers(swarm, *read) == [content] * 3)
    assert swarm.worker.api.containers(filters={"label": "com.docker.swarm.service.name=web_web"})
    before = time.time()
    assert converge(variables_of_role={"app_nodes": nodes})["changed"] == 0
    assert told() == [False, False, False]
    assert [one for one in events(swarm.nodes, before) if not one["Action"].startswith("exec_")] == []


def test_an_older_copy_of_the_inventory_undoes_nothing(
    swarm: Swarm, converge: Converge, run_module: Callable[..., Any], tmp_path: Path
) -> None:
    env = tmp_path / "web.env"
    env.write_text("PASSWORD=hunter1\n")
    converge(replicas=1)
    env.write_text("PASSWORD=hunter2\n")
    converge()
    # Somebody else's copy, of before.
    env.write_text("PASSWORD=hunter1\n")
    image = {"app_name": "web", "app_kind": "deploy", "app_settings": {"image": "web2"}}
    converge(replicas=1, variables_of_role=image)
    read = ["cat", "/usr/src/app/env/.env"]
    assert until(lambda: answers(swarm, *read) == ["PASSWORD=hunter2\n"] * 2)
    assert answers(swarm, "cat", "/usr/src/app/www/index.html") == ["code v2"] * 2
    # What is to bring it in stops, and the preflight has the same to judge by.
    sockets = ["/run/nowhere/docker.sock", *(node.socket for node in reversed(swarm.nodes))]
    seen = run_module("docker_host_info", {"manager_sockets": sockets})["stacks"]["web"]["revisions"]
    words = [row["release"]["inventory"]["app"]["replicas"] for row in seen]
    assert ([row["kind"] for row in seen], words) == (["deploy", "site", "site"], [2, 2, 1])
    for check in ([], ["--check"]):
        with pytest.raises(
            AssertionError, match=r"revision 1 \(site by .* a newer one, which differs in replicas, the env"
        ):
            converge(*check, replicas=1)
    assert answers(swarm, *read) == ["PASSWORD=hunter2\n"] * 2
    converge(replicas=1, variables_of_role={"apps_older_confirmed": "web"})
    assert until(lambda: answers(swarm, *read) == ["PASSWORD=hunter1\n"])
    assert converge(replicas=1)["changed"] == 0


def test_a_rollback_takes_no_host_name_that_another_has_by_now(swarm: Swarm, converge: Converge) -> None:
    """Of another app, or of a page of the platform."""
    web = {"image": "web", "port": 3000, "replicas": 1, "health": {"test": HEALTH, "interval_seconds": 1}}
    web["update"] = {"monitor_seconds": 1, "delay_seconds": 0}

    def run(kind: str, app: str, **more: Any) -> None:
        apps = {name: {**web, "hosts": [f"{name}.localhost"]} for name in ("web", "api")}
        converge(variables_of_role={"app_apps": apps, "app_name": app, "app_kind": kind, **more})

    run("site", "")
    run("deploy", "web", app_settings={"hosts": ["new.localhost"]})
    run("deploy", "api", app_settings={"hosts": ["web.localhost"]})
    before = swarm.manager.api.inspect_service("web_web")["Version"]
    with pytest.raises(AssertionError, match=r"web\.localhost would be a host name of two apps, api and web"):
        run("rollback", "web")
    with pytest.raises(AssertionError, match=r"api\.localhost would be a host name of the app api and of monitoring"):
        run("rollback", "api", app_other_hosts={"api.localhost": "monitoring_hosts.grafana"})
    assert swarm.manager.api.inspect_service("web_web")["Version"] == before
    run("rollback", "api")
    run("rollback", "web")


def test_services_beside_the_app_and_what_it_says_of_its_own(swarm: Swarm, converge: Converge, tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("PASSWORD=hunter1\n")
    worker = {"placement": {"constraints": ["node.role == worker"]}}
    own = {"volumes": [{"type": "tmpfs", "target": "/scratch"}], "environment": {"Q": "a$$b"}, "deploy": worker}
    shell = ["/bin/busybox", "sh", "-c"]
    services: dict[str, Any] = {
        "cache": {"image": "web2"},
        "job": {"image": "web", "command": [*shell, "exit 0"], "deploy": {"restart_policy": {"condition": "none"}}},
    }
    for wrong, words in (
        ({"service": {"environment": {"P": "${DB_PASSWORD:-changeme}"}}}, r"service\.environment\.P has a lone \$"),
        ({"services": {"x": {"image": "web", "configs": 5}}}, r"services\.x\.configs must be a list"),
        # Before so much as an env file is delivered.
        ({"service": {"command": "echo 'it"}}, r"service\.command has a quote that is not closed"),
    ):
        with pytest.raises(AssertionError, match=words):
            converge(**wrong)
    assert [one for node in swarm.nodes for one in volumes(node)] == []
    assert converge(service=own, services=services)["changed"] == 2
    assert until(lambda: answers(swarm, "cat", "/usr/src/app/env/.env") == ["PASSWORD=hunter1\n"] * 2)
    assert all("/scratch tmpfs" in one for one in answers(swarm, "cat", "/proc/mounts"))
    assert all("Q=a$b" in one.splitlines() for one in answers(swarm, "env"))
    constraints = swarm.manager.api.inspect_service("web_web")["Spec"]["TaskTemplate"]["Placement"]["Constraints"]
    assert constraints[0].startswith("node.labels.fungap.env.web."), "no task starts beside an empty volume"
    assert constraints[1] == "node.role == worker"
    # By its name, on kernels without IPVS too; and it runs the image that the catalog's name leads to.
    fetch = ["wget", "-q", "-O", "-", "http://cache:3000/"]
    assert until(lambda: answers(swarm, *fetch) == ["code v2"] * 2)
    assert converge(service=own, services=services)["changed"] == 0
    services["job"]["command"] = [*shell, "exit 0 # once more"]
    assert converge(service=own, services=services)["changed"] == 1
    with pytest.raises(AssertionError, match="is replicated and would become global"):
        converge(service={"deploy": {"mode": "global"}}, replicas=1)


def test_one_on_each_node(swarm: Swarm, converge: Converge) -> None:
    every = {"image": "web", "port": 3000, "health": {"test": HEALTH, "interval_seconds": 1}}
    every |= {"update": {"monitor_seconds": 1, "delay_seconds": 0}, "service": {"deploy": {"mode": "global"}}}
    assert converge(variables_of_role={"app_apps": {"every": every}})["changed"] == 1
    tasks = swarm.manager.api.tasks(filters={"service": "every_web", "desired-state": "running"})
    assert len({task["NodeID"] for task in tasks if task["Status"]["State"] == "running"}) == len(swarm.nodes)
    assert converge(variables_of_role={"app_apps": {"every": every}})["changed"] == 0
    scale = {"app_name": "every", "app_kind": "scale", "app_settings": {"replicas": 3}}
    with pytest.raises(AssertionError, match="one replica on each node"):
        converge(variables_of_role={"app_apps": {"every": every}, **scale})


def test_a_version_that_crashes_late_takes_never_all_replicas_down(swarm: Swarm, converge: Converge) -> None:
    manager = swarm.manager.api
    settings = {"replicas": 3, "env_file": "", "update": {"monitor_seconds": 10}}
    converge(**settings)
    service = manager.inspect_service("web_web")["ID"]

    def running() -> set[str]:
        tasks = manager.tasks(filters={"service": "web_web", "desired-state": "running"})
        return {task["ID"] for task in tasks if task["Status"]["State"] == "running"}

    before = running()
    # Without a pause, all three have been replaced by the time that the first one crashes.
    script = "/bin/busybox httpd -p 3000 -h /usr/src/app/www; /bin/busybox sleep 8; exit 7"
    with pytest.raises(AssertionError, match="exit code 7"):
        converge(**settings, service={"command": ["/bin/busybox", "sh", "-c", script]})
    assert manager.inspect_service(service)["UpdateStatus"]["State"] == "rollback_completed"
    assert before & running(), "none of the old replicas was left alone"


def test_a_replica_is_well_when_the_proxy_gets_an_answer_and_its_user_can_read_the_env_file(
    swarm: Swarm, converge: Converge, busybox: bytes, tmp_path: Path
) -> None:
    (tmp_path / "web.env").write_text("PASSWORD=hunter1\n")
    for node in swarm.nodes:
        add_image(node, busybox, "asked", code("asked"), applets=("sh", "wget", "su"))

    def run(*command: str, **more: Any) -> dict[str, int]:
        service = {"command": list(command), **more.pop("service", {})} if command else more.pop("service", {})
        health = {"path": "/index.html?a=1&b=2", "interval_seconds": 1, "retries": 2, "start_period_seconds": 1}
        health |= more.pop("health", {})
        settings = {"image": "asked", "hosts": ["web.localhost"], "replicas": 1, "health": health, "service": service}
        return converge(variables_of_role={"app_images": {"asked": {"ref": "web:asked"}}}, **settings, **more)

    def www(where: str) -> list[str]:
        return ["/bin/busybox", "httpd", "-f", "-p", where, "-h", "/usr/src/app/www"]

    read = ["cat", "/usr/src/app/env/.env"]
    assert run()["changed"] == 2
    # Nobody else would get an answer. Without a check of ours, the kernel tells.
    for health in ({}, {"enabled": False}):
        with pytest.raises(AssertionError, match=r"was rolled back|Swarm rolled it back") as refused:
            run(*www("127.0.0.1:3000"), health=health)
        assert "the app listens on 127.0.0.1 only, port 3000: it has to listen on 0.0.0.0" in str(refused.value)
    # It drops root by itself.
    drops = ["/bin/su", "-s", "/bin/sh", "node", "-c", "exec " + " ".join(www("3000"))]
    with pytest.raises(AssertionError, match=r"user 1000 listens on port 3000 and may not read /usr/src/app/env/\.env"):
        run(*drops)
    assert answers(swarm, *read) == ["PASSWORD=hunter1\n"]
    assert run(*drops, env_owner="1000")["changed"] == 2
    assert run(service={"user": "1500"}, env_mode="0400")["changed"] == 2
    # exec is the service's own user.
    assert until(lambda: answers(swarm, *read) == ["PASSWORD=hunter1\n"])
    assert answers(swarm, "stat", "-c", "%u %a", "/usr/src/app/env/.env") == ["1500 400\n"]
    assert run(service={"user": "1500"}, env_mode="0400")["changed"] == 0


def test_what_cannot_be_pulled_is_known_before_anything_is_changed(
    swarm: Swarm, run_module: Callable[..., Any]
) -> None:
    nodes = [{"name": node.name, "socket": node.socket} for node in swarm.nodes]
    there = run_module("image_pull", {"image": "web:v1", "nodes": nodes})
    assert not there["changed"]
    missing = {"image": f"127.0.0.1:1/web@sha256:{'0' * 64}", "nodes": nodes}
    assert run_module("image_pull", missing, check=True)["changed"]
    refused = run_module("image_pull", missing)
    assert refused["failed"]
    assert refused["failed_nodes"] == sorted(node.name for node in swarm.nodes)
    assert "connection refused" in refused["msg"]
    # A node that doesn't answer gets no task either.
    gone = [*nodes, {"name": "gone", "socket": "/run/nowhere/docker.sock"}]
    left_out = run_module("image_pull", {"image": "web:v1", "nodes": gone})
    assert not left_out["changed"]
    assert "node gone is left out" in left_out["warnings"][0]


def volume_node(swarm: Swarm) -> str:
    """The node that its label says to have the volume web_uploads."""
    return ",".join(
        node["Description"]["Hostname"]
        for node in swarm.manager.api.nodes()
        if node["Spec"].get("Labels", {}).get("fungap.volume.web.uploads") == "here"
    )


STATEFUL: dict[str, Any] = {
    "replicas": 1,
    "env_file": "",
    "env_target": "",
    "volumes": {"uploads": "/srv/uploads", "pages": "/usr/src/app/www"},
}


def refused(converge: Converge, **app: Any) -> str:
    """What a run says that fails, without the breaks of its lines."""
    with pytest.raises(AssertionError) as error:
        converge(**app)
    return " ".join(str(error.value).split())


def test_a_volume_is_on_one_node_and_outlives_every_replica(swarm: Swarm, converge: Converge) -> None:
    read = ["cat", "/srv/uploads/note"]
    assert converge(**STATEFUL)["changed"] == 2
    assert volume_node(swarm) == swarm.worker.name, "a worker before a manager"
    assert answers(swarm, "sh", "-c", "echo kept > /srv/uploads/note") == [""]
    assert converge(**STATEFUL)["changed"] == 0
    app = {**STATEFUL, "image": "web2"}
    assert converge(**app)["changed"] == 1
    assert until(lambda: answers(swarm, *read) == ["kept\n"])
    assert answers(swarm, "cat", "/usr/src/app/www/index.html") == ["code v1"], "it began with what its image had"
    assert converge(**app, variables_of_role={"app_name": "web", "app_kind": "rollback"})["changed"] == 1
    assert until(lambda: answers(swarm, *read) == ["kept\n"])
    scale = {"app_name": "web", "app_kind": "scale", "app_settings": {"replicas": 2}}
    for wrong, words in (
        ({"variables_of_role": scale}, "is more than 1, and one node has the volume pages"),
        ({"constraints": ["node.role == manager"]}, "volumes of app web are on worker1, which the constraints"),
        (
            {"variables_of_role": {"app_volumes_absent": ["web_uploads"]}, "tasks_from": "absent"},
            "mounted by service web_web",
        ),
    ):
        assert words in refused(converge, **{**app, **wrong})
    anew = {"variables_of_role": {"app_volumes_anew": ["web_uploads"]}}
    assert converge(**app, **anew)["changed"] == 0, "what is there does not begin anew"
    # Its data lost, it is not started beside an empty volume.
    swarm.manager.api.remove_service("web_web")
    assert until(lambda: _is_removed(swarm.worker, "web_uploads"))
    assert "volume web_uploads is lost: it is not on worker1, where it was" in refused(converge, **app)
    assert converge(**app, **anew)["changed"] == 2
    assert until(lambda: answers(swarm, "ls", "/srv/uploads") == [""])
    # Taken away, the app leaves it; by its name it goes, too.
    away = {"variables_of_role": {"app_absent": ["web"]}, "tasks_from": "absent"}
    assert converge(**away)["changed"] == 1
    assert "web_uploads" in volumes(swarm.worker)
    away["variables_of_role"] = {"app_volumes_absent": ["web_uploads", "web_pages"]}
    assert converge(**away)["changed"] == 1
    assert (volumes(swarm.worker), volume_node(swarm)) == (set(), "")


def _is_removed(node: Node, volume: str) -> bool:
    for container in node.api.containers(all=True, filters={"volume": volume}):
        node.api.remove_container(container["Id"], force=True)
    node.api.remove_volume(volume)
    return True


CONTENT = """
cd /srv/uploads && mkdir -p private/deep empty && chmod 0700 private && chown 1000:1001 private
echo secret > private/deep/key && chmod 0640 private/deep/key && ln private/deep/key again && ln -s /etc/passwd link
mkfifo pipe && head -c 3000000 /dev/urandom > large && chmod 1777 .
"""
LISTED = """
cd /srv/uploads && find . -type f -exec sha256sum {} + | sort && find . -exec stat -c '%n %a %u:%g %F %h' {} + | sort
"""


def test_a_volume_is_moved_with_its_app_or_not_at_all(swarm: Swarm, converge: Converge, said: list[str]) -> None:
    converge(**STATEFUL)
    assert answers(swarm, "sh", "-ec", CONTENT) == [""]
    (listed,) = answers(swarm, "sh", "-c", LISTED)

    def move(to: str, deadline: int = 60, *options: str, hosts: tuple[str, str] = ("localhost", "localhost")) -> str:
        nodes = [
            {"name": node.name, "socket": node.socket, "host": host}
            for node, host in zip(swarm.nodes, hosts, strict=True)
        ]
        asked = {"app_move_volume": "web_uploads", "app_move_target": to, "app_move_deadline_seconds": deadline}
        converge(*options, variables_of_role={"app_nodes": nodes, **asked}, tasks_from="move", **STATEFUL)
        return " ".join(said[-1].split())

    def is_whole_on(node: Node) -> bool:
        return volume_node(swarm) == node.name and answers(swarm, "sh", "-c", LISTED) == [listed]

    move("manager1", 60, "--check")
    assert is_whole_on(swarm.worker)
    assert re.search(r"from worker1 to manager1, 2\.9 MB, compared by SHA-256\. The app was away for", move("manager1"))
    assert is_whole_on(swarm.manager)
    assert volumes(swarm.worker) == set()
    assert converge(**STATEFUL)["changed"] == 0
    with pytest.raises(AssertionError, match="web_uploads is on manager1 already"):
        move("manager1")
    # What can't start there comes back.
    swarm.worker.api.remove_image("web:v1", force=True)
    with pytest.raises(AssertionError, match=r"(?s)was\s+not\s+moved.*does\s+not\s+run.*runs\s+on\s+manager1\s+again"):
        move("worker1", 8)
    assert is_whole_on(swarm.manager)
    assert volumes(swarm.worker) == set()
    swarm.add_images(swarm.worker)
    # Between two docker hosts, by the controller.
    move("worker1", 60, hosts=("localhost", "elsewhere"))
    assert is_whole_on(swarm.worker)
    assert volumes(swarm.manager) == set()
    # Killed before its copy was proved.
    node = next(one for one in swarm.manager.api.nodes() if one["Description"]["Hostname"] == "worker1")
    leaving = {**node["Spec"], "Labels": {"fungap.volume.web.uploads": "leaving"}}
    swarm.manager.api.update_node(node["ID"], node["Version"]["Index"], leaving)
    labels = {"io.fungap.app": "web", "io.fungap.volume": "uploads", "io.fungap.volume.from": "worker1"}
    swarm.manager.api.create_volume("web_uploads", labels=labels)
    assert converge(**STATEFUL)["changed"] == 1
    assert until(lambda: is_whole_on(swarm.worker))
    assert volumes(swarm.manager) == set()
