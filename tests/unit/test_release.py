"""Which image, env and settings an app runs with, and which revision a rollback takes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.action.app_releases import ActionModule
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS, resolve_app
from ansible_collections.fungap.swarm.plugins.plugin_utils.message import rollout_message
from ansible_collections.fungap.swarm.plugins.plugin_utils.release import (
    change,
    eligible_nodes,
    env_source,
    has_new_target,
    images_to_pull,
    in_force,
    inventory_differences,
    of_inventory,
    older_copies,
    refuse_shared_hosts,
    resolve,
    rollback,
    rollback_target,
    taken_images,
    with_defaults,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import app_routes
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

OPTIONS = read_specs(str(Path(__file__).resolve().parents[2] / "roles")).app

R1, R2, R3 = (f"registry:5000/web@sha256:{digit * 64}" for digit in "123")


def inventory(image: str = R1, env: str = "e1", **settings: Any) -> dict[str, Any]:
    app = {"name": "web", "image": "express-app", "replicas": 3, "route": {"sticky": False}, "pinned": False}
    return of_inventory({**app, **settings}, image, env)


def release(image: str = R1, env: str = "e1", then: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    then = then or inventory()
    return {
        "app": {**then["app"], **settings},
        "image": image,
        "env": {"digest": env, "version": f"v-{env}"},
        "inventory": then,
    }


def row(number: int, verdict: str = "converged", image: str = R1, **more: Any) -> dict[str, Any]:
    recorded = release(image=image, **more)
    return {
        "number": number,
        "verdict": verdict,
        "release": recorded,
        "who": "me@here",
        "kind": "deploy",
        "when": "2026-11-01",
    }


def stack(*rows: dict[str, Any], in_force: int) -> dict[str, Any]:
    return {"in_force": in_force, "revisions": sorted(rows, key=lambda one: -one["number"])}


DEPLOYED = release(image=R2, env="e2", replicas=6)  # while the inventory said R1, e1 and 3


@pytest.mark.parametrize(
    ("now", "recorded", "image", "env", "replicas"),
    [
        pytest.param(inventory(), None, R1, "e1", 3, id="the first time"),
        pytest.param(inventory(), release(), R1, "e1", 3, id="nothing changed"),
        pytest.param(inventory(), DEPLOYED, R2, "e2", 6, id="a deploy stays"),
        pytest.param(inventory(image=R3), DEPLOYED, R3, "e2", 6, id="the inventory's image was changed since"),
        pytest.param(inventory(env="e3"), DEPLOYED, R2, "e3", 6, id="its env file"),
        pytest.param(inventory(env=""), DEPLOYED, R2, "", 6, id="its env file was taken away"),
        pytest.param(inventory(replicas=4), DEPLOYED, R2, "e2", 4, id="its replicas"),
        pytest.param(inventory(pinned=True), DEPLOYED, R1, "e1", 3, id="pinned"),
    ],
)
def test_resolve(now: dict[str, Any], recorded: Any, image: str, env: str, replicas: int) -> None:
    found = resolve(now, recorded)
    assert (found["image"], found["env"]["digest"], found["app"]["replicas"]) == (image, env, replicas)
    assert found["inventory"] == now


def test_another_env_file_has_no_version_yet() -> None:
    assert resolve(inventory(env="e3"), DEPLOYED)["env"] == {"digest": "e3", "version": ""}


def test_what_is_in_force_is_resolved_to_itself() -> None:
    assert resolve(inventory(), DEPLOYED) == DEPLOYED


def test_an_image_goes_by_the_name_that_led_to_it() -> None:
    deployed = release(image=R2)
    deployed["app"]["image"] = "team/web:42"
    assert resolve(inventory(), deployed)["app"]["image"] == "team/web:42"
    assert resolve(inventory(image=R3), deployed)["app"]["image"] == "express-app"


def test_a_setting_that_is_new_in_the_inventory_counts() -> None:
    now = inventory()
    now["app"]["constraints"] = []
    assert resolve(now, DEPLOYED)["app"]["constraints"] == []


def test_what_an_older_version_recorded_knows_nothing_of_a_new_setting() -> None:
    """Its default was in force: what was deployed besides stays, and what the inventory says of it counts."""
    health = {**DEFAULTS["health"], "path": "/healthz"}
    old = {key: value for key, value in health.items() if key != "start_interval_seconds"}
    then = inventory(health=old)
    deployed = release(then=then, health={**old, "path": "/deployed"})
    now = inventory(health=health, env_owner="")
    assert resolve(now, deployed)["app"]["health"] == {**health, "path": "/deployed"}
    assert resolve(now, deployed)["app"]["env_owner"] == ""
    assert resolve(inventory(health={**health, "start_interval_seconds": 9}), deployed)["app"]["health"] == {
        **health,
        "start_interval_seconds": 9,
    }
    newer = inventory(health={**health, "start_interval_seconds": 9}, env_owner="1500")
    found = in_force({**newer["app"], "name": "web"}, deployed)["app"]
    assert (found["health"], found["env_owner"]) == ({**health, "path": "/deployed"}, "")
    assert with_defaults(deployed["app"], now["app"])["health"] == {**health, "path": "/deployed"}
    assert deployed["app"]["health"] == {**old, "path": "/deployed"}


def looked_at(app: str, stacks: dict[str, Any], apps: dict[str, Any], **args: Any) -> dict[str, Any]:
    """What app_releases makes of each app, of an operator who asks for ``app``."""
    action = object.__new__(ActionModule)
    action.apps = {name: resolve_app(name, one) for name, one in apps.items()}
    given = {"env_dir": "/nowhere", "images": {"express-app": {"ref": R1}}, "app": app, **args}
    return {name: action._release(name, given, stacks.get(name)) for name in apps}


def test_a_revision_of_an_older_version_is_whole_when_it_comes_back() -> None:
    web = {"image": "express-app", "port": 3000}
    entry = {key: value for key, value in resolve_app("web", web).items() if key not in ("name", "env_owner")}
    old = row(1, then={**inventory(), "app": entry})
    found = looked_at("web", {"web": stack(old, row(2, image=R2, then=old["release"]["inventory"]), in_force=2)}, {
        "web": {**web, "env_owner": "1500"}
    }, rollback=True)["web"]["release"]  # fmt: skip
    assert (found["image"], found["app"]["env_owner"]) == (R1, "")


def test_what_is_wrong_in_another_app_is_in_nobodys_way() -> None:
    """As it was recorded before anything of it was refused: it runs."""
    web, old = ({"image": "express-app", "port": 3000, "service": service} for service in ({}, {"user": "${UID}"}))
    stacks = {
        name: stack(row(1, then=of_inventory(resolve_app(name, one), R1, "")), in_force=1)
        for name, one in (("web", web), ("old", old))
    }
    apps = {"web": web, "old": {**old, "service": {}}}
    found = looked_at("web", stacks, apps, settings={"replicas": 2})
    assert found["web"]["release"]["app"]["replicas"] == 2
    assert found["old"]["release"]["app"]["service"] == {"user": "${UID}"}
    with pytest.raises(PlatformError, match=r"apps\.old\.service\.user has a lone"):
        looked_at("old", stacks, apps, settings={"replicas": 2})


def test_change() -> None:
    changed = change(
        "web", release(), {"replicas": "5", "route": {"upload_size": "1m"}, "image": "t:2"}, OPTIONS, image=R2
    )
    assert changed["app"]["route"].items() >= {"sticky": False, "upload_size": "1m"}.items()
    assert (changed["app"]["replicas"], changed["app"]["image"], changed["image"]) == (5, "t:2", R2)
    assert changed["env"] == {"digest": "e1", "version": "v-e1"}
    assert change("web", release(), {"replicas": 5}, OPTIONS)["image"] == R1
    changed = change("web", release(), {}, OPTIONS, digest="e9", env_file="/elsewhere/other.env")
    assert (changed["env"], changed["app"]["env_file"]) == ({"digest": "e9", "version": ""}, "other.env")


ALICE, BOB = ({name: "$2y$08$" + name[0] * 53} for name in ("alice", "bob"))
IN_FORCE = {
    "rate_limit": {"requests_per_second": 0.1, "burst": 5, "paths": ["/login"], "connections": 0},
    "basic_auth": {"users": ALICE, "paths": ["/admin"]},
    "headers": {"X-Frame-Options": "DENY"},
}


@pytest.mark.parametrize(
    ("settings", "place", "expected"),
    [
        ({"rate_limit": {"burst": 50}}, "rate_limit", {**IN_FORCE["rate_limit"], "burst": 50}),
        ({"rate_limit": {}}, "rate_limit", IN_FORCE["rate_limit"]),
        ({"basic_auth": {}}, "basic_auth", IN_FORCE["basic_auth"]),
        ({"basic_auth": {"users": BOB}}, "basic_auth", {"users": {**ALICE, **BOB}, "paths": ["/admin"]}),
        ({"basic_auth": {"paths": []}}, "basic_auth", {**IN_FORCE["basic_auth"], "paths": []}),
        ({"headers": {"X-A": "b"}}, "headers", {"X-Frame-Options": "DENY", "X-A": "b"}),
        ({"sticky": True}, "basic_auth", IN_FORCE["basic_auth"]),
    ],
)  # fmt: skip
def test_a_dictionary_changes_only_the_keys_that_it_has(
    settings: dict[str, Any], place: str, expected: dict[str, Any]
) -> None:
    """At every depth: a limit or a login does not go because something else is changed."""
    given = release()
    given["app"]["route"] = {**given["app"]["route"], **IN_FORCE}
    assert change("web", given, {"route": settings}, OPTIONS)["app"]["route"][place] == expected


def test_another_controller_has_the_env_file_elsewhere() -> None:
    there, here = inventory(env_file="/there/files/web.env"), inventory(env_file="/here/files/web.env")
    assert resolve(here, resolve(there, None)) == resolve(there, None)
    assert here["app"]["env_file"] == "web.env"


@pytest.mark.parametrize(
    ("given", "settings", "said"),
    [
        (
            release(),
            {"replica": 5},
            r"settings.replica = \(not shown\)\n.*is not a known setting\n.*did you mean replicas\?",
        ),
        (release(), {"route": "1m"}, r"settings.route = \(not shown\)\n.*must be a mapping, not text"),
        (release(), {"route": {"stick": True}}, r"settings.route.stick = \(not shown\)\n.*\n.*did you mean sticky\?"),
        (release(), {"replicas": "many"}, r"settings.replicas = \(not shown\)\n.*must be a whole number"),
        (release(pinned=True), {"replicas": 5}, "apps.web.pinned is true"),
    ],
)
def test_change_is_refused(given: dict[str, Any], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(PlatformError, match=said):
        change("web", given, settings, OPTIONS)


def test_text_in_the_place_of_a_list_is_a_list_of_one() -> None:
    given = release()
    given["app"]["hosts"] = []
    assert change("web", given, {"hosts": "www"}, OPTIONS)["app"]["hosts"] == ["www"]


WEB, SHOP = ({"image": "express-app", "port": 3000, "hosts": [f"{name}.example.com"]} for name in ("web", "shop"))


def running(**entries: dict[str, Any]) -> dict[str, Any]:
    """``stacks`` of platform_info, where these apps run with these entries."""
    words = {name: of_inventory(resolve_app(name, entry), R1, "") for name, entry in entries.items()}
    apps = {
        name: {**stack(row(1, then=word, env=""), in_force=1), "services": {"web": {}}} for name, word in words.items()
    }
    others = ("proxy", "monitoring")
    plain = {"number": 1, "verdict": "converged", "release": {}}
    return {**apps, **{name: {**stack(plain, in_force=1), "services": {name: {}}} for name in others}}


def run(
    monkeypatch: pytest.MonkeyPatch, stacks: dict[str, Any], apps: dict[str, Any] | None = None, **args: Any
) -> dict[str, Any]:
    """What the action returns to an operator whose copy of the inventory has ``apps``."""
    monkeypatch.setattr(ActionBase, "run", lambda *_, **__: {})
    action = object.__new__(ActionModule)
    given = {"apps": apps or {"web": WEB}, "env_dir": "/nowhere", "images": {"express-app": {"ref": R1}}, **args}
    action._task = SimpleNamespace(args=given, check_mode=False)
    action._execute_module = lambda *_, **__: {"stacks": stacks, "services": [], "nodes": []}
    return action.run(task_vars={})


OLDER = running(web=WEB, shop=SHOP)


@pytest.mark.parametrize(
    ("stacks", "args", "routed"),
    [
        pytest.param(OLDER, {"app": "web", "settings": {"replicas": 2}}, ["shop", "web"], id="a release"),
        pytest.param(OLDER, {"app": "web", "absent": ["shop"]}, ["shop", "web"], id="takes nothing away"),
        pytest.param(OLDER, {}, ["shop", "web"], id="site.yml"),
        pytest.param(OLDER, {"absent": ["shop"]}, ["web"], id="taken away"),
        pytest.param({**OLDER, "shop": {**OLDER["shop"], "services": {}}}, {}, ["web"], id="was removed by hand"),
        pytest.param({**OLDER, "shop": {**OLDER["shop"], "in_force": 0}}, {}, ["web"], id="never ran"),
    ],
)
def test_what_runs_keeps_its_route_whatever_a_copy_of_the_inventory_knows(
    monkeypatch: pytest.MonkeyPatch, stacks: dict[str, Any], args: dict[str, Any], routed: list[str]
) -> None:
    result = run(monkeypatch, stacks, **args)
    assert [route["name"] for route in app_routes(result["settings"])] == routed
    assert list(result["apps"]) == ["web"]


def test_a_page_keeps_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a copy of the inventory says of it; site.yml goes by what it says."""
    stacks = running(web=WEB)
    page = {"hosts": ["grafana.example.com"], "source": "monitoring_hosts.grafana"}
    stacks["proxy"]["revisions"][0]["release"] = {"settings": {}, "pages": [page]}
    with pytest.raises(AnsibleActionFail, match=r"of the app web and of monitoring_hosts\.grafana"):
        run(monkeypatch, stacks, app="web", settings={"hosts": ["grafana.example.com"]})
    run(monkeypatch, stacks, {"web": {**WEB, "hosts": ["grafana.example.com"]}})


