# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file in which a controller remembers what a swarm holds: written whole, by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence

from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory, parse_all


def remember(path: str, memories: Sequence[Memory]) -> None:
    """All there is to remember of a platform, in the place of what was remembered before. Nothing changes nothing."""
    if not memories:
        return
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.writelines(memory.dump() for memory in memories)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)


def remember_stack(path: str, memory: Memory) -> None:
    """One stack's, beside the others'.

    A controller that has never seen the whole platform remembers no part of it, one whose secrets can only be read
    (Jenkins' agent) leaves it to the one that they are a copy of, and a file that is broken stays as it is: the next
    ``site.yml`` says so. Raises ``OSError`` where it can't be written all the same.
    """
    directory = os.path.dirname(path)
    if not os.path.isfile(path) or not os.access(directory, os.W_OK):
        return
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Another app may be rolled out beside this one. Each holds it for a moment.
        fcntl.flock(folder, fcntl.LOCK_EX)
        with open(path, encoding="utf-8") as file:
            known = {one.stack: one for one in parse_all(file.read())}
        remember(path, [one for _stack, one in sorted({**known, memory.stack: memory}.items())])
    except (FileNotFoundError, ValueError):
        return
    finally:
        os.close(folder)
