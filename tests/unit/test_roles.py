"""What a role's defaults, its argument specs and the platform's own variables promise each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

ROLES_DIR = Path(__file__).resolve().parents[2] / "roles"
ROLES = sorted(path.name for path in ROLES_DIR.iterdir() if path.is_dir())
PLATFORM = read_specs(str(ROLES_DIR)).inventory


def read(role: str, *path: str) -> dict[str, Any]:
    file = ROLES_DIR.joinpath(role, *path)
    return (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}


def defaults(role: str) -> dict[str, Any]:
    return read(role, "defaults", "main.yml")


def options(role: str) -> dict[str, Any]:
    """The options of every entry point that describes the role's own variables."""
    entries = read(role, "meta", "argument_specs.yml")["argument_specs"]
    return {
        name: spec
        for entry, described in entries.items()
        if role != "preflight" or entry == "main"
        for name, spec in (described.get("options") or {}).items()
    }


def is_template(value: Any) -> bool:
    return "{{" in str(value)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_parts(role: str) -> None:
    for part in ("defaults/main.yml", "tasks/main.yml", "meta/main.yml", "meta/argument_specs.yml"):
        assert (ROLES_DIR / role / part).is_file(), f"{role} has no {part}"


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_specs_name_the_same_variables(role: str) -> None:
    specs = options(role)
    optional = {name for name, spec in specs.items() if not spec.get("required")}
    without_default = {name for name in optional - set(defaults(role)) if specs[name].get("default") is None}
    assert set(defaults(role)) - set(specs) == set(), "defaults that the spec does not describe"
    assert optional - without_default - set(defaults(role)) == set(), "specs with a default that the role does not have"


@pytest.mark.parametrize("role", ROLES)
def test_literal_defaults_and_specs_agree(role: str) -> None:
    specs = options(role)
    for name, value in defaults(role).items():
        spec = specs[name]
        if is_template(value) or is_template(spec.get("default")):
            continue
        if value in (None, "", [], {}):
            assert spec.get("default") in (None, value), name
        else:
            assert spec.get("default") == value, name
            assert type(spec.get("default")) is type(value), name


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described(role: str) -> None:
    def check(path: str, described: dict[str, Any]) -> None:
        for name, spec in described.items():
            assert spec.get("description"), f"{path}{name}"
            assert spec.get("type"), f"{path}{name}"
            check(f"{path}{name}.", spec.get("options") or {})

    for entry in read(role, "meta", "argument_specs.yml")["argument_specs"].values():
        assert entry.get("short_description")
        check("", entry.get("options") or {})


@pytest.mark.parametrize("role", ROLES)
def test_variables_carry_the_roles_name(role: str) -> None:
    own = [name for name in defaults(role) if not name.startswith(f"{role}_")]
    assert own == []
    internal = [name for name in read(role, "vars", "main.yml") if not name.startswith(f"__{role}_")]
    assert internal == []


@pytest.mark.parametrize("role", ROLES)
def test_platform_values_have_the_platforms_defaults(role: str) -> None:
    """`platform_x | default(y)` in a role: y is the default that the preflight fills in."""
    resolved = {
        name: str(spec["default"])
        .replace("{{ platform_name }}", "fungap")
        .replace("{{ platform_config_dir }}", "/etc/fungap")
        for name, spec in PLATFORM.items()
        if isinstance(spec.get("default"), str)
    }
    text = (ROLES_DIR / role / "defaults" / "main.yml").read_text()
    for name, value in re.findall(r"\b(platform_\w+)\s*\|\s*default\('([^']*)'\)", text):
        assert name in PLATFORM, f"{name} is not a variable of the platform"
        assert resolved[name].startswith(value), f"{name}: {value!r} is not {resolved[name]!r}"
    for name in re.findall(r"\b(platform_\w+)\b", text):
        if f"'{name}'" not in text:  # facts are named in quotes
            assert name in PLATFORM, f"{name} is not a variable of the platform"


@pytest.mark.parametrize("role", ROLES)
def test_a_variable_that_two_specs_describe_is_the_same_in_both(role: str) -> None:
    for name, spec in options(role).items():
        if name in PLATFORM and role != "preflight":
            for key in ("type", "choices"):
                assert spec.get(key) == PLATFORM[name].get(key), f"{name}.{key}"
            if not is_template(spec.get("default")) and not is_template(PLATFORM[name].get("default")):
                assert spec.get("default") == PLATFORM[name].get("default"), name


@pytest.mark.parametrize("role", ROLES)
def test_tasks_do_not_look_at_other_hosts(role: str) -> None:
    for path in sorted((ROLES_DIR / role / "tasks").rglob("*.yml")):
        text = path.read_text()
        assert not re.search(r"\bgroups\[|\bhostvars\b", text), path


@pytest.mark.parametrize("role", ROLES)
def test_no_file_is_rendered_from_a_set(role: str) -> None:
    """Ansible's set filters give another order in each run: what they give must never be written down."""
    found = [
        f"{path.relative_to(ROLES_DIR)}: {match}"
        for path in (ROLES_DIR / role).rglob("*")
        if path.suffix in (".yml", ".j2") and "meta" not in path.parts
        for match in re.findall(r"\|\s*(?:intersect|difference|union|symmetric_difference)\b", path.read_text())
    ]
    assert found == []


TASK_FILES = sorted([*ROLES_DIR.glob("*/tasks/*.yml"), *ROLES_DIR.parent.glob("playbooks/**/*.yml")])


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROLES_DIR.parent)))
def test_nothing_is_waited_for_by_trying_again(path: Path) -> None:
    """Ansible's retries read like failures, and start a module each: what is waited for shows how far it is."""
    ways = r"^\s*(?:until|ansible\.builtin\.(?:wait_for\w*|pause|async_status)):"
    assert re.findall(ways, path.read_text(), flags=re.MULTILINE) == []


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROLES_DIR.parent)))
def test_no_shell_reads_what_an_inventory_says(path: Path) -> None:
    """What a script needs are its arguments."""

    def scripts(value: Any) -> Iterator[str]:
        parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        if isinstance(value, list) and value[:2] in (["sh", "-c"], ["bash", "-c"], ["/bin/sh", "-c"]):
            yield str(value[2])
        for part in parts:
            yield from scripts(part)

    content = yaml.safe_load(path.read_text())
    assert [one for one in scripts(content) if "{{" in one] == []
    assert not re.search(r"ansible\.(builtin\.shell|legacy\.shell)|^\s+shell:", path.read_text(), re.MULTILINE)
