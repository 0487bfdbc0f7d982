# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the playbooks promise each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

from .test_templates import trust_as_template

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
# certificates.yml and jenkins.yml are parts of others; reset.yml must work on an inventory that is wrong, the others
# know no platform.
WITHOUT_PREFLIGHT = {"certificates.yml", "jenkins.yml", "reset.yml", "engine.yml", "images.yml", "import.yml"}
# What changes nothing, what installs every certificate by its role, what takes all away, and what knows no platform.
WITHOUT_RENEWAL = {
    *{"exec.yml", "history.yml", "logs.yml", "preflight.yml", "status.yml"},
    *{"certificates.yml", "jenkins.yml", "site.yml"},
    *{"reset.yml", "engine.yml", "images.yml", "import.yml"},
}
NAMES = sorted(path.name for path in PLAYBOOKS.glob("*.yml"))


def first(name: str) -> str:
    """The playbook that is run first of all."""
    imported = yaml.safe_load((PLAYBOOKS / name).read_text())[0].get("ansible.builtin.import_playbook")
    return first(imported) if imported else name


@pytest.mark.parametrize("name", NAMES)
def test_the_inventory_is_checked_before_anything_is_changed(name: str) -> None:
    assert (first(name) == "preflight.yml") is (name not in WITHOUT_PREFLIGHT)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"app": "web", "image": "shop"}, {"web": {"image": "shop"}}),
        ({"app": "web", "image": "registry.example.com/shop:1"}, {"web": {}}),
        # Judged by the preflight, and no reference to another registry, whatever it looks like as text.
        ({"app": "web", "image": {"a": 1}}, {"web": {"image": {"a": 1}}}),
        ({"app": "web", "image": ["x:1"]}, {"web": {"image": ["x:1"]}}),
        ({"app": ["web"], "image": "shop"}, {"['web']": {"image": "shop"}}),
        ({"app": "web", "settings": "hosts"}, {"web": "hosts"}),
        ({"image": "shop"}, {}),
    ],
)
def test_what_is_asked_for_is_judged_whatever_its_type(given: dict[str, Any], asked: dict[str, Any]) -> None:
    (expression,) = [play["vars"]["asked_for"] for play in yaml.safe_load((PLAYBOOKS / "release.yml").read_text())[:1]]
    templar = Templar(loader=DataLoader(), variables=given)
    assert plain(templar.template(trust_as_template(expression))) == asked


def test_site_at_the_root_is_the_playbook() -> None:
    plays = yaml.safe_load((PLAYBOOKS.parent / "site.yml").read_text())
    assert [play["ansible.builtin.import_playbook"] for play in plays] == ["playbooks/site.yml"]


def imported(name: str) -> list[str]:
    """The playbooks that one imports, in order, with those that they import."""
    found = []
    for play in yaml.safe_load((PLAYBOOKS / name).read_text()):
        if other := play.get("ansible.builtin.import_playbook"):
            found += [other, *imported(other)]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_verb_that_changes_something_renews_what_ends_soon(name: str) -> None:
    assert ("certificates.yml" in imported(name)) is (name not in WITHOUT_RENEWAL)


@pytest.mark.parametrize("name", ["certificates.yml", "release.yml"])
def test_the_proxys_certificate_comes_with_the_routes_that_are_in_force(name: str) -> None:
    """What is given to the role proxy has one source. A release does it after the app, and not before, too."""
    plays = [play for play in yaml.safe_load((PLAYBOOKS / name).read_text()) if "tasks" in play]
    (routing,) = [
        play
        for play in plays
        if "tasks/routes.yml" in [task.get("ansible.builtin.include_tasks") for task in play["tasks"]]
    ]
    assert routing["vars_files"][-2:] == ["vars/proxy.yml", "vars/routes.yml"]
    looks = [
        play["name"]
        for play in plays
        for task in play["tasks"]
        for how in ("import_role", "include_role")
        if (task.get(f"ansible.builtin.{how}") or {}).get("tasks_from") == "releases"
    ]
    assert len(looks) == 1
    assert ("release_kind is not defined" in routing.get("vars", {}).get("__due", "")) is (name == "certificates.yml")


@pytest.mark.parametrize("name", ["release.yml", "prune.yml"])
def test_what_speaks_with_the_registry_renews_its_certificate_first(name: str) -> None:
    plays = yaml.safe_load((PLAYBOOKS / name).read_text())
    before = plays[: [play.get("ansible.builtin.import_playbook") for play in plays].index("certificates.yml")]
    did = {key for play in before for key in play}
    assert "roles" not in did
    words = {key for play in before for task in play.get("tasks", []) for key in task}
    assert words <= {"name", "run_once", "ansible.builtin.assert"}


def test_prometheus_judges_its_files_before_a_proxy_or_an_app_is_changed() -> None:
    """Where it runs already; with what the stack is then deployed with."""
    plays = yaml.safe_load((PLAYBOOKS / "site.yml").read_text())
    tasks = [task for play in plays for task in play.get("tasks", [])]
    roles = [(task.get("ansible.builtin.import_role") or {}) for task in tasks]
    parts = [f"{role.get('name', '').removeprefix('fungap.swarm.')} {role.get('tasks_from', '')}" for role in roles]
    judged = parts.index("monitoring validate")
    assert parts.index("app releases") < judged < parts.index("proxy ") < parts.index("app rollout")
    judges, deploys = [
        play["vars_files"][-1]
        for play in plays
        if tasks[judged] in play.get("tasks", []) or play.get("name") == "Run the monitoring"
    ]
    assert judges == deploys == "vars/monitoring.yml"


def words_of(path: Path) -> str:
    """What is in a file of playbooks, without its comments."""
    return "\n".join(line.split("# ")[0] for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.rglob("*.yml")), ids=lambda path: str(path.relative_to(PLAYBOOKS)))
