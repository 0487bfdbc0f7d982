"""Which problem is in which verb's way: kinds, machines, apps, and what the playbooks ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils import verbs
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import VERBS, blocks, kind_of

ROOT = Path(__file__).resolve().parents[2]
MACHINES = {
    verbs.EVERY: ("vm1", "vm2", "vm3", "vm9"),
    verbs.MANAGER: ("vm1", "vm2"),
    verbs.REGISTRY: ("vm1",),
    verbs.JENKINS_HOST: ("vm9",),
    verbs.LOAD: ("vm3",),
}
RELEASES = "deploy deploy_image rollback scale maintenance"

# kind -> the verbs that it blocks besides site.
BLOCKED = [
    (verbs.PLATFORM, f"{RELEASES} status logs history run exec move prune load_test backup restore"),
    (verbs.IDENTITY, f"{RELEASES} run exec move prune load_test backup restore"),
    (verbs.SETTINGS, f"{RELEASES} prune load_test restore"),
    (verbs.SITE, ""),
    (verbs.APP, f"{RELEASES} load_test"),
    (verbs.ENV, "deploy deploy_image"),
    (verbs.IMAGES, "deploy_image"),
    (verbs.CERTIFICATE, f"{RELEASES} load_test"),
    (verbs.VALIDITY, ""),
    (verbs.JENKINS, "restore"),
    (verbs.LOAD_TEST, "load_test"),
    (verbs.MACHINE, ""),
    (verbs.DISK, "deploy_image"),
    (verbs.MEMORY, ""),
]  # fmt: skip


def problem(kind: str, where: str = "vm1", variable: str = "apps.web.port") -> Problem:
    return Problem(where, variable, "", "is wrong", "mend it", kind)


def blocked(one: Problem, app: str = "web", silent: str = "") -> list[str]:
    return [verb for verb in VERBS if blocks(one, verb, app=app, machines=MACHINES, silent=silent.split())]


@pytest.mark.parametrize(("kind", "others"), BLOCKED)
def test_a_problem_blocks_the_verbs_that_it_concerns(kind: str, others: str) -> None:
    assert sorted(blocked(problem(kind))) == sorted(["site", *others.split()])


def test_every_kind_has_its_row() -> None:
    assert {kind for kind, _verbs in BLOCKED} | {verbs.SILENT, verbs.LIMITED} == set(verbs.KINDS)


@pytest.mark.parametrize(
    ("silent", "where", "others"),
    [
        # Another manager answers.
        ("vm2", "vm2", "restore"),
        ("vm1", "vm1", "deploy_image restore"),
        ("vm1 vm3", "vm1", "deploy_image restore"),
        ("vm3", "vm3", "load_test restore"),
        # None does.
        ("vm1 vm2", "vm2", f"{RELEASES} status logs history run exec move prune load_test restore"),
        ("vm9", "vm9", "backup restore"),
    ],
)
def test_a_machine_that_is_silent_blocks_what_needs_it(silent: str, where: str, others: str) -> None:
    assert sorted(blocked(problem(verbs.SILENT, where), silent=silent)) == sorted(["site", *others.split()])
    # Left out by --limit: site.yml does what it can to the others, and no other verb ends well without its machine.
    assert sorted(blocked(problem(verbs.LIMITED, where), silent=silent)) == sorted(others.split())


def test_another_apps_entry_is_in_no_apps_way() -> None:
    for kind in (verbs.APP, verbs.ENV):
        assert blocked(problem(kind, variable="apps.old.port")) == []
        assert blocked(problem(kind, variable="apps.old")) == []
        assert "deploy" in blocked(problem(kind, variable="apps.old.port"), app="")


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("platform_name", verbs.PLATFORM),
        ("group swarm_managers", verbs.PLATFORM),
        ("swarm_node_address", verbs.PLATFORM),
        ("platfrom_name", verbs.SETTINGS),
        ("proxy_http_port", verbs.SETTINGS),
        ("monitoring_hosts.grafana", verbs.SETTINGS),
        ("monitoring_enabled", verbs.SETTINGS),
        ("monitoring_retention_time", verbs.SITE),
        ("monitoring_rule_files[0]", verbs.SITE),
        ("docker_engine_daemon", verbs.SITE),
        ("apps_absent", verbs.SITE),
        ("images_debian_mirror", verbs.IMAGES),
        ("images_prune_grace_seconds", verbs.SETTINGS),
        ("load_test_host", verbs.LOAD_TEST),
        ("backup_sha256", verbs.JENKINS),
        ("apps.web", verbs.APP),
        ("apps", verbs.SETTINGS),
        ("apps.web.health.path", verbs.APP),
        ("jenkins_memory", verbs.JENKINS),
    ],
)
def test_the_kind_of_a_variable(variable: str, kind: str) -> None:
    assert kind_of(variable) == kind


def test_playbooks_and_documentation_know_the_same_verbs() -> None:
    spec = yaml.safe_load((ROOT / "roles/preflight/meta/argument_specs.yml").read_text())
    assert spec["argument_specs"]["main"]["options"]["preflight_verb"]["choices"] == list(VERBS)
    module = (ROOT / "plugins/modules/preflight.py").read_text()
    documented = re.search(r'^DOCUMENTATION = r"""\n(.*?)^"""', module, re.DOTALL | re.MULTILINE)
    assert documented
    # A reset goes by names and folders alone, and has no row.
    assert yaml.safe_load(documented[1])["options"]["verb"]["choices"] == ["reset", *VERBS]
    asked = set()
    for path in (ROOT / "playbooks").glob("*.yml"):
        play = yaml.safe_load(path.read_text())[0]
        if play.get("ansible.builtin.import_playbook") == "preflight.yml":
            asked |= {(path.stem, (play.get("vars") or {}).get("verb", "site"))}
    assert {(name, verb) for name, verb in asked if name != "release"} == {
        (verb, verb) for verb in set(VERBS) - {*RELEASES.split()}
    }