def test_what_runs_keeps_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {"app": "web", "settings": {"hosts": ["shop.example.com"]}}
    with pytest.raises(AnsibleActionFail, match=r"shop\.example\.com would be a host name of the app web, and is one"):
        run(monkeypatch, OLDER, **taken)
    beside = run(monkeypatch, OLDER, app="web", settings={"hosts": ["shop.example.com"], "route": {"paths": ["/x"]}})
    assert beside["settings"]["web"]["route"]["paths"] == ["/x"]
    moved = {"web": {**WEB, "hosts": ["shop.example.com"]}}
    assert run(monkeypatch, OLDER, moved, absent=["shop"])["settings"]["web"]["hosts"] == ["shop.example.com"]


@pytest.mark.parametrize(
    ("apps", "args", "changing"),
    [
        ({"web": WEB}, {}, []),
        ({"web": WEB}, {"app": "web", "settings": {"replicas": 1}}, []),
        ({"web": WEB}, {"app": "web", "settings": {"replicas": 2}}, ["web"]),
        ({"web": {**WEB, "replicas": 2}, "new": {"image": "express-app", "port": 3000}}, {}, ["web", "new"]),
    ],
)
def test_docker_judges_what_changes(
    monkeypatch: pytest.MonkeyPatch, apps: dict[str, Any], args: dict[str, Any], changing: list[str]
) -> None:
    found = run(monkeypatch, running(web=WEB), apps, **args)["apps"]
    assert [name for name, one in found.items() if one["changes"]] == changing


