# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where it is remembered what a swarm holds: ``<stacks>/<stack>/in-force.json`` on the docker host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import (
    FILE,
    Memory,
    broken,
    highest_revisions,
    missing,
    refusal,
    to_be_held,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import REVISION_LABEL


def memory_path(folder: str, stack: str) -> str:
    return os.path.join(folder, stack, FILE)


def recall(folder: str) -> list[Memory]:
    """What is remembered of all stacks whose files are in a folder."""
    try:
        stacks = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [memory for stack in stacks if (memory := recall_stack(folder, stack))]


def recall_stack(folder: str, stack: str) -> Memory | None:
    """Raises ``PlatformError`` for a file that is broken: what it said is not to be taken for nothing."""
    path = memory_path(folder, stack)
    try:
        with open(path, encoding="utf-8") as file:
            return Memory.parse(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise PlatformError(broken(path, error)) from error


def loss(manager: Engine | None, here: Sequence[Memory], elsewhere: Sequence[Memory], begin_anew: str) -> str:
    """What a swarm lacks of what it was known to hold, in words for an operator; '' when nothing.

    ``manager``: an engine that leads it, None for a swarm that is to be started. ``here``: what the docker host
    remembers, ``elsewhere``: what the controller does. ``begin_anew``: the ID of the swarm whose loss is known.
    """
    memories = to_be_held(here, elsewhere)
    if not memories or begin_anew in {memory.cluster_id for memory in memories}:
        return ""
    configs: Sequence[Any] = manager.swarm.items("config", REVISION_LABEL) if manager else ()
    lacks = missing(memories, highest_revisions(configs))
    return refusal(lacks, memories) if lacks else ""


def forget(folder: str) -> None:
    """Begin anew: nothing is remembered any more."""
    for memory in recall(folder):
        os.unlink(memory_path(folder, memory.stack))
