# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``ansible -m ping`` said, host by host: whether it got through, and if not, why and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

# What stands in the answer, what that means, what to do. The first that fits counts.
CAUSES = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No [A-Z0-9-]+ host key is known",
        "the host shows another SSH key than the pinned one",
        "if its key was changed on purpose, run site.yml, which reads it over your own connection; "
        "if not, find out who answers",
    ),
    (
        "Permission denied",
        "the host does not accept the agent's key",
        "run site.yml, which installs it; look into authorized_keys of ansible_user there, and at AllowUsers and "
        "PubkeyAuthentication in its sshd_config",
    ),
    (
        "Could not resolve hostname",
        "the name of the host is not known in the agent's container",
        "write an address into ansible_host",
    ),
    (
        "Connection timed out|No route to host|Network is unreachable|timed out",
        "nothing answers from there",
        "a firewall or security group must let Jenkins' host through to the SSH port, and ansible_host be an address "
        "that it can reach (not 127.0.0.1, not a name of your own machine's)",
    ),
    (
        "Connection refused",
        "no SSH server listens there",
        "correct ansible_host and ansible_port; 127.0.0.1 is the agent's own container",
    ),
    (
        "Missing sudo password|a password is required|Incorrect sudo password|sudo: not found|sudoers",
        "the user may not become root, or not without a password",
        "sudo without a password for ansible_user there, or another user",
    ),
    (
        "Attempting to decrypt but no vault secrets found|Decryption failed",
        "the inventory is encrypted, and the agent has no password for it, or the wrong one",
        "name the file in jenkins_vault_password_file",
    ),
    (
        "Failed to parse|Unable to parse|No hosts matched|no hosts list",
        "the agent can't read the inventory",
        "the message tells where",
    ),
    (
        r"python[0-9.]*: (command )?not found|[Nn]o python interpreters? found",
        "there is no Python there that Ansible could use",
        "install python3 on the host",
    ),
)


@dataclass(frozen=True)
class Answer:
    """One host's. ``said``: its own words, on one line, empty where all is well."""

    host: str
    ok: bool
    said: str = ""


def parse_answers(output: str, hosts: Sequence[str]) -> list[Answer]:
    """An answer for each host; one that isn't in the output has failed with all of the output."""
    parts = re.split(r"(?m)^(\S+) \| (SUCCESS|UNREACHABLE!|FAILED!?|CHANGED)\b[ =>]*", output)
    found = {
        host: Answer(host, ok=verdict in ("SUCCESS", "CHANGED"), said=said)
        for host, verdict, said in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }
    return [found.get(host, Answer(host, ok=False, said=output or "it said nothing")) for host in hosts]


def explain(said: str) -> tuple[str, str]:
    """Cause and cure."""
    for pattern, cause, cure in CAUSES:
        if re.search(pattern, said):
            return cause, cure
    return "its own words are all that is known", "try it: docker exec -u jenkins <agent> ansible <host> -m ping -vvv"


def judge(answers: Sequence[Answer]) -> None:
    """Raise when a host can't be reached, naming each with cause and cure."""
    failed = [answer for answer in answers if not answer.ok]
    if not failed:
        return
    told = []
    for answer in failed:
        cause, cure = explain(answer.said)
        said = " ".join(answer.said.replace("\\r\\n", " ").replace("\\n", " ").split())[-400:]
        told.append(f"{answer.host}: {cause}\n    said: {said}\n    cure: {cure}")
    raise PlatformError(
        "Jenkins' agent does not get through to " + ", ".join(answer.host for answer in failed) + ", so no build "
        "could deploy:\n" + "\n".join(told)
    )
