"""Who may import whom, within plugins/: downward only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OURS = "ansible_collections.fungap.swarm.plugins."
# Layer -> layers that it may import, besides itself. `operation` is the rest of module_utils/*.py: what the modules do,
# put together from the layers below (they make the runner's plans), and helpers that know neither Docker nor
# AnsibleModule.
ALLOWED = {
    "errors": set(),
    "model": {"errors"},
    "plan": {"errors", "model"},
    "engine": {"errors", "model"},
    "runner": {"errors"},
    "operation": {"errors", "model", "plan", "engine", "runner"},
    "modules": {"errors", "model", "plan", "engine", "runner", "operation"},
    "plugin_utils": {"errors", "model", "plan", "operation"},
    "action": {"errors", "model", "plan", "operation", "plugin_utils"},
    "filter": {"errors", "model", "plan", "operation", "plugin_utils"},
    "lookup": {"errors", "model", "plan", "operation", "plugin_utils"},
    "callback": {"errors", "plugin_utils"},
    "doc_fragments": set(),
}
# Beside engine.py, which alone touches Docker: the registry's API, and what the CLI says to an engine.
ENGINES = ("engine", "registry_api", "relay")
FILES = sorted(path.relative_to(PLUGINS) for path in PLUGINS.rglob("*.py") if path.name != "__init__.py")


def layer(path: Path) -> str:
    """The layer of a file below plugins/."""
    if path.parts[0] != "module_utils":
        return path.parts[0]
    name = path.parts[1].removesuffix(".py")
    name = "engine" if name in ENGINES else name
    return name if name in ("errors", "model", "plan", "engine", "runner") else "operation"


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


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_engine_touches_docker_and_only_the_runner_ansible_module(path: Path) -> None:
    own, names = layer(path), imports(path)
    if own != "engine":
        assert not [name for name in names if name.split(".")[0] in ("docker", "requests")]
    if path.name != "engine.py":
        assert not [name for name in names if name.split(".")[0] == "docker"]
    if own not in ("runner", "callback"):
        assert not [name for name in names if name.startswith("ansible.module_utils.basic")]


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) in ("model", "plan")], ids=str)
def test_model_and_plan_are_pure(path: Path) -> None:
    """They read no file, no clock, no process; of os, only what computes with paths."""
    roots = {name.split(".")[0] for name in imports(path)}
    text = (PLUGINS / path).read_text()
    computing = r"os\.path\.(?:join|dirname|basename|normpath|isabs|splitext|commonpath|relpath|pardir)\b"
    assert not re.findall(rf"\bos\.(?!{computing[4:]})\w+(?:\.\w+)?", text)
    assert not roots & {"subprocess", "socket", "time", "shutil", "tempfile", "urllib", "http", "ansible"}
