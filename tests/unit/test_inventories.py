"""The inventories that come with the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
INVENTORIES = sorted(path.name for path in (ROOT / "inventories").iterdir() if path.is_dir())


def documents(name: str) -> dict[str, Any]:
    folder = ROOT / "inventories" / name
    return {str(path.relative_to(folder)): yaml.safe_load(path.read_text()) for path in sorted(folder.rglob("*.yml"))}


def keys(value: Any, path: str = "") -> set[str]:
    """Every path of keys in nested mappings."""
    if not isinstance(value, dict):
        return set()
    return {f"{path}/{key}" for key in value} | {
        one for key, item in value.items() for one in keys(item, f"{path}/{key}")
    }


def test_test_and_prod_differ_in_values_only() -> None:
    test, prod = documents("test"), documents("prod")
    assert keys(test) == keys(prod)
    assert test != prod
    names = [
        {
            str(p.relative_to(ROOT / "inventories" / n))
            for p in (ROOT / "inventories" / n).rglob("*")
            if p.suffix in (".yml", ".env")
        }
        for n in ("test", "prod")
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize("name", INVENTORIES)
def test_an_inventory_is_data(name: str) -> None:
    found = documents(name)
    assert {"hosts.yml", "group_vars/all.yml"} <= set(found)
    for app in found["group_vars/all.yml"]["apps"].values():
        assert (ROOT / "inventories" / name / app["env_file"]).is_file()
    for key in keys(found):
        assert not any(word in key.rsplit("/", 1)[-1] for word in ("password", "secret", "token"))


def test_there_are_four() -> None:
    assert {"cluster", "local", "prod", "test"} <= set(INVENTORIES)


def test_the_local_one_needs_no_registry_of_the_internet() -> None:
    assert documents("local")["group_vars/all.yml"]["images_source"] == "auto"
