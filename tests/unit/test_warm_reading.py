"""What is read and compiled once is what Ansible itself would have read and compiled."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible._internal", reason="it reads the insides of ansible-core 2.19")

from ansible._internal._datatag._tags import Origin, TrustedAsTemplate
from ansible._internal._templating._jinja_bits import AnsibleEnvironment
from ansible.module_utils._internal._datatag import AnsibleTagHelper
from ansible.parsing import dataloader
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tests.warm_reading import copied, keep_templates, share_files

VARIABLES = {"apps": ["web", "shop"], "home": "C:\\apps", "inner": "{{ apps | length }}"}
TEMPLATES = (
    "{{ apps | join('-') }} of {{ inner }}",
    "{% for app in apps %}{{ app }}\n{% endfor %}",
    "{{ home }}\\n{{ 'a\\tb' }}",
    "{{ {'one': apps} }}",
    "#jinja2: variable_start_string:'[[', variable_end_string:']]'\n[[ apps[0] ]] {{ as it is }}",
    "{{ range(2) | map('string') | list }}",
)
CONDITIONS = ("apps | length == 2", "'web' in apps and inner | int > 1", "apps is not defined")


def trusted(text: str) -> str:
    tagged: str = TrustedAsTemplate().tag(text)
    return tagged


def rendered() -> list[Any]:
    templar = Templar(None, {key: _trusted(value) for key, value in VARIABLES.items()})
    texts = [templar.template(trusted(text)) for text in TEMPLATES]
    return [*texts, *(templar.evaluate_conditional(trusted(text)) for text in CONDITIONS)]


def _trusted(value: Any) -> Any:
    return trusted(value) if isinstance(value, str) else value


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("compile", "compile_expression"):
        monkeypatch.setattr(AnsibleEnvironment, name, getattr(AnsibleEnvironment, name))
    return tmp_path


def test_a_template_whose_code_is_kept_says_the_same(kept: Path) -> None:
    itself = rendered()
    keep_templates(kept)
    made = rendered()
    files = {file: file.stat().st_mtime_ns for file in kept.iterdir()}
    assert len(files) >= len(TEMPLATES) + len(CONDITIONS)
    assert itself == made == rendered()
    assert {file: file.stat().st_mtime_ns for file in kept.iterdir()} == files


def test_what_is_no_template_is_refused_each_time(kept: Path) -> None:
    keep_templates(kept)
    for _ in range(2):
        with pytest.raises(Exception, match="Syntax error"):
            Templar(None, {}).template(trusted("{{ apps | }}"))


def test_a_file_that_was_read_before_is_what_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("from_yaml", "copy"):
        monkeypatch.setattr(dataloader, name, getattr(dataloader, name))
    file = tmp_path / "tasks.yml"
    file.write_text("- {name: one, when: [yes], vars: {a: '{{ b }}', none: null, number: 1.5}}\n")
    itself = DataLoader().load_from_file(str(file), trusted_as_template=True)
    share_files([file])
    shared = DataLoader().load_from_file(str(file), trusted_as_template=True)
    assert (shared, tags(shared)) == (itself, tags(itself))
    shared[0]["vars"]["a"] = "changed"
    assert DataLoader().load_from_file(str(file), trusted_as_template=True) == itself
    # Not as a template, and anew where it has changed.
    assert not TrustedAsTemplate.is_tagged_on(DataLoader().load_from_file(str(file))[0]["vars"]["a"])
    file.write_text("- {name: two}\n")
    assert DataLoader().load_from_file(str(file), trusted_as_template=True) == [{"name": "two"}]


def tags(value: Any) -> list[Any]:
    """The tags of a value and all that is in it."""
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [AnsibleTagHelper.tags(value), *(tags(one) for one in inner)]


def test_a_copy_has_nothing_in_common_that_can_be_changed() -> None:
    origin = Origin(path="/somewhere")
    value = origin.tag({"list": origin.tag([1, {"a": origin.tag("b")}]), "set": {1}})
    made = copied(value)
    assert (made, tags(made)) == (copy.deepcopy(value), tags(value))
    made["list"][1]["a"] = "changed"
    made["set"].add(2)
    assert value["list"][1]["a"] == "b"
    assert value["set"] == {1}
