# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service's own image is to judge before it is deployed, and what its judgement means. Pure.

What is judged is read from the compose file, as Docker will read it: image, configs and secrets at their places.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import LABEL_HELPER
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import Compose, ItemFile, item_files

HELPER = "validation"
# How long the command may take; what is older was left behind by a run that was killed.
LIMIT_SECONDS = 60
MEMORY_BYTES = 256 * 1024 * 1024
# In a config, the comment that says which variable the lines below it come from.
_SOURCE = re.compile(r"\s*# From (\S+)$")
_PLACE = re.compile(r" in (/\S+):([0-9]+)")


@dataclass(frozen=True)
class Validation:
    """A command that has to end well in a container of a service's image, with the service's files."""

    service: str
    image: str
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    files: tuple[ItemFile, ...]
    cap_drop: tuple[str, ...]
    cap_add: tuple[str, ...]
    tmpfs: tuple[str, ...]

    def __str__(self) -> str:
        return f"validate service {self.service} by {self.said!r} of its image"

    @property
    def said(self) -> str:
        """The command as a person types it."""
        return " ".join([*self.entrypoint, *self.command])

    @property
    def digest(self) -> str:
        """Equal for what has to be validated but once: names of configs and secrets change with their contents."""
        shape = [
            self.image,
            self.entrypoint,
            self.command,
            [[one.name, one.path] for one in self.files],
            self.cap_drop,
            self.cap_add,
        ]
        return hashlib.sha256(json.dumps([*shape, self.tmpfs]).encode()).hexdigest()

    def container(self) -> dict[str, Any]:
        """The body of ``POST /containers/create``: on no network, and gone when it ends."""
        return {
            "Image": self.image,
            "Cmd": list(self.command),
            **({"Entrypoint": list(self.entrypoint)} if self.entrypoint else {}),
            "Labels": {LABEL_HELPER: HELPER},
            "AttachStdout": True,
            "AttachStderr": True,
            "HostConfig": {
                "AutoRemove": True,
                "NetworkMode": "none",
                "CapDrop": list(self.cap_drop),
                "CapAdd": list(self.cap_add),
                "Tmpfs": dict.fromkeys(self.tmpfs, ""),
                "Memory": MEMORY_BYTES,
                "LogConfig": {"Type": "none"},
                "SecurityOpt": ["no-new-privileges"],
            },
        }


def validation_of(
    compose: Compose, service: str, command: Sequence[str], entrypoint: Sequence[str] | None = None
) -> Validation:
    """What ``command`` is to judge of a compose file. ``entrypoint``: instead of the image's."""
    definition = (compose.get("services") or {}).get(service)
    if definition is None:
        raise PlatformError(f"validate.service: the compose file has no service {service}")
    volumes = [one for one in definition.get("volumes") or [] if isinstance(one, Mapping)]
    return Validation(
        service=service,
        image=str(definition.get("image")),
        command=tuple(command),
        entrypoint=tuple(entrypoint or ()),
        files=tuple(item_files(compose, service)),
        cap_drop=tuple(definition.get("cap_drop") or ()),
        cap_add=tuple(definition.get("cap_add") or ()),
        tmpfs=tuple(str(one["target"]) for one in volumes if one.get("type") == "tmpfs"),
    )


def is_in_force(validation: Validation, compose: Compose | None) -> bool:
    """Whether the compose file in force, None for none, has the very same: that runs."""
    if compose is None or validation.service not in (compose.get("services") or {}):
        return False
    before = validation_of(compose, validation.service, validation.command, validation.entrypoint)
    return before.digest == validation.digest


def refusal(stack: str, validation: Validation, output: str, contents: Mapping[tuple[str, str], str]) -> str:
    """What the operator is told. ``output``: the command's. ``contents``: of configs and secrets, by kind and name."""
    lines = [
        f"stack {stack}: the image of service {validation.service} refuses the new configuration. Nothing was changed. "
        f"{validation.said!r} says:",
        *(f"  {line}" for line in output.strip().splitlines()[-10:]),
    ]
    cure = "Correct the variables that it is made of, and run it again"
    place = _PLACE.search(output)
    file = place and next((one for one in validation.files if one.path == place[1]), None)
    if place and file and file.kind == "config":  # what a secret has in a line is not shown
        text = contents[(file.kind, file.name)].splitlines()[: int(place[2])]
        source = next((found[1] for line in reversed(text) if (found := _SOURCE.match(line))), "")
        origin = f", and comes from {source}" if source else ""
        lines.append(f"Line {place[2]} there is {text[-1].strip() if text else ''!r}{origin}.")
        if source:
            cure = f"Correct {source} in the inventory, or in what was asked for, and run it again"
    return "\n".join([*lines, cure])


def leftovers(containers: Iterable[Mapping[str, Any]], now: float) -> list[str]:
    """Ids of the validations' containers that a killed run never started. ``now``: Unix time."""
    return [str(one["Id"]) for one in containers if now - float(one.get("Created") or 0) > 2 * LIMIT_SECONDS]
