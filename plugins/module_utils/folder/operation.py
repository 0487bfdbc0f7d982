# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform's folders on the machine that a module runs on: whose one is, making it ours, removing it.

Nothing else removes a folder, or gives one another owner. Who decides is ``model.folder.whose``.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Sequence

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import ConfigFile, Ownership
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import (
    MARKER,
    OPERATORS,
    Belonging,
    SeenFolder,
    marker_text,
    mounts_of,
    own_id,
    whose,
    why_not_claimed,
)
from ansible_collections.fungap.swarm.plugins.module_utils.host import files
from ansible_collections.fungap.swarm.plugins.module_utils.host.look import all_containers

SOCKET = "/var/run/docker.sock"
MOUNTS = "/proc/self/mountinfo"
# Nobody reads more of them, and another's folder may hold many.
NAMES_MAX = 10
# What a file of ours in it may have: others' may be of any size.
BYTES_MAX = 100_000


def look(path: str) -> SeenFolder:
    """What is at a path; a symbolic link is not followed."""
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISDIR(mode):
            return SeenFolder("link" if stat.S_ISLNK(mode) else "other")
        names = sorted(os.listdir(path))[:NAMES_MAX]
        return SeenFolder("directory", _marker(path), tuple(names), _registry_logins(path))
    except (FileNotFoundError, NotADirectoryError):
        return SeenFolder()
    except OSError as error:
        raise PlatformError(f"cannot read {path}: {error.strerror or error}") from error


def whose_is(
    path: str,
    platform: str,
    *,
    ids: Sequence[str] = (),
    registry: str = "",
    proof: str = "",
    socket: str = SOCKET,
) -> Belonging:
    """Whether the folder at a path is the platform's; the machine's engine is asked where nothing else tells."""
    seen = look(path)
    found = whose(path, platform, seen, ids=ids, registry=registry, proof=proof)
    if found.state not in ("ours", "older", "refused") and (why := why_not_claimed(path)):
        return Belonging("refused", why)
    if found.state in ("proved", "unknown"):
        mounts = mounts_of(all_containers(socket))
        return whose(path, platform, seen, ids=ids, mounts=mounts, registry=registry, proof=proof)
    return found


def to_claim(paths: Iterable[str], platform: str, ids: Sequence[str] = ()) -> list[str]:
    """The folders that are to become the platform's by a marker; raises ``PlatformError`` for one that may not."""
    claims = []
    for path in paths:
        found = whose_is(path, platform, ids=ids)
        if found.is_refused:
            raise PlatformError(f"{path} {found.why}; {found.cure(path, platform)}")
        if found.state != "ours":
            claims.append(path)
    return claims


def claim(path: str, platform: str, ids: Sequence[str] = ()) -> None:
    """Make a folder the platform's, and the folder itself where it is missing (0755)."""
    if not os.path.isdir(path):
        files.make_directory(path, Ownership(0o755))
    marker = os.path.join(path, MARKER)
    files.install(files.stage(ConfigFile(marker, marker_text(platform, own_id(ids)), Ownership(0o644))), marker)


def mounted_below(path: str) -> list[str]:
    """Where other filesystems are mounted below a folder of the platform's, but not in what is left to the operator."""
    root = os.path.realpath(path)
    with open(MOUNTS, encoding="utf-8") as file:
        # A space, a tab and a backslash are written by their octal codes (man 5 proc).
        points = [re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[4]) for line in file]
    kept = tuple(os.path.join(root, name) + "/" for name in OPERATORS)
    return sorted({one for one in points if one.startswith(root + "/") and not f"{one}/".startswith(kept)})


def remove(path: str) -> None:
    """Remove one of the platform's folders, but not what an operator laid into it.

    The marker goes last: what a killed run leaves is known as the platform's.
    """
    kept = False
    for name in sorted(os.listdir(path)):
        if name == MARKER:
            continue
        if name in OPERATORS:
            kept = True
        else:
            files.remove(os.path.join(path, name))
    files.remove(os.path.join(path, MARKER))
    if not kept:
        files.remove_empty(path)


def _marker(path: str) -> str | None:
    state = files.read_state(os.path.join(path, MARKER), BYTES_MAX)
    if state.kind == "absent":
        return None
    return (state.content or "") if state.kind == "file" else ""


def record(path: str) -> str:
    """The text of a file in a folder that a platform has marked; '' where there is none."""
    if not _marker(os.path.dirname(path)):
        return ""
    return files.read_state(path, BYTES_MAX).content or ""


def _registry_logins(path: str) -> tuple[str, ...]:
    state = files.read_state(os.path.join(path, "registry-client", "config.json"), BYTES_MAX)
    try:
        return tuple(json.loads(state.content or "{}").get("auths") or {})
    except (ValueError, AttributeError, TypeError):
        return ()