STRONG = {
    **WEB,
    "health": {"interval_seconds": 20},
    "update": {"monitor_seconds": 60},
    "limits": {"memory": "1G"},
    "reservations": {"memory": "512M"},
    "route": {"sticky": True},
    "ports": [8025],
}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"update": {"monitor_seconds": 30}}, "-e: settings.update.monitor_seconds = 30\n.*is over before.*60 s"),
        ({"limits": {"memory": "256M"}}, "-e: settings.limits.memory = 256M\n.*less than reservations.memory 512M"),
        ({"replicas": 20000}, "-e: replicas = 20000\n"),
        ({"metrics": {"port": 9100}}, "settings.metrics.port = 9100\n.*without metrics.path"),
        ({"env_target": "/srv/env"}, "settings.env_target = /srv/env\n.*without env_file"),
        ({"hosts": ["no_host"]}, r"settings.hosts\[0\] = \(not shown\)\n.*is not a host name"),
        ({"ports": [9000]}, r"settings.ports = 9000\n.*a port of the app shop too"),
        ({"update": {"monitor_seconds": 90}}, ""),
        ({"limits": {"memory": "768M"}}, ""),
        ({"reservations": {"memory": "768M"}}, ""),
        ({"replicas": 20}, ""),
        ({}, ""),
    ],
)
def test_what_is_asked_for_is_judged_with_what_is_in_force(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], said: str
) -> None:
    """And not with what a copy of the inventory says in its place."""
    stacks = running(web=STRONG, shop={**SHOP, "ports": [9000]})
    with pytest.raises(AnsibleActionFail, match=said) if said else nullcontext():
        run(monkeypatch, stacks, app="web", settings=settings)


