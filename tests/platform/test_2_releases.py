"""Shipping, undoing and scaling an app, by the playbooks that a person types.

Stand-ins, each real: a registry with a password is Docker Hub, an HTTP server is Slack's webhook.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import parse_all
from ansible_collections.fungap.swarm.plugins.module_utils.stack.folder import lock_path
from ansible_collections.fungap.swarm.plugins.plugin_utils.pki import htpasswd_line

from .. import images
from ..load.live import ROOT, Run
from ..waiting import wait_for
from .conftest import HOST, INVENTORY, Platform

USER, PASSWORD = "team", "of-the-hub"


class Slack:
    """What an incoming webhook was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        texts = self.texts

        class Webhook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                texts.append(json.loads(body)["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/services/T0/B0/not-a-secret"


@pytest.fixture(scope="module")
def slack() -> Iterator[Slack]:
    slack = Slack()
    yield slack
    slack.server.shutdown()


@pytest.fixture(scope="module")
def hub(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that asks for a password, with a version 2 of the app and one that ends at once."""
    outer = platform.outer
    folder = tmp_path_factory.mktemp("hub")
    (folder / "htpasswd").write_text(htpasswd_line(USER, PASSWORD) + "\n")
    port = str(platform.hub_port)
    address = f"127.0.0.1:{port}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}},
        "http": {"addr": f":{port}"},
        "auth": {"htpasswd": {"realm": "hub", "path": "/etc/docker/registry/htpasswd"}},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    image = outer.containers.get(f"{platform.name}-registry").image
    container = outer.containers.run(
        image,
        name=f"{platform.name}-hub",
        detach=True,
        volumes=[f"{folder}:/etc/docker/registry:ro"],
        ports={f"{port}/tcp": ("127.0.0.1", int(port))},
    )
    try:
        app = images.image("express-app")
        auth = {"username": USER, "password": PASSWORD}
        for tag, dockerfile in {
            "2": f"FROM {app}\nENV APP_VERSION=2.0.0\n",
            "broken": f'FROM {app}\nENV APP_VERSION=3.0.0\nCMD ["sh", "-c", "echo no database; exit 3"]\n',
        }.items():
            reference = f"{address}/team/web:{tag}"
            outer.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=reference, rm=True)
            wait_for(
                "the hub", lambda reference=reference: "error" not in outer.images.push(reference, auth_config=auth)
            )
            outer.images.remove(reference, force=True)
        yield address
    finally:
        container.remove(force=True, v=True)


class Operator:
    """Types playbooks with the credentials and the webhook in the inventory."""

    def __init__(self, platform: Platform, hub: str, inventory: Path) -> None:
        self.platform = platform
        self.hub = hub
        self.inventories = [inventory]

    def play(self, verb: str, *options: str, **variables: object) -> Run:
        arguments = [*options, *(["-e", json.dumps(variables)] if variables else [])]
        done = self.platform.play(*arguments, playbook=f"playbooks/{verb}.yml", inventories=self.inventories)
        assert PASSWORD not in done.output
        assert "not-a-secret" not in done.output
        return done

    def run(self, verb: str, **variables: object) -> Run:
        done = self.play(verb, **variables)
        assert done.code == 0, done.output[-6000:]
        return done

    def types(self, text: str, *words: str) -> str:
        """What a terminal shows in which that is typed, by ``make exec``."""
        live = self.platform.live
        more = [word for inventory in self.inventories for word in ("-i", str(inventory))]
        program = [sys.executable, str(ROOT / "bin/exec.py"), live.where.inventory, *words]
        screen, keyboard = pty.openpty()
        os.write(screen, text.encode())
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                [*program, *live.where.ansible_arguments, *more],
                stdin=keyboard,
                stdout=keyboard,
                stderr=said,
                env=live.environment,
                cwd=ROOT,
                check=False,
            )
            said.seek(0)
            assert done.returncode == 0, said.read()[-4000:]
        return os.read(screen, 65536).decode()

    def site_changes_nothing(self) -> None:
        """Of what a deploy, a rollback or a scaling could have touched."""
        done = self.play("site", "--tags", "app,proxy")
        assert done.code == 0, done.output[-6000:]
        assert done.changed == 0, done.output


@pytest.fixture(scope="module")
def operator(platform: Platform, slack: Slack, hub: str, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    inventory = tmp_path_factory.mktemp("operator") / "more.yml"
    more = {
        "platform_source_registries": [{"registry": hub, "username": USER, "password": PASSWORD}],
        "platform_slack_webhook_url": slack.url,
    }
    inventory.write_text(yaml.safe_dump({"all": {"vars": more}}))
    return Operator(platform, hub, inventory)


def test_deploy_of_an_image_from_another_registry(platform: Platform, operator: Operator, slack: Slack) -> None:
    done = operator.run("deploy", app="web", image=f"{operator.hub}/team/web:2", reason="the sale")
    assert "of 3 tasks of its current version run" in done.output, "no progress was shown"
    assert platform.app()["version"] == "2.0.0"
    assert len(slack.texts) == 1
    assert "*web*: revision 2 runs" in slack.texts[0]
    assert "reason the sale" in slack.texts[0]
    for service in platform.engine("manager1").services(filters={"name": "web_web"}):
        image = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        assert image.startswith(f"{platform.name}-registry:5000/app-web@sha256:")
    # The same again, and the inventory, which still has version 1: nothing to do.
    assert operator.run("deploy", app="web", image=f"{operator.hub}/team/web:2").changed == 0
    operator.site_changes_nothing()
    assert platform.app()["version"] == "2.0.0"
    assert len(slack.texts) == 1


def test_deploy_of_an_env_file_alone(platform: Platform, operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "other.env").write_text("GREETING=Hello again\n")
    operator.run("deploy", app="web", env_file=str(tmp_path / "other.env"))
    assert (platform.app()["greeting"], platform.app()["version"]) == ("Hello again", "2.0.0")
    (tmp_path / "other.env").unlink()
    operator.site_changes_nothing()


def test_scale(platform: Platform, operator: Operator) -> None:
    operator.run("scale", app="web", replicas=4)
    assert platform.running("web_web") == 4
    operator.site_changes_nothing()
    assert platform.running("web_web") == 4


def test_a_broken_image_changes_nothing(platform: Platform, operator: Operator, slack: Slack) -> None:
    before = len(slack.texts)
    done = operator.play("deploy", app="web", image=f"{operator.hub}/team/web:broken")
    assert done.code != 0
    assert "exit code 3" in done.output
    assert "no database" in done.output
    assert platform.app()["version"] == "2.0.0"
    assert platform.running("web_web") == 4
    assert slack.texts[before].startswith(":x: *web*: deploy failed")
    assert "no database" in slack.texts[before]
    # On the controller, too, as of this deploy.
    remembered = parse_all((platform.secrets / f"in-force-{platform.name}.json").read_text())
    assert {one.stack: one.revision for one in remembered}["web"] == 5
    operator.site_changes_nothing()


def test_what_nginx_refuses_is_refused_before_the_app_is_changed(platform: Platform, operator: Operator) -> None:
    engine = platform.engine("manager1")

    def recorded() -> list[str]:
        return sorted(one["Spec"]["Name"] for one in engine.configs() + engine.secrets())

    before, versions = recorded(), {one["ID"]: one["Version"]["Index"] for one in engine.services()}
    settings = {"hosts": [HOST, "refused.localhost"]}
    for options in (["--check"], []):
        # As what the preflight's checks know nothing of.
        done = operator.play("deploy", *options, app="web", settings=settings, __proxy_own_errors=[999])
        assert done.code != 0
        assert 'value "999" must be between 300 and 599' in done.output
        assert "Nothing was changed" in done.output
    assert recorded() == before
    assert {one["ID"]: one["Version"]["Index"] for one in engine.services()} == versions
    operator.site_changes_nothing()


def test_rollback_brings_everything_back(platform: Platform, operator: Operator) -> None:
    refused = operator.play("rollback", app="web")
    assert "failed and was rolled back already: revision 4 is in force" in refused.output
    operator.run("rollback", app="web", to=1, reason="all of it")
    app = platform.app()
    assert (app["version"], app["greeting"]) == ("1.0.0", "Hello from the swarm")
    assert platform.running("web_web") == 3
    operator.site_changes_nothing()
    history = operator.run("history", app="web").output
    print(history[history.index("Revisions of web") :].partition("PLAY RECAP")[0])
    assert "6 *" in history
    assert "all of it" in history
    # A rollback can be rolled back.
    operator.run("rollback", app="web")
    assert (platform.app()["version"], platform.app()["greeting"]) == ("2.0.0", "Hello again")
    assert platform.running("web_web") == 4


def test_what_was_changed_by_hand_is_shown_and_repaired(platform: Platform, operator: Operator) -> None:
    engine = platform.engine("manager1")
    service = engine.inspect_service("web_web")
    spec = service["Spec"]
    spec["TaskTemplate"]["ContainerSpec"].setdefault("Env", []).append("BY_HAND=1")
    engine.update_service(
        service["ID"], service["Version"]["Index"], task_template=spec["TaskTemplate"], fetch_current_spec=True
    )
    assert "BY_HAND" in operator.play("status").output
    assert "BY_HAND" in platform.run("--check", "--diff").output
    operator.run("site")
    assert "BY_HAND" not in json.dumps(engine.inspect_service("web_web")["Spec"])


def test_the_inventory_wins_where_it_was_changed(platform: Platform, operator: Operator) -> None:
    written = INVENTORY / "group_vars" / "all.yml"
    app = yaml.safe_load(written.read_text())["apps"]["web"]
    operator.run("site", apps={"web": {**app, "replicas": 2}})
    assert platform.running("web_web") == 2
    assert platform.app()["version"] == "2.0.0", "its image was not changed there"
    # What was there before is somebody's older copy, until they say that they mean it.
    for options in (["--check"], []):
        refused = operator.play("site", *options)
        assert refused.code != 0
        assert "a newer one, which differs in replicas\n" in refused.output
        assert "The inventory has 1 problem; nothing was changed." in refused.output
    assert platform.running("web_web") == 2
    operator.run("site", apps_older_confirmed=["web"])
    assert platform.running("web_web") == 3
    operator.run("rollback", app="web")
    assert platform.running("web_web") == 2
    operator.site_changes_nothing()


def test_settings_alone_and_back_to_a_revision_with_another_host_name(platform: Platform, operator: Operator) -> None:
    engine = platform.engine("manager1")
    other, memory = "second.localhost", 160 * 2**20

    def limits() -> dict[str, int]:
        found: dict[str, int] = engine.inspect_service("web_web")["Spec"]["TaskTemplate"]["Resources"]["Limits"]
        return found

    def answers_by_its_name() -> None:
        assert platform.get(host=other)[0] == 200
        assert platform.get()[0] == 200
        assert limits() == {**before, "MemoryBytes": memory}

    before, app, replicas = limits(), platform.app(), platform.running("web_web")
    operator.run("deploy", app="web", settings={"hosts": [HOST, other], "limits": {"memory": "160M"}})
    answers_by_its_name()
    assert (platform.app()["version"], platform.app()["greeting"]) == (app["version"], app["greeting"])
    assert platform.running("web_web") == replicas
    operator.site_changes_nothing()
    answers_by_its_name()
    number = max(int(one["Spec"]["Name"].rpartition(".")[2]) for one in engine.configs(filters={"name": "fungap.web."}))

    operator.run("deploy", app="web", settings={"hosts": [HOST], "limits": {"memory": "128M"}})
    assert limits() == before
    with pytest.raises(ssl.SSLCertVerificationError):
        platform.get(host=other)

    operator.run("rollback", app="web", to=number)
    answers_by_its_name()
    operator.site_changes_nothing()
    answers_by_its_name()


def test_an_app_is_deployed_from_its_own_dockerfile(platform: Platform, operator: Operator, tmp_path: Path) -> None:
    """As teams have one: an official base, which can't be had here, TypeScript, a placeholder beside the env file."""
    (tmp_path / "chat.env").write_text("GREETING=from its env file\n")
    apps = yaml.safe_load((INVENTORY / "group_vars" / "all.yml").read_text())["apps"]
    chat = {"image": "chat", "port": 3000, "hosts": ["chat.localhost"], "replicas": 1}
    chat |= {"env_file": str(tmp_path / "chat.env"), "env_target": "/usr/src/app/env"}
    extra = {
        "images_extra": {"chat": {"build": {"context": str(ROOT / "examples/chat-app")}}},
        "images_bases": {"node:14-alpine": "nodejs"},
    }
    inventory = tmp_path / "chat.yml"
    inventory.write_text(yaml.safe_dump({"all": {"vars": extra}}))
    more = ("-e", json.dumps({"apps": {**apps, "chat": chat}}))
    inventories = [*operator.inventories, inventory]
    done = platform.run("--tags", "images,registry,proxy,app", *more, inventories=inventories)
    note = "env of app chat: the volume hides .gitkeep in /usr/src/app/env of the image, which only keep the place"
    assert note in " ".join(done.output.split())
    status, _headers, body = platform.get(host="chat.localhost")
    assert (status, json.loads(body)["greeting"]) == (200, "from its env file")
    assert b'"sid"' in platform.get("/socket.io/?EIO=4&transport=polling", host="chat.localhost")[2]
    platform.run("--tags", "app,proxy", "-e", '{"apps_absent": ["chat"]}', inventories=operator.inventories)


def test_two_deploys_at_once_that_both_change_routes(platform: Platform, operator: Operator) -> None:
    """Each has read the routes before it waits for the other: none of both is lost, nor its name in the certificate."""
    live, app = platform.live, yaml.safe_load((INVENTORY / "group_vars" / "all.yml").read_text())["apps"]["web"]
    without_env = {key: value for key, value in app.items() if not key.startswith("env_")}
    two = {**without_env, "hosts": ["two.localhost"], "replicas": 1}
    apps = ["-e", json.dumps({"apps": {"web": app, "two": two}})]
    given = [*(argument for file in operator.inventories for argument in ("-i", str(file))), *apps]
    hosts = {"web": [HOST, "third.localhost"], "two": ["two.localhost", "fourth.localhost"]}
    platform.run("--tags", "app,proxy", *apps, inventories=operator.inventories)

    with acquire_lock(lock_path(f"/etc/{platform.name}/stacks", "proxy"), "the tests", wait_seconds=60):
        deploys = [
            live.launch("playbooks/deploy.yml", *given, "-e", json.dumps({"app": name, "settings": {"hosts": wanted}}))
            for name, wanted in hosts.items()
        ]
        # Now both have worked out their routes.
        for deploy in deploys:
            path = Path(deploy.output.name)
            wait_for("the lock's queue", lambda path=path: "waiting for the tests" in path.read_text(), 60)
    done = [deploy.wait() for deploy in deploys]
    assert [one.code for one in done] == [0, 0], "\n".join(one.output[-4000:] for one in done)
    again = [one for one in done if "Do it again with what another run has brought into force" in one.output]
    assert again, "neither has waited for the other"
    for host in (*hosts["web"], *hosts["two"]):
        assert platform.get(host=host)[0] == 200, host
    absent = ("-e", '{"apps_absent": ["two"]}')
    platform.run("--tags", "app,proxy", *absent, inventories=operator.inventories)


def test_what_runs_before_a_deploy_has_its_env_file(
    platform: Platform, operator: Operator, slack: Slack, tmp_path: Path
) -> None:
    """Where it fails, the app runs on as it was; where it ends well, the deploy follows. A rollback runs none."""
    greeting, file = platform.app()["greeting"], tmp_path / "new.env"
    file.write_text("GREETING=Migrated\n")

    def before(ending: str) -> dict[str, object]:
        return {"before": ["sh", "-c", f"cat /usr/src/app/env/.env; {ending}"]}

    failed = operator.play("deploy", app="web", env_file=str(file), settings=before("exit 4"))
    assert failed.code != 0
    for said in ("GREETING=Migrated", "exit code 4", "runs on, untouched"):
        assert said in failed.output
    assert platform.app()["greeting"] == greeting
    assert slack.texts[-1].startswith(":x: *web*: deploy failed (before failed)")
    operator.run("deploy", app="web", env_file=str(file), settings=before("true"))
    assert platform.app()["greeting"] == "Migrated"
    operator.site_changes_nothing()
    asked = operator.run("run", app="web", command="cat /usr/src/app/env/.env", reason="to see it")
    assert "\nGREETING=Migrated\n" in asked.output
    assert "42 in web-slot-2" in operator.types("echo $((6 * 7)) in $(hostname)\nexit\n", "web", "2", "sh")
    operator.run("rollback", app="web")
    assert platform.app()["greeting"] == greeting
    history = operator.run("history", app="web").output
    assert "before failed" in history
    assert re.search(r"cat /usr/src/app/env/\.env +done on \w+ +to see it", history)
    assert re.search(r"terminal: sh +opened in web\.2 on \w+", history)
    assert "6 * 7" not in history


def test_maintenance_is_live_and_outlives_a_deploy(platform: Platform, operator: Operator, slack: Slack) -> None:
    """One page for all visitors, while the app's tasks run on; ended by nothing but its own playbook."""

    def tasks(name: str) -> set[str]:
        wanted = {"service": name, "desired-state": "running"}
        return {task["ID"] for task in platform.engine("manager1").tasks(filters=wanted)}

    app, proxy = tasks("web_web"), tasks("proxy_proxy")
    refused = operator.play("maintenance", app="web", on="soon")
    assert "-e on=true or -e on=false" in refused.output
    operator.run("maintenance", app="web", on=True, reason="the database moves")
    status, headers, page = platform.get()
    assert (status, headers["retry-after"]) == (503, "300")
    assert b"<h1>Down for maintenance</h1>" in page
    assert (tasks("web_web"), tasks("proxy_proxy")) == (app, proxy)
    assert "(maintenance, converged)" in slack.texts[-1]
    said = operator.play("status", "-vv").output
    assert "retry_after_seconds" not in said, "entries of apps have their environment and their logins' hashes"
    assert re.search(r"app web is in maintenance since \S+ by \S+: the database moves\. playbooks/maint", said)
    deployed = operator.play("deploy", "-vv", app="web", settings={"route": {"upload_size": "11m"}})
    assert deployed.code == 0, deployed.output[-6000:]
    assert "retry_after_seconds" not in deployed.output
    assert platform.get()[0] == 503
    operator.run("maintenance", app="web", on=False)
    assert platform.get()[0] == 200
    assert (tasks("web_web"), tasks("proxy_proxy")) == (app, proxy)
