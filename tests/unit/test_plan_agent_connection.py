# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the agent's ping says, and what to do about it."""

from __future__ import annotations

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.jenkins.agent_connection import (
    Answer,
    explain,
    judge,
    parse_answers,
)

OUTPUT = """[WARNING]: something
vm1 | SUCCESS =>
    changed: false
    ping: pong
vm2 | UNREACHABLE! =>
    msg: 'Failed to connect to the host via ssh: Host key verification failed.'
vm3 | FAILED! => {
    "msg": "Missing sudo password"
}
"""


def test_each_host_is_judged_by_its_own_words() -> None:
    answers = parse_answers(OUTPUT, ["vm1", "vm2", "vm3", "vm4"])
    assert [(one.host, one.ok) for one in answers] == [("vm1", True), ("vm2", False), ("vm3", False), ("vm4", False)]
    with pytest.raises(PlatformError) as error:
        judge(answers)
    told = error.value.message
    assert "does not get through to vm2, vm3, vm4" in told
    assert "vm2: the host shows another SSH key" in told
    assert "vm3: the user may not become root" in told
    assert "vm1:" not in told
    assert told.count("cure:") == 3


def test_the_error_tells_each_host_on_three_lines() -> None:
    with pytest.raises(PlatformError) as error:
        judge([Answer("vm1", ok=True), Answer("vm2", ok=False, said="Connection refused,\\r\\nit said\\n  so\nhere")])
    assert error.value.message.splitlines() == [
        "Jenkins' agent does not get through to vm2, so no build could deploy:",
        "vm2: no SSH server listens there",
        "    said: Connection refused, it said so here",
        "    cure: correct ansible_host and ansible_port; 127.0.0.1 is the agent's own container",
    ]


def test_of_a_long_answer_the_end_is_told() -> None:
    with pytest.raises(PlatformError) as error:
        judge([Answer("vm2", ok=False, said="x" + "y" * 399 + "z")])
    assert f"said: {'y' * 399}z\n" in error.value.message


@pytest.mark.parametrize(
    ("output", "ok", "said"),
    [
        ("vm1 | CHANGED => rc=0", True, "rc=0"),
        ("vm1 | FAILED | rc=1 >>\nno", False, "| rc=1 >>\nno"),
        ("something else", False, "something else"),
        ("", False, "it said nothing"),
    ],
)
def test_one_answer(output: str, ok: bool, said: str) -> None:
    assert parse_answers(output, ["vm1"]) == [Answer("vm1", ok=ok, said=said)]


def test_all_well_is_no_error() -> None:
    judge(parse_answers(OUTPUT, ["vm1"]))


@pytest.mark.parametrize(
    ("said", "cause", "cure"),
    [
        ("Host key verification failed.", "another SSH key", "run site.yml"),
        ("root@vm1: Permission denied (publickey).", "does not accept the agent's key", "authorized_keys"),
        ("ssh: Could not resolve hostname vm1: Name or service not known", "not known in the agent's", "ansible_host"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", "nothing answers", "firewall"),
        ("ssh: connect to host 127.0.0.1 port 22: Connection refused", "no SSH server", "127.0.0.1 is the agent's own"),
        ("Missing sudo password", "become root", "sudo without a password"),
        ("discovered_interpreter_python: x /bin/sh: 1: sudo: not found", "become root", "sudo without a password"),
        ("Attempting to decrypt but no vault secrets found", "encrypted", "jenkins_vault_password_file"),
        ("[WARNING]: No hosts matched, nothing to do", "can't read the inventory", "where"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "no Python", "install python3"),
        ("hm", "its own words", "-vvv"),
    ],
)
def test_causes(said: str, cause: str, cure: str) -> None:
    found = explain(said)
    assert cause in found[0]
    assert cure in found[1]