def test_what_is_in_force_already_is_no_reason_to_refuse_another_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an older version accepted it."""
    stacks = running(web={**STRONG, "update": {"monitor_seconds": 10}, "limits": {"memory": "64M"}})
    result = run(monkeypatch, stacks, app="web", settings={"replicas": 2})
    assert result["settings"]["web"]["replicas"] == 2


def test_the_inventory_is_judged_with_what_is_in_force_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = running(web=WEB)
    stacks["web"]["revisions"][0]["release"]["app"]["limits"] = {"cpus": 0.5, "memory": "96M"}
    now = {"web": {**WEB, "limits": {"memory": "128M"}, "reservations": {"memory": "112M"}}}
    with pytest.raises(AnsibleActionFail, match=r"No app was changed\.\n.*apps\.web\.limits\.memory = 96M\n"):
        run(monkeypatch, stacks, now)
    # Alone, it is the preflight's to judge.
    wrong = {"web": {**WEB, "limits": {"memory": "32M"}}}
    assert run(monkeypatch, running(), wrong)["settings"]["web"]["limits"]["memory"] == "32M"


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ({"update": {"monitor_seconds": 1}, "limits": {"memory": "64M"}, "reservations": {"memory": "1G"}}, ""),
        ({"hosts": ["shop.example.com"]}, "shop.example.com would be a host name of"),
        ({"hosts": ["shop.example.com"], "route": {"paths": ["/x"]}}, ""),
        ({"ports": [9000]}, "apps.web.ports = 9000\n.*a port of the app shop too"),
        ({"service": {"user": "${UID}"}}, "has a lone"),
        # An older version accepted it, and Docker takes it: it ran like this.
        ({"service": {"tmpfs": "/scratch", "restart": "always", "labels": {"io.fungap.team": "shop"}}}, ""),
        ({"services": {"x": {"image": "r/x:1", "tmpfs": ["/t"], "deploy": {"labels": ["io.fungap.x=1"]}}}}, ""),
        ({"service": {"tmpfs": "/scratch", "user": "${UID}"}}, "has a lone"),
        ({"service": {"tmpfs": "/scratch", "volumes": ["data:/data"]}}, "is a named volume"),
        ({"volumes": {"data": "/data"}, "replicas": 2}, "apps.web.replicas is more than 1"),
        ({"volumes": {"data": "/data"}, "replicas": 1}, ""),
    ],
)
def test_a_rollback_is_refused_for_what_others_have_by_now(
    monkeypatch: pytest.MonkeyPatch, then: dict[str, Any], said: str
) -> None:
    """And for what can't run, not for what would be refused in an inventory: it ran."""
    stacks = running(web=WEB, shop={**SHOP, "ports": [9000]})
    before = of_inventory(resolve_app("web", {**WEB, **then}), R1, "")
    now = {**stacks["web"]["revisions"][0], "number": 2}
    stacks["web"].update(stack(row(1, then=before, env=""), now, in_force=2))
    with pytest.raises(AnsibleActionFail, match=said) if said else nullcontext():
        run(monkeypatch, stacks, app="web", rollback=True)


GUARDED = {
    "headers": {"X-Frame-Options": "DENY"},
    "redirects": [{"path": "/old", "to": "/new", "host": "", "status": 308}],
    "basic_auth": {"users": {"alice": "$2y$08$" + "a" * 53}, "paths": []},
    "allow": ["192.0.2.0/24"],
    "rate_limit": {"requests_per_second": 10.0, "burst": 20, "paths": [], "connections": 0},
    "error_pages": [{"status": [502], "page": "<h1>Away</h1>"}],
    "paths": ["/old"],
    "strip_path": True,
    "protocol": "https",
}


@pytest.mark.parametrize("then", [GUARDED, {}, {"sticky": False}])
def test_a_rollback_brings_back_all_that_a_route_said(monkeypatch: pytest.MonkeyPatch, then: dict[str, Any]) -> None:
    """Recorded by an older version of the collection, it has the defaults of what is new."""
    stacks = running(web={**WEB, "route": {"deny": ["198.51.100.0/24"], "compress": True}})
    before = of_inventory(resolve_app("web", {**WEB, "route": then}), R1, "")
    if not then:
        before["app"]["route"] = {"sticky": False, "upload_size": "1m"}
    now = {**stacks["web"]["revisions"][0], "number": 2}
    stacks["web"].update(stack(row(1, then=before, env=""), now, in_force=2))
    (route,) = app_routes(run(monkeypatch, stacks, app="web", rollback=True)["settings"])
    expected = {**DEFAULTS["route"], **then, **({} if then else {"upload_size": "1m"})}
    assert {key: route[key] for key in DEFAULTS["route"]} == expected


def test_a_clear_password_is_in_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"route": {"basic_auth": {"users": {"alice": "hunter22"}}}}
    with pytest.raises(AnsibleActionFail, match=r"settings.route.basic_auth.users.*\n.*no bcrypt hash") as refused:
        run(monkeypatch, running(web=WEB), app="web", settings=settings)
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, ""),
        ({"settings": {"replicas": 2}}, ""),
        ({"settings": {"service": {"init": False}}}, ""),
        ({"settings": {"service": {"labels": {"io.fungap.other": "x"}}}}, "io.fungap.other is a label that the platf"),
        ({"settings": {"services": {"x": {"image": "r/x:1", "tmpfs": "/t"}}}}, "services.x.tmpfs is not carried out"),
    ],
)
def test_what_an_older_version_took_of_a_service_is_refused_where_it_is_new(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], said: str
) -> None:
    stacks = running(web={**WEB, "service": {"tmpfs": "/scratch", "labels": {"io.fungap.team": "shop"}}})
    with pytest.raises(AnsibleActionFail, match=said) if said else nullcontext():
        run(monkeypatch, stacks, app="web", **asked)


def with_env(
    image: str = R1, env: str = "e1", target: str = "/env", delivery: str = "volume", **more: Any
) -> dict[str, Any]:
    return release(image=image, env=env, env_target=target, env_delivery=delivery, **more)


