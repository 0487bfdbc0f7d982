"""What Jenkins makes of what the role writes, by the libraries that it runs on, as far as they can be had."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils.casc import NOTHING, configuration, secret_files

from .harness import HERE, ROOT, groovy

HOSTILE = [
    "plain",
    "a${b}c",
    "${admin-password}",
    "${readFile:/etc/hostname}",
    "^${b}",
    "^^${b}",
    "${b",
    "$${b}",
    "$^${b}$",
    "${a${b}}",
    "${a:-b}",
    "$",
    "^",
    "}",
    'it\'s "q" `id` $(id)',
    "back\\slash \\n \\${b}",
    "two\nlines\n",
    "  spaces around\t",
    "\u00fc \u2028 \U0001f511",
]


MARK = "=the text="


def write(folder: Path, text: str) -> dict[str, str]:
    """Secret files with this text as every secret, and the leaves of a configuration with it as every text, by path."""
    git = [{"name": "team", "username": text, "password": text}]
    hub = [{"registry": "docker.io", "username": text, "password": text}]
    generated = dict.fromkeys(("admin-password", "webhook-secret", "agent-key", "slack-url"), text)
    folder.mkdir()
    for file in secret_files(str(folder), "0", generated, git, hub):
        Path(file["path"]).write_bytes(file["content"].encode())
    given = configuration("https://j/", "192.0.2.3", text, git, [text], hub, {"A": text})
    return {path: leaf.replace("/run/secrets/", f"{folder}/") for path, leaf in leaves(given)}


def test_secrets_and_texts_arrive_as_they_are(tmp_path: Path) -> None:
    """Each hostile text as every secret and as every text that an inventory may give."""
    marked = write(tmp_path / "mark", MARK)
    texts: list[str] = []
    wanted: list[str] = []
    for number, hostile in enumerate(HOSTILE):
        folder = tmp_path / str(number)
        for path, text in write(folder, hostile).items():
            texts.append(text)
            if not marked[path].startswith("${"):
                wanted.append(marked[path].replace(MARK, hostile))
            elif path.endswith(".secretBytes"):
                name = text.rpartition("/")[2].removesuffix("}")
                wanted.append(base64.b64encode((folder / name).read_bytes()).decode())
                assert (folder / name).read_text() in (hostile, NOTHING)
            else:
                wanted.append(hostile)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    became = json.loads(groovy(HERE / "harness" / "resolve.groovy", str(tmp_path / "texts.json")))
    for text, value, right in zip(texts, became, wanted, strict=True):
        assert value == right, text


MADE = "Roll back. Made by Ansible (role jenkins) as %s."
ITEMS = {
    "web": {"kind": "job", "description": MADE % "web", "builds": True, "polled": True},
    "new": {"kind": "job", "description": MADE % "new", "polled": True},
    "new-scale": {"kind": "job", "description": MADE % "new-scale"},
    "gone": {"kind": "job", "description": MADE % "gone", "builds": True, "polled": True},
    # A copy of it, one by another name, one that somebody wrote about, and others.
    "gone-copy": {"kind": "job", "description": MADE % "gone", "polled": True},
    "Gone": {"kind": "job", "description": MADE % "gone"},
    "mine": {"kind": "job", "description": "like those that are made by Ansible (role jenkins)"},
    "bare": {"kind": "job", "polled": True},
    "folder": {"kind": "folder"},
}


@pytest.mark.parametrize("first_build", [False, True])
def test_jobs_that_left_the_inventory_deploy_no_more(tmp_path: Path, first_build: bool) -> None:
    """And nobody's job is touched; and a poll starts no first build unless it is wanted."""
    (tmp_path / "items.json").write_text(json.dumps(ITEMS))
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": ["web", "new", "new-scale"], "first_build": first_build}))
    program, script = HERE / "harness" / "init.groovy", ROOT / "roles/jenkins/files/init.groovy"
    environment = {"CASC_JENKINS_CONFIG": str(tmp_path / "jenkins.yaml")}
    *said, last = groovy(program, str(script), str(tmp_path / "items.json"), environment=environment).splitlines()
    jobs = json.loads(last)
    assert [name for name, job in jobs.items() if job["disabled"]] == ["gone"]
    assert [name for name, job in jobs.items() if not job["polls"]] == ([] if first_build else ["new", "new-scale"])
    never = "Never built, and not built by polling either: new. Start the first build, or push with a webhook."
    assert [line.removeprefix("[fungap] ") for line in said] == [
        "gone: the inventory does not have this job any more. It is disabled; its builds are kept until it is deleted.",
        "Not made from the inventory, and left as they are: Gone, bare, folder, gone-copy, mine",
        *([] if first_build else [never]),
        "3 jobs are as the inventory has them",
    ]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value
