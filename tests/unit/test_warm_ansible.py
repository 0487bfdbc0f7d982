"""The warm ansible-playbook says and returns what the program itself does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ansible._internal", reason="it reads the insides of ansible-core 2.19")

from tests import timeline
from tests.steps import ROOT
from tests.warm_ansible import WarmAnsible, stand_in

SAY = {"ansible.builtin.debug": {"msg": "{{ lookup('ansible.builtin.env', 'WHO') }} in here"}}
FAIL = {"ansible.builtin.fail": {"msg": "no luck"}}


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmAnsible]:
    warm = WarmAnsible({"ANSIBLE_CONFIG": f"{ROOT}/ansible.cfg", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"})
    yield warm
    warm.close()


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [SAY]}]))
    return path


@pytest.mark.parametrize(("task", "code", "words"), [(SAY, 0, "me in "), (FAIL, 2, "no luck")])
def test_code_and_output(warm: WarmAnsible, tmp_path: Path, task: object, code: int, words: str) -> None:
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    done = warm.run("-i", "localhost,", str(play), environment={"WHO": "me"})
    assert done.code == code, done.output
    assert words in done.output


def test_calls_share_nothing(warm: WarmAnsible, playbook: Path) -> None:
    first = warm.run("-i", "localhost,", str(playbook), environment={"WHO": "the first"})
    second = warm.run("-i", "localhost,", str(playbook))
    assert "the first" in first.output
    assert "the first" not in second.output


def test_what_ansible_refuses(warm: WarmAnsible) -> None:
    done = warm.run("-i", "localhost,", "/nowhere.yml")
    assert done.code == 1
    assert "could not be found" in done.output


def test_the_stand_in_is_the_program(playbook: Path, tmp_path: Path) -> None:
    with stand_in() as programs:
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "WHO": "you", "LC_ALL": "C.UTF-8"}
        environment["ANSIBLE_CONFIG"] = f"{ROOT}/ansible.cfg"
        for _ in range(2):
            command = ["ansible-playbook", "-i", "localhost,", str(playbook)]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "you in" in done.stdout


def test_the_variables_beside_an_inventory_are_read(warm: WarmAnsible, tmp_path: Path) -> None:
    files = {
        "hosts.yml": {"all": {"children": {"ours": {"hosts": {"localhost": {"ansible_connection": "local"}}}}}},
        "group_vars/ours.yml": {"one": "of the group"},
        "host_vars/localhost.yml": {"two": "of the host"},
        "play.yml": [
            {
                "hosts": "ours",
                "gather_facts": False,
                "tasks": [{"ansible.builtin.debug": {"msg": "{{ one }}, {{ two }}"}}],
            }
        ],
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    done = warm.run("-i", f"{tmp_path}/hosts.yml", f"{tmp_path}/play.yml")
    assert "of the group, of the host" in done.output


def test_cpu_is_booked_on_who_called(playbook: Path) -> None:
    """The server's end brings the CPU of all its calls once more, to whoever ends it."""
    warm = WarmAnsible({"ANSIBLE_CONFIG": f"{ROOT}/ansible.cfg", "LC_ALL": "C.UTF-8"})
    before = timeline.cpu_seconds()
    for _ in range(3):
        warm.run("-i", "localhost,", str(playbook))
    called = timeline.cpu_seconds()
    assert called - before > 0.15
    warm.close()
    assert timeline.cpu_seconds() - called < (called - before) / 2


def test_cpu_of_modules_is_their_callers(warm: WarmAnsible, tmp_path: Path) -> None:
    """Modules are children of another server."""
    busy = "import time\nwhile time.process_time() < 2: pass"
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    task = {"ansible.builtin.command": {"argv": [sys.executable, "-c", busy]}}
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": here, "tasks": [task]}]))
    before = timeline.cpu_seconds()
    done = warm.run("-i", "localhost,", str(play))
    assert done.code == 0, done.output
    assert timeline.cpu_seconds() - before >= 2