@pytest.mark.parametrize(
    ("now", "recorded", "is_new"),
    [
        (with_env(), None, True),
        (with_env(), with_env(), False),
        (with_env(env="e2"), with_env(), False),
        (with_env(image=R2), with_env(), True),
        (with_env(target="/other"), with_env(), True),
        (with_env(), with_env(env=""), True),
        (with_env(), with_env(delivery="secret"), True),
        # Another user, whom the image may not know.
        (with_env(service={"user": "node"}), with_env(), True),
        (with_env(env_owner="1500"), with_env(), True),
        (with_env(delivery="secret"), None, False),
        (with_env(env=""), None, False),
    ],
)
def test_an_image_is_looked_into_when_an_env_volume_comes_to_it(now: Any, recorded: Any, is_new: bool) -> None:
    assert has_new_target(now, recorded) is is_new


def test_what_an_older_version_recorded_of_an_env_file_was_the_default() -> None:
    old = with_env()
    old["app"] = {key: value for key, value in old["app"].items() if key not in ("env_target", "env_delivery")}
    assert has_new_target(with_env(target="", service={}), old) is False
    assert has_new_target(with_env(target="/env"), old) is True


def test_what_is_in_force_stays_whatever_a_copy_of_the_inventory_says() -> None:
    older = inventory(replicas=1, new_setting=True)["app"]
    found = in_force({**older, "name": "web"}, DEPLOYED)
    assert found == {**DEPLOYED, "app": {**DEPLOYED["app"], "new_setting": True}}
    assert in_force({**older, "pinned": True}, DEPLOYED)["app"]["pinned"]


def recorded(*words: dict[str, Any], failed: tuple[int, ...] = (), **kinds: str) -> dict[str, Any]:
    """The revisions that recorded these words of the inventory, from the first to the last."""
    rows = [
        {
            "number": number,
            "verdict": "stuck" if number in failed else "converged",
            "release": release(then=word) if word else {},
            "who": f"person{number}@here",
            "kind": kinds.get(f"kind{number}", "site"),
            "when": f"2026-11-0{number}T10:00:00Z",
        }
        for number, word in enumerate(words, 1)
    ]
    return {"in_force": 0, "revisions": rows[::-1]}


A, B, C = inventory(), inventory(replicas=5), inventory(env="e2")


@pytest.mark.parametrize(
    ("now", "stack", "mine", "newest"),
    [
        pytest.param(A, recorded(), 0, 0, id="never deployed"),
        pytest.param(A, recorded(A), 0, 0, id="nothing changed"),
        pytest.param(C, recorded(A, B), 0, 0, id="never seen"),
        pytest.param(A, recorded(A, B), 1, 2, id="yesterday's copy"),
        pytest.param(B, recorded(A, B), 0, 0, id="today's"),
        pytest.param(A, recorded(A, B, C), 1, 3, id="of two versions ago"),
        pytest.param(A, recorded(A, A, B, B, kind2="deploy", kind4="rollback"), 1, 3, id="deploys in between"),
        pytest.param(A, recorded(A, B, A), 0, 0, id="gone back to"),
        pytest.param(B, recorded(A, B, A), 2, 3, id="what was gone back from"),
        pytest.param(B, recorded(A, B, failed=(2,)), 0, 0, id="what failed is tried again"),
        pytest.param(A, recorded(A, B, failed=(2,)), 0, 0, id="what failed is taken back"),
        pytest.param(B, recorded(A, B, A, failed=(2,), kind3="deploy"), 0, 0, id="tried again after a deploy"),
        pytest.param(B, recorded(A, B, C, failed=(2,)), 2, 3, id="what failed, and was mended since"),
        pytest.param(A, recorded(A, B, C, failed=(3,)), 1, 2, id="older than what is in force, behind a failed one"),
        pytest.param(C, recorded(A, B, C, failed=(1, 2, 3)), 0, 0, id="nothing ever ran"),
        pytest.param(A, recorded({}, A, B), 2, 3, id="a revision without a word"),
        pytest.param(B, recorded(B, B, C, failed=(3,), kind2="scale"), 0, 0, id="its first revision is not kept"),
        pytest.param(inventory(image=""), recorded(A, B), 1, 2, id="its image is not known yet"),
        pytest.param(inventory(image=""), recorded(A), 0, 0, id="nor is any other difference"),
        pytest.param(inventory(image=R3), recorded(A, B), 1, 2, id="an image built anew"),
        pytest.param(A, recorded(A, inventory(image=R2)), 1, 2, id="an older image alone"),
        pytest.param(inventory(image=R3), recorded(A, inventory(image=R2)), 0, 0, id="another image"),
        pytest.param(inventory(pinned=True), recorded(inventory(pinned=True), A), 1, 2, id="pinned"),
        pytest.param(inventory(constraints=[]), recorded(A, B), 1, 2, id="a default that no record knows yet"),
        pytest.param(inventory(constraints=["x"]), recorded(A, B), 0, 0, id="a setting that no record knows yet"),
    ],
)
def test_an_older_copy_of_the_inventory(now: dict[str, Any], stack: dict[str, Any], mine: int, newest: int) -> None:
    problems = older_copies({"web": now}, {"web": stack}, [])
    assert bool(problems) is bool(mine)
    for problem in problems:
        assert f"revision {mine} (site by person{mine}@here, 2026-11-0{mine}T10:00:00Z) recorded" in problem.problem
        assert f"and revision {newest} (site by person{newest}@here, 2026-11-0{newest}T10:00:00Z) a" in problem.problem
        assert problem.cure.endswith("-e apps_older_confirmed=web")
    assert older_copies({"web": now}, {"web": stack}, ["web"]) == []


