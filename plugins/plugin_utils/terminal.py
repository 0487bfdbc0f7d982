# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command that opens a terminal in a container, from the controller. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

DOCKER = "docker"


def exec_words(socket: str, container: str, command: Sequence[str], *, tty: bool) -> list[str]:
    """What the docker host runs. The container has its own user and environment."""
    flags = ["--interactive", *(["--tty"] if tty else [])]
    return [DOCKER, "--host", f"unix://{socket}", "exec", *flags, container, *command]


def controllers_words(words: Sequence[str], connection: Mapping[str, Any], *, tty: bool) -> list[str]:
    """What the controller runs to have that run on the docker host.

    ``connection``: its ``transport``, ``is_root`` for one that has no need of sudo, and for SSH ``executable``,
    ``host``, ``user``, ``port``, ``key_file`` and ``args``, texts as in ssh_args.
    """
    words = list(words) if connection["is_root"] else ["sudo", *words]
    if connection["transport"] == "local":
        return words
    if connection["transport"] != "ssh":
        raise PlatformError(
            f"a terminal leads through ssh, or is this machine's; the docker host's connection is "
            f"{connection['transport']}. Run there: {shlex.join(words)}"
        )
    given = [word for text in connection["args"] if text for word in shlex.split(text)]
    named = (("-p", connection["port"]), ("-i", connection["key_file"]), ("-l", connection["user"]))
    options = [word for flag, value in named if value for word in (flag, str(value))]
    flags = ["-t"] if tty else []
    # ssh hands the last word to a shell there.
    return [connection["executable"], *flags, *given, *options, "--", connection["host"], shlex.join(words)]
