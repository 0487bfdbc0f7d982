# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the collection's files promise each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_galaxy_dependencies_accept_the_collections_that_setup_installs() -> None:
    dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]
    pinned = {
        item["name"]: item["version"] for item in yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    }
    for name, wanted in dependencies.items():
        assert wanted.startswith(">="), f"{name}: {wanted}"
        assert _numbers(pinned[name]) >= _numbers(wanted.removeprefix(">=")), f"{name} {pinned[name]} is not {wanted}"


def test_what_is_used_of_other_collections_is_what_galaxy_is_told() -> None:
    """Their modules in roles and playbooks, and all that it takes to have them."""
    used = {
        found
        for folder in ("roles", "playbooks")
        for path in (ROOT / folder).rglob("*.yml")
        for found in re.findall(r"^ +((?:ansible|community)\.\w+)\.\w+:$", path.read_text(), re.MULTILINE)
    } - {"ansible.builtin"}
    assert used == set(yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"])
    pinned = {item["name"] for item in yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]}
    assert pinned == used | {"community.library_inventory_filtering_v1"}  # community.docker's own


def test_action_groups_are_the_modules_that_share_options() -> None:
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    modules = {path.stem: path.read_text() for path in (ROOT / "plugins/modules").glob("[!_]*.py")}
    for group, fragment, options in (("docker", "docker", "DOCKER"), ("managers", "docker.managers", "MANAGERS")):
        documented = [name for name, text in modules.items() if f"\n  - fungap.swarm.{fragment}\n" in text]
        taken = [name for name, text in modules.items() if f" **{options}," in text]
        assert groups.pop(group) == sorted(documented) == sorted(taken) != []
    assert groups == {}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_an_execution_environment_gets_what_the_checkout_installs() -> None:
    """Beside ansible-core, which the environment has. Python's wheels are whole, so there is nothing of the system."""
    told = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())["dependencies"]
    assert set(told) == {"python"}
    asked, pinned = (
        dict(re.findall(r"^([\w-]+)[=>]=([\d.]+)$", (ROOT / file).read_text(), re.MULTILINE))
        for file in (told["python"], "requirements.txt")
    )
    assert set(asked) == set(pinned) - {"ansible-core"}
    for name, least in asked.items():
        assert _numbers(pinned[name]) >= _numbers(least), name


def test_a_hosted_ci_and_the_dev_container_are_the_same_machine() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["everything"]
    editor = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert editor["image"] == job["container"]["image"]
    assert " ".join(editor["onCreateCommand"].split()) == job["steps"][0]["run"].strip()
    assert {one["run"] for one in job["steps"] if "run" in one} >= {".ci/run"}


def test_what_the_catalog_builds_from_ships() -> None:
    """Contexts and what they include are there, and in the archive that users install."""
    ignored = set(yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"])
    catalog = yaml.safe_load((ROOT / "roles/images/defaults/main.yml").read_text())["images_catalog"]
    builds = [entry["build"] for entry in catalog.values() if "context" in entry.get("build", {})]
    paths = [path for build in builds for path in (build["context"], *build.get("include", {}).values())]
    assert len(paths) > len(builds) > 0
    for path in paths:
        there = Path(path.replace("{{ role_path }}", str(ROOT / "roles/images"))).resolve()
        assert there.exists(), path
        inside = there.relative_to(ROOT)
        assert not {str(one) for one in (inside, *inside.parents)} & ignored, path