@pytest.mark.parametrize(
    ("newer", "differing"),
    [
        (inventory(replicas=5, route={"sticky": True}), "replicas, route.sticky"),
        (inventory(env="e2"), "the env file's content"),
        (inventory(image=R2), "the image's content"),
        (inventory(environment={"LEVEL": "of-a-secret"}, hosts=["a"]), "hosts, environment.LEVEL"),
    ],
)
def test_what_an_older_copy_would_undo(newer: dict[str, Any], differing: str) -> None:
    (problem,) = older_copies({"web": A}, {"web": recorded(A, newer)}, [])
    assert problem.problem.endswith(f"a newer one, which differs in {differing}")
    assert "of-a-secret" not in str(problem)


def test_every_older_app_is_named_and_the_cure_is_for_all() -> None:
    said, stacks = {"web": A, "api": A, "new": A}, {"web": recorded(A, B), "api": recorded(A, C)}
    cures = {problem.variable: problem.cure for problem in older_copies(said, stacks, [])}
    assert list(cures) == ["apps.api", "apps.web"]
    assert all(cure.endswith("-e apps_older_confirmed=api,web") for cure in cures.values())
    (rest,) = older_copies(said, stacks, ["api"])
    assert (rest.variable, rest.cure) == ("apps.web", cures["apps.web"])


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ({"one": ["a"], "two": ["b"]}, ""),
        ({"one": ["a", "b"], "two": ["b"]}, "b would be a host name of two apps, one and two"),
        ({"one": ["a", "a"], "two": []}, ""),
        ({"one": ["a", "page"]}, "page would be a host name of the app one and of monitoring_hosts.grafana: take"),
        ({"left": ["a"], "one": ["a"]}, "one, and is one of the app left, which runs and is not in this copy"),
        ({"left": ["page"]}, "page would be a host name of the app left and of monitoring_hosts.grafana"),
    ],
)
def test_nobody_else_has_an_apps_host(hosts: dict[str, list[str]], said: str) -> None:
    apps = {name: {"hosts": names} for name, names in hosts.items()}
    with pytest.raises(PlatformError, match=said) if said else nullcontext():
        refuse_shared_hosts(apps, {"page": "monitoring_hosts.grafana"}, ["left"])


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ({"one": [], "two": ["/x"]}, ""),
        ({"one": ["/x"], "two": ["/xy", "/x/y"]}, ""),
        ({"one": ["/"], "two": []}, "a would be a host name of two apps, one and two"),
        ({"one": ["/y", "/x"], "two": ["/x/"]}, r'a/x would be a path of two apps, one and two.*"paths": \['),
        ({"left": ["/x"], "two": ["/x"]}, "a/x would be a path of the app two, and is one of the app left"),
        ({"one": ["/x"], "page": ["/y"]}, "page would be a host name of the app page and of monitoring_hosts.grafana"),
    ],
)
def test_apps_with_one_host_have_paths_of_their_own(paths: dict[str, list[str]], said: str) -> None:
    apps = {name: {"hosts": ["page" if name == "page" else "a"], "route": {"paths": of}} for name, of in paths.items()}
    with pytest.raises(PlatformError, match=said) if said else nullcontext():
        refuse_shared_hosts(apps, {"page": "monitoring_hosts.grafana"}, ["left"])


@pytest.mark.parametrize(
    ("found", "to", "number"),
    [
        pytest.param(stack(row(1), row(2, image=R2), in_force=2), None, 1, id="the one before"),
        pytest.param(stack(row(1), row(2, image=R2), row(3, image=R2), in_force=3), None, 1, id="one that differs"),
        pytest.param(
            stack(row(1, image=R3), row(2, image=R2), row(3, image=R3), in_force=3), None, 2, id="a rollback's rollback"
        ),
        pytest.param(stack(row(1), row(2, "stuck", R2), row(3, image=R3), in_force=3), None, 1, id="past a failed one"),
        pytest.param(stack(row(1), row(2), row(3, image=R2), in_force=3), 1, 1, id="by number"),
        pytest.param(stack(row(1), row(2, env="e2"), in_force=2), None, 1, id="one whose env alone differs"),
        pytest.param(stack(row(1), row(2, replicas=6), in_force=2), None, 1, id="one whose settings alone differ"),
        pytest.param(
            stack(row(1, image=R3), row(2, "unverified"), row(3, image=R2), in_force=3),
            None,
            1,
            id="past an unverified one",
        ),
        pytest.param(
            stack(row(1), row(2, "unverified", R2), row(3, image=R3), in_force=3),
            2,
            2,
            id="an unverified one by number",
        ),
        pytest.param(
            stack(row(1), row(2, image=R2), row(3, "stuck", R3), in_force=2), 1, 1, id="by number after a failed one"
        ),
    ],
)
def test_rollback_target(found: dict[str, Any], to: int | None, number: int) -> None:
    assert rollback_target("web", found, to)["number"] == number


@pytest.mark.parametrize(
    ("found", "to", "said"),
    [
        pytest.param(None, None, "nothing to roll back", id="never deployed"),
        pytest.param(stack(row(1), in_force=1), None, "no earlier healthy revision than 1", id="the first"),
        pytest.param(
            stack(row(1), row(2, "stuck", R2), in_force=1), 2, "revision 2 of app web ended as stuck", id="bad"
        ),
        pytest.param(stack(row(4), in_force=4), 2, "revision 2 of app web is not kept: there are 4", id="forgotten"),
        pytest.param(
            stack(row(1), row(2, image=R3), row(3, "rolled_back", R2), in_force=2),
            None,
            "revision 3 of app web failed and was rolled back already: revision 2 is in force",
            id="already rolled back",
        ),
    ],
)
def test_rollback_is_refused(found: Any, to: int | None, said: str) -> None:
    with pytest.raises(PlatformError, match=said):
        rollback_target("web", found, to)


