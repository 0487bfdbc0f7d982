"""Who may import whom, within plugins/: downward only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OURS = "ansible_collections.fungap.swarm.plugins."
# Layer -> layers that it may import, besides itself. In module_utils a folder is a subject, with these layers:
# `model` <- `plan` <- `operation`. `core` knows neither Docker nor AnsibleModule, `docker` alone imports the SDK, and
# `host` looks at the machine with the standard library alone.
ALLOWED = {
    "errors": set(),
    "model": {"errors"},
    "plan": {"errors", "model"},
    "core": {"errors"},
    "runner": {"errors"},
    "host": {"errors", "model", "plan", "core"},
    "docker": {"errors", "model", "core", "host"},
    "operation": {"errors", "model", "plan", "core", "docker", "host", "runner"},
    "modules": {"model", "runner", "operation"},
    "plugin_utils": {"errors", "model", "plan", "core", "docker", "host", "operation"},
    "action": {"errors", "model", "plan", "core", "host", "operation", "plugin_utils"},
    "filter": {"errors", "model", "plan", "core", "operation", "plugin_utils"},
    "lookup": {"errors", "model", "plan", "core", "operation", "plugin_utils"},
    "callback": {"errors", "plugin_utils"},
    "doc_fragments": set(),
}
# By their names, in any folder; what isn't named is an operation.
MODELS = {
    *("model", "options", "compose", "digest", "dockerfile", "harmless", "logs", "program", "raft", "shown", "status"),
    "access_log",
}
PLANS = {
    *("plan", "actions", "agent_connection", "difference", "hosts_file", "job", "listening", "repair", "rollout"),
    *("validation", "following", "absence", "node_plan", "move_plan", "recovery", "replica", "safeguards", "settling"),
}
# Operations that those of other subjects use: whose a folder is, what a swarm was last known to hold, a registry.
SHARED = {"folder", "memory", "registry"}
# A look at the machine has a part from each.
WHOLE = {Path("module_utils/host/info.py")}
FILES = sorted(path.relative_to(PLUGINS) for path in PLUGINS.rglob("*.py") if path.name != "__init__.py")


def layer(path: Path) -> str:
    """The layer of a file below plugins/."""
    if path.parts[0] != "module_utils":
        return path.parts[0]
    subject, name = path.parts[1], path.parts[2].removesuffix(".py")
    if name in MODELS:
        return "model"
    if name in PLANS:
        return "plan"
    if subject == "core":
        return name if name in ("errors", "runner") else "core"
    if subject == "docker":
        return "docker"
    return "host" if (subject, name) in {("host", "files"), ("host", "look"), ("member", "on_disk")} else "operation"


def imports(path: Path) -> set[str]:
    """The full names of the modules that a file imports; `from package import module` counts as the module."""
    found = set()
    for node in ast.walk(ast.parse((PLUGINS / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module else set()
    return found


def imported_layer(name: str) -> str:
    parts = Path(*name.removeprefix(OURS).split("."))
    return layer(parts)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_downward(path: Path) -> None:
    own = layer(path)
    assert own in ALLOWED, f"{path}: no known layer"
    for name in imports(path):
        if name.startswith(OURS):
            other = imported_layer(name)
            assert other == own or other in ALLOWED[own], f"{path} ({own}) imports {name} ({other})"


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) == "operation"], ids=str)
def test_subjects_do_without_each_other_s_operations(path: Path) -> None:
    subjects = {
        parts[1]
        for name in imports(path)
        if name.startswith(f"{OURS}module_utils.") and imported_layer(name) == "operation"
        if (parts := name.removeprefix(OURS).split("."))
    }
    assert path in WHOLE or subjects <= {path.parts[1], *SHARED}, subjects


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_sdk_is_docker_s_alone_and_ansible_module_the_runner_s(path: Path) -> None:
    own, roots = layer(path), {name.split(".")[0] for name in imports(path)}
    if own != "docker":
        assert "docker" not in roots
        assert "requests" not in roots or path == Path("module_utils/registry/api.py")
    if own not in ("runner", "callback"):
        assert not [name for name in imports(path) if name.startswith("ansible.module_utils.basic")]


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) in ("model", "plan")], ids=str)
def test_model_and_plan_are_pure(path: Path) -> None:
    """They read no file, no clock, no process; of os, only what computes with paths."""
    roots = {name.split(".")[0] for name in imports(path) if not name.startswith("urllib.parse.")}
    text = (PLUGINS / path).read_text()
    computing = r"os\.path\.(?:join|dirname|basename|normpath|isabs|splitext|commonpath|relpath|pardir)\b"
    assert not re.findall(rf"\bos\.(?!{computing[4:]})\w+(?:\.\w+)?", text)
    assert not roots & {"subprocess", "socket", "time", "shutil", "tempfile", "urllib", "http", "ansible"}