def test_what_the_fact_has_a_view_of_is_not_worked_out_in_a_playbook(path: Path) -> None:
    """Which nodes, which manager, which host: by one path. What all plays know is in group_vars."""
    words = words_of(path)
    assert not re.search(
        r"selectattr\('(host|role|driver|name)'|inventory_hostname == __(manager|platform|jenkins)", words
    )
    if path.parent.name != "group_vars":
        assert "ansible_facts['platform']" not in words
        assert not re.search(r"^ *__(platform|here|manager|jenkins|docker|images):", words, re.MULTILINE)


def test_the_whole_is_read_in_a_minute() -> None:
    assert len((PLAYBOOKS / "site.yml").read_text().splitlines()) <= 250


def with_included(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tasks, with those of the files that release.yml includes in their place."""
    found: list[dict[str, Any]] = []
    for task in tasks:
        file = task.get("ansible.builtin.include_tasks")
        found += yaml.safe_load((PLAYBOOKS / file).read_text()) if file else [task]
    return found


@pytest.mark.parametrize("name", ["release.yml", "site.yml"])
def test_nginx_judges_the_routes_before_anything_counts_on_them(name: str) -> None:
    plays = yaml.safe_load((PLAYBOOKS / name).read_text())
    tasks = with_included([task for play in plays for task in play.get("tasks", [])])
    roles = [(task.get("ansible.builtin.import_role") or {}) for task in tasks]
    parts = [f"{role.get('name', '').removeprefix('fungap.swarm.')} {role.get('tasks_from', '')}" for role in roles]
    certificate = next(place for place, task in enumerate(tasks) if "__certificate_hosts" in task.get("vars", {}))
    judged = parts.index("proxy validate")
    assert parts.index("app releases") < judged < min(certificate, parts.index("app rollout"))
    assert judged < certificate < parts.index("proxy ")
    # A run of the apps alone, too.
    assert tasks[judged].get("tags", ["app"]) in (["app"], ["proxy", "app"])


def test_routes_are_read_the_certificate_made_and_the_routes_written_again_where_others_came_between() -> None:
    tasks = yaml.safe_load((PLAYBOOKS / "tasks" / "routes.yml").read_text())
    assert tasks[0]["ansible.builtin.include_role"]["tasks_from"] == "releases"
    assert "__certificate_hosts" in tasks[1]["vars"]
    assert tasks[2]["ansible.builtin.import_role"]["name"] == "fungap.swarm.proxy"
    assert tasks[3]["ansible.builtin.include_tasks"] == "routes.yml"
    assert "proxy_job.moved" in tasks[3]["when"]


def test_a_half_restored_home_is_undone_before_jenkins_runs_on_it() -> None:
    """By site.yml as by a restore: both have the controller from these tasks."""
    tasks = yaml.safe_load((PLAYBOOKS.parent / "roles/jenkins/tasks/controller.yml").read_text())
    parts = [next(key for key in task if key.startswith("fungap.swarm.")) for task in tasks[:3]]
    assert parts[0] == "fungap.swarm.volume_restore"
    assert "archive" not in tasks[0]["fungap.swarm.volume_restore"]
    assert "fungap.swarm.host_container" in parts[1:]


def test_what_was_there_before_a_restore_is_kept_until_the_new_one_answers() -> None:
    plays = yaml.safe_load((PLAYBOOKS / "restore.yml").read_text())
    names = [play.get("name", play.get("ansible.builtin.import_playbook")) for play in plays]
    assert names.index("Run Jenkins on it") < names.index("Forget what was there before")
    [task] = plays[names.index("Forget what was there before")]["tasks"]
    assert task["ansible.builtin.import_role"]["tasks_from"] == "forget"
    for answer, forgets in (({"status": 200}, True), ({"status": 503}, False), ({}, False), (None, False)):
        given = {} if answer is None else {"__jenkins_answer": answer}
        facts = {"__here": {"is_jenkins": True}, **given}
        templar = Templar(loader=DataLoader(), variables=facts)
        assert templar.template(trust_as_template("{{ " + task["when"] + " }}")) is forgets


@pytest.mark.parametrize(
    ("validated", "secrets_changed", "runs"),
    [
        ({"as_wanted": True}, False, False),
        ({"as_wanted": True}, True, True),
        ({"validated": "digest"}, False, True),
        ({"skipped": True}, False, True),
    ],
)
@pytest.mark.parametrize(("role", "registered"), [("proxy", "proxy_job"), ("monitoring", "monitoring_stack")])
def test_what_was_validated_is_not_looked_at_again_where_it_runs_already(
    role: str, registered: str, validated: dict[str, Any], secrets_changed: bool, runs: bool
) -> None:
    plays = yaml.safe_load((PLAYBOOKS / "site.yml").read_text())
    (task,) = [
        task
        for play in plays
        for task in play.get("tasks", [])
        if (how := task.get("ansible.builtin.import_role") or {}).get("name") == f"fungap.swarm.{role}"
        and "tasks_from" not in how
    ]
    known = {
        "__here": {"is_manager": True},
        "__platform": {"monitoring": {"enabled": True}},
        "__secrets": {"changed": secrets_changed},
        registered: validated,
        "__monitoring_due": trust_as_template(
            yaml.safe_load((PLAYBOOKS / "vars" / "monitoring.yml").read_text())["__monitoring_due"]
        ),
    }
    templar = Templar(loader=DataLoader(), variables=known)
    conditions = task["when"] if isinstance(task["when"], list) else [task["when"]]
    assert all(templar.template(trust_as_template("{{ " + one + " }}")) for one in conditions) is runs