@pytest.mark.parametrize(
    ("image", "env", "replicas"),
    [
        pytest.param(R2, "e1", 3, id="image"),
        pytest.param(R1, "e2", 3, id="env"),
        pytest.param(R1, "", 3, id="an env where there is none now"),
        pytest.param(R1, "e1", 6, id="replicas"),
        pytest.param(R2, "e2", 6, id="all of it"),
    ],
)
def test_a_rollback_brings_all_of_a_release_back(image: str, env: str, replicas: int) -> None:
    """What is deployed meanwhile differs from revision 1, which the inventory describes."""
    now = inventory()
    deployed = row(2, image=image, env=env, replicas=replicas)
    back = rollback("web", stack(row(1), deployed, in_force=2), now)
    assert (back["image"], back["env"], back["app"]) == (R1, {"digest": "e1", "version": "v-e1"}, now["app"])
    assert back["inventory"] == now
    again = rollback("web", stack(row(1), deployed, row(3), in_force=3), now)
    assert {key: again[key] for key in ("app", "image", "env")} == {
        key: deployed["release"][key] for key in ("app", "image", "env")
    }


@pytest.mark.parametrize(
    ("env", "path", "digest", "source"),
    [
        pytest.param("e1", "/files/web.env", "e1", "/files/web.env", id="the file of the release"),
        pytest.param("e1", "/files/web.env", "e2", "", id="changed since: a rollback takes what the nodes hold"),
        pytest.param("e1", "", "", "", id="taken out of the inventory"),
        pytest.param("", "/files/web.env", "e1", "", id="a release without env"),
        pytest.param("", "", "", "", id="no env at all"),
    ],
)
def test_env_source(env: str, path: str, digest: str, source: str) -> None:
    assert env_source(release(env=env), path, digest) == source


def test_a_rollback_goes_where_it_is_told() -> None:
    found = stack(row(1, image=R3), row(2), row(3, image=R2), in_force=3)
    assert rollback("web", found, inventory(), 1)["image"] == R3
    assert rollback("web", found, inventory())["image"] == R1
    with pytest.raises(PlatformError, match="app web"):
        rollback("web", None, inventory())


def maintained(enabled: bool, **route: Any) -> dict[str, Any]:
    maintenance = {"enabled": enabled, "allow": ["192.0.2.1"], "retry_after_seconds": 300}
    return {"route": {"sticky": False, **route, "maintenance": maintenance}}


@pytest.mark.parametrize("was_on", [False, True])
def test_a_rollback_neither_begins_nor_ends_maintenance(was_on: bool) -> None:
    then, now = maintained(was_on, sticky=True), maintained(not was_on)
    found = stack(row(1, image=R2, **then), row(2, image=R3, **maintained(was_on)), row(3, image=R3, **now), in_force=3)
    # That alone is nothing to go back from.
    back = rollback("web", found, inventory())
    assert (back["image"], back["app"]["route"]["sticky"]) == (R2, True)
    assert back["app"]["route"]["maintenance"] == now["route"]["maintenance"]


def test_a_rollback_to_what_an_older_version_recorded_leaves_maintenance_on() -> None:
    found = stack(row(1, image=R2), row(2, image=R3, **maintained(enabled=True)), in_force=2)
    assert rollback("web", found, inventory())["app"]["route"]["maintenance"]["enabled"] is True


@pytest.mark.parametrize(
    ("said", "says", "runs", "becomes"),
    [
        pytest.param(False, False, True, True, id="begun by the playbook"),
        pytest.param(True, True, False, False, id="ended by the playbook"),
        pytest.param(False, True, False, True, id="begun in the inventory"),
        pytest.param(True, False, True, False, id="ended in the inventory"),
    ],
)
@pytest.mark.parametrize("changed", [{}, {"upload_size": "1m"}], ids=["nothing else", "another setting of the route"])
def test_maintenance_is_a_setting_of_its_own(
    said: bool, says: bool, runs: bool, becomes: bool, changed: dict[str, Any]
) -> None:
    """However a run of site.yml finds the rest of the route."""
    recorded = release(then=inventory(**maintained(said)), **maintained(runs))
    found = resolve(inventory(**maintained(says, **changed)), recorded)["app"]["route"]
    assert found == maintained(becomes, **changed)["route"]


def test_a_rollback_outlives_the_next_run_of_site() -> None:
    """The inventory, as it is, was the operator's to overrule."""
    now = inventory(image=R2)
    back = rollback("web", stack(row(1), row(2, image=R2), in_force=2), now)
    assert back["image"] == R1
    assert resolve(now, back) == back


@pytest.mark.parametrize(
    ("who", "kind", "origin"),
    [
        ("me@here", "rollback", "rollback by me@here, 2026-01-01"),
        ("", "site", "site, 2026-01-01"),
        ("", "", "deploy, 2026-01-01"),
    ],
)
def test_notes_tell_where_a_difference_comes_from(who: str, kind: str, origin: str) -> None:
    at = {"number": 7, "who": who, "kind": kind, "when": "2026-01-01"}
    assert f" of revision 7 ({origin}), " in inventory_differences("web", release(replicas=6), at)[0]


def test_notes_name_an_image_once() -> None:
    at = {"number": 7, "who": "", "kind": "", "when": ""}
    deployed = release(image=R2)
    deployed["app"] = {**deployed["app"], "image": "team/web:42"}
    assert inventory_differences("web", deployed, at)[0].startswith("App web keeps image of revision 7 ")


def test_notes() -> None:
    at = {"number": 7, "who": "me@here", "kind": "deploy", "when": "2026-01-01T00:00:00Z"}
    assert inventory_differences("web", release(), at) == []
    assert inventory_differences("web", DEPLOYED, at) == [
        "App web keeps replicas, image, the env file's content of revision 7 "
        "(deploy by me@here, 2026-01-01T00:00:00Z), "
        "which the inventory has otherwise"
    ]


