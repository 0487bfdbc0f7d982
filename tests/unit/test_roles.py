"""What a role's defaults, its argument specs and the platform's own variables promise each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import TemplateError
from jinja2.nativetypes import NativeEnvironment

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
def test_a_default_in_a_spec_is_of_the_options_type(role: str) -> None:
    """What documentation tools insist on: an expression is a text. Else it is worked out, and said in words."""
    for name, spec in options(role).items():
        assert not is_template(spec.get("default")) or spec.get("type", "str") in ("str", "path", "raw"), name


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


NATIVE = NativeEnvironment(undefined=StrictUndefined)
# What a role's own names come to where the inventory says nothing, for the defaults of others that are made of them.
UNSAID = {
    "inventory_dir": "/inventory",
    "platform_name": "fungap",
    **{f"{role}_platform": "fungap" for role in (*ROLES, "__preflight")},
    **{f"{role}_owner": "fungap" for role in ROLES},
    "jenkins_platform": "fungap-jenkins",
    "platform_config_dir": "/etc/fungap",
    "__preflight_archive_dir": "/etc/fungap/images",
}
# Without a registry the images are called as they are on the docker host.
NONE_GIVEN = {("roles/images/defaults/main.yml", "registry_address")}


def come_to(template: Any) -> Any:
    """What a default is where the inventory says nothing; ``None`` where facts alone know it."""
    if not isinstance(template, str):
        return template
    try:
        found = NATIVE.from_string(template).render(UNSAID)
        return None if isinstance(found, Undefined) else found
    except (TemplateError, TypeError, AttributeError):
        return None


def read_with_default(text: str) -> Iterator[tuple[str, str]]:
    """Each ``name | default(expression)`` of a variable of the inventory, and the expression."""
    for found in re.finditer(r"(?<![\w.'])(\w+)\s*\|\s*default\(", text):
        if found[1] in PLATFORM:
            depth, end = 1, found.end()
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            yield found[1], text[found.end() : end - 1]


def test_what_is_read_with_a_default_is_found() -> None:
    text = "{{ platform_name | default('a') }} {{ x.platform_name | default(1) }}"
    text += " {{ platform_run_dir|default('/' ~ (b | c(d))) }}"
    assert list(read_with_default(text)) == [("platform_name", "'a'"), ("platform_run_dir", "'/' ~ (b | c(d))")]


FILES = sorted(
    str(path.relative_to(ROLES_DIR.parent))
    for folder in ("roles", "playbooks")
    for path in (ROLES_DIR.parent / folder).rglob("*")
    if path.suffix in (".yml", ".j2")
)


def test_a_platform_value_has_one_default_wherever_it_is_read() -> None:
    """`x | default(y)`: y is what the preflight's spec says, which is the source. Of what has no default, anything."""
    read: list[str] = []
    for file in FILES:
        for name, expression in read_with_default((ROLES_DIR.parent / file).read_text()):
            wanted = come_to(PLATFORM[name].get("default"))
            if wanted is None or (file, name) in NONE_GIVEN:
                continue
            read.append(name)
            assert come_to(f"{{{{ {expression} }}}}") == wanted, f"{file}: {name} | default({expression})"
    assert len(read) > 50


def test_a_role_names_the_platform_once() -> None:
    """In its defaults; all else is made of that, and a playbook has it of the fact `platform`."""
    found = {file: len(re.findall(r"\bplatform_name\s*\|", (ROLES_DIR.parent / file).read_text())) for file in FILES}
    own = {f"roles/{role}/{'vars' if role == 'preflight' else 'defaults'}/main.yml" for role in ROLES}
    assert {file: count for file, count in found.items() if count} == dict.fromkeys(own, 1)


@pytest.mark.parametrize("role", ROLES)
def test_a_default_that_is_worked_out_is_what_the_spec_says(role: str) -> None:
    specs = options(role)
    for name, value in defaults(role).items():
        told, found = come_to(specs[name].get("default")), come_to(value)
        if (is_template(value) or is_template(specs[name].get("default"))) and None not in (told, found):
            assert found == told, name


# What two roles have each under its own name, as none reads another's: the first is whose it is.
ONE_THING = [
    ("proxy_network", "app_network", "monitoring_apps_network"),
    ("proxy_https_port", "app_https_port", "monitoring_https_port"),
    ("proxy_edge_ip", "monitoring_probe_address"),
    ("proxy_socket", "app_manager_socket", "monitoring_socket"),
    ("images_docker_socket", "load_test_docker_socket"),
]


@pytest.mark.parametrize("names", ONE_THING, ids=lambda names: names[0])
def test_one_thing_has_one_default_in_all_roles(names: tuple[str, ...]) -> None:
    known = {name: value for role in ROLES for name, value in defaults(role).items()}
    assert len({repr(known[name]) for name in names}) == 1


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_variables_of_the_platform_that_there_are(role: str) -> None:
    text = (ROLES_DIR / role / "defaults" / "main.yml").read_text()
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