@pytest.mark.parametrize(
    ("constraints", "names"),
    [
        ([], ["m", "w"]),
        (["node.role == worker"], ["w"]),
        (["node.labels.disk==ssd"], ["w"]),
        (["node.platform.arch == x86_64"], ["m", "w"]),
        (["node.hostname != debian"], ["m"]),
        (["node.hostname != w"], ["m", "w"]),
    ],
)
def test_eligible_nodes(constraints: list[str], names: list[str]) -> None:
    nodes = [
        {"name": "m", "hostname": "m", "role": "manager", "labels": {"disk": "hdd"}},
        {"name": "w", "hostname": "debian", "role": "worker", "labels": {"disk": "ssd"}},
        {"name": "d", "hostname": "d", "role": "worker", "labels": {"disk": "ssd"}, "availability": "drain"},
    ]
    assert [node["name"] for node in eligible_nodes(nodes, constraints)] == names


SIDECARS = {"cache": {"image": "kit"}, "db": {"image": "redis:7"}}
KIT1, KIT2 = f"registry:5000/kit@sha256:{'1' * 64}", f"registry:5000/kit@sha256:{'2' * 64}"


def with_services(services: dict[str, Any], images: dict[str, str]) -> dict[str, Any]:
    one = inventory()
    return {**one, "app": {**one["app"], "services": services}, **({"images": images} if images else {})}


@pytest.mark.parametrize(
    ("now", "in_force", "images"),
    [
        pytest.param(with_services(SIDECARS, {"cache": KIT1}), None, {"cache": KIT1}, id="first"),
        pytest.param(with_services(SIDECARS, {"cache": KIT2}), {"cache": KIT1}, {"cache": KIT2}, id="built anew"),
        pytest.param(with_services({}, {}), {"cache": KIT1}, None, id="taken away"),
        pytest.param(with_services(SIDECARS, {"cache": KIT1}), {}, {"cache": KIT1}, id="recorded without"),
    ],
)
def test_further_services_run_by_digest(
    now: dict[str, Any], in_force: dict[str, str] | None, images: dict[str, str] | None
) -> None:
    recorded = None
    if in_force is not None:
        then = with_services(SIDECARS, in_force)
        recorded = resolve(then, None)
    assert resolve(now, recorded).get("images") == images


def test_the_image_of_a_service_that_was_deployed_stays() -> None:
    now = with_services(SIDECARS, {"cache": KIT1})
    services = {**SIDECARS, "cache": {"image": "kit2"}}
    deployed = change("web", resolve(now, None), {"services": services}, OPTIONS, images={"cache": KIT2})
    assert deployed["images"] == {"cache": KIT2}
    assert resolve(now, deployed)["images"] == {"cache": KIT2}
    assert resolve(with_services({}, {}), deployed).get("images") is None
    assert [one["image"] for one in images_to_pull(deployed)] == [deployed["image"], KIT2, "redis:7"]


def test_a_service_may_be_deployed_with_an_image_that_is_not_of_the_catalog() -> None:
    running = resolve(with_services({**SIDECARS, "mail": {"image": "kit"}}, {"cache": KIT1, "mail": KIT2}), None)
    deployed = change("web", running, {"services": {"cache": {"image": "redis:7"}}}, OPTIONS)
    assert deployed["images"] == {"mail": KIT2}
    assert [one["image"] for one in images_to_pull(deployed)] == [deployed["image"], "redis:7", KIT2]


def test_a_number_of_replicas_means_nothing_where_one_runs_on_each_node() -> None:
    now = inventory()
    now["app"] = {**now["app"], "service": {"deploy": {"mode": "global"}}}
    with pytest.raises(PlatformError, match="one replica on each node"):
        change("web", resolve(now, None), {"replicas": 1}, OPTIONS)


def test_images_are_pulled_where_their_services_may_run() -> None:
    placed = {"deploy": {"placement": {"constraints": ["node.role == worker"]}}}
    app = {"constraints": ["node.labels.disk == fast"], "service": placed, "services": {"a": placed | {"image": "x:1"}}}
    assert images_to_pull({"app": app, "image": "i"}) == [
        {"image": "i", "constraints": ["node.labels.disk == fast", "node.role == worker"]},
        {"image": "x:1", "constraints": ["node.role == worker"]},
    ]


def test_taken_images() -> None:
    assert taken_images({"app-web": "hub:5000/team/web:42"}) == {
        "app-web": {"pull": "hub:5000/team/web:42", "source": "pull", "follow": True}
    }
    assert taken_images({"app-web": "nginx:1.26"})["app-web"]["pull"] == "nginx:1.26"
    by_digest = f"hub:5000/team/web@sha256:{'1' * 64}"
    assert taken_images({"app-web": by_digest})["app-web"]["pull"] == by_digest
    with pytest.raises(PlatformError, match="names no version"):
        taken_images({"app-web": "hub:5000/team/web"})
    for host in ("https://u:hunter22@r.example/", "u:hunter22@r.example/", "r.example/team?token=hunter22/"):
        for tag in ("", ":42"):
            with pytest.raises(PlatformError, match="what image says is not an image's name") as refused:
                taken_images({"app-web": f"{host}web{tag}"})
            assert "hunter22" not in refused.value.message


def test_messages() -> None:
    good = {"changed": True, "revision": 8, "verdict": "converged", "who": "me@here", "seconds": 34.2}
    assert rollout_message(good, "web", release(), why="sale") == {
        "text": ":white_check_mark: *web*: revision 8 runs (deploy, converged)\n"
        "image express-app (111111111111) · env e1 · replicas 3 · by me@here · took 34 s · reason sale"
    }
    by_digest = release()
    by_digest["app"] = {**by_digest["app"], "image": f"team/web:42@sha256:{'1' * 64}"}
    assert "\nimage team/web:42 (111111111111) · " in rollout_message(good, "web", by_digest)["text"]
    bad = {"failed": True, "revision": 7, "verdict": "rolled_back", "msg": "it died", "seconds": 12, "who": "me@here"}
    text = rollout_message(bad, "web", release())["text"]
    assert text.startswith(":x: *web*: deploy failed (rolled back); revision 7 runs\n")
    assert text.endswith("```it died```")
