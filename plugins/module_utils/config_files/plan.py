# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done so that a host's configuration files are the wanted ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import (
    SECRET_TEXT,
    AfterChange,
    ConfigFile,
    ConfigSet,
    Ownership,
    PathState,
    is_within,
    marker_path,
)
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import Belonging


@dataclass(frozen=True)
class Claim:
    """Make a folder the platform's, by a marker; before anything else is put into it."""

    path: str
    platform: str
    proof: str = ""
    marker: str = ""

    def __str__(self) -> str:
        because = f": {self.proof}" if self.proof else ""
        return f"mark {self.path} as platform {self.platform}'s{because}"


@dataclass(frozen=True)
class MakeDirectory:
    """Create a directory, and its missing parents with mode 0755."""

    path: str
    ownership: Ownership

    def __str__(self) -> str:
        return f"create directory {self.path}"


@dataclass(frozen=True)
class WriteFile:
    """Put a whole new file in the place of what is there."""

    file: ConfigFile

    def __str__(self) -> str:
        return f"write {self.file.path}"


@dataclass(frozen=True)
class SetOwnership:
    """Change mode or owner only."""

    path: str
    ownership: Ownership

    def __str__(self) -> str:
        return f"set {self.ownership} on {self.path}"


@dataclass(frozen=True)
class Remove:
    """Remove a file, or a directory with what is in it."""

    path: str

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class RunCommand:
    """Run the command that belongs to a change."""

    after_change: AfterChange

    def __str__(self) -> str:
        return f"run {' '.join(self.after_change.command)}"


Action: TypeAlias = "Claim | MakeDirectory | WriteFile | SetOwnership | Remove | RunCommand"


def plan_files(
    wanted: ConfigSet, found: Mapping[str, PathState], belongings: Mapping[str, Belonging] | None = None
) -> list[Action]:
    """The actions, in order. ``found`` holds every path of ``wanted.paths``.

    ``belongings``: whose the platform's folders are that don't have the marker as it is written today.
    """
    actions: list[Action] = [*_claims(wanted, found, belongings or {}), *_directories(wanted, found)]
    for file in wanted.files:
        state = found[file.path]
        if state.kind == "directory":
            raise PlatformError(f"{file.path} is a directory: a file is wanted there; remove it by hand")
        if state.kind != "file" or state.content != file.content:
            actions.append(WriteFile(file))
        elif not _is_owned(state, file.ownership):
            actions.append(SetOwnership(file.path, file.ownership))
    for path in wanted.absent:
        if found[path].kind == "directory" and not wanted.is_own(path):
            raise PlatformError(f"{path} is a folder, and not one of the platform's (own_folders): remove it by hand")
        if found[path].kind != "absent":
            actions.append(Remove(path))
    after_change = wanted.after_change
    if after_change and (actions or found[after_change.marker].kind != "absent"):
        actions.append(RunCommand(after_change))
    return actions


def unmarked(wanted: ConfigSet, found: Mapping[str, PathState]) -> list[str]:
    """The platform's folders without the marker that is written today: somebody has to find out whose they are."""
    return [
        folder
        for folder in wanted.own_folders
        if found[folder].kind != "directory" or found[marker_path(folder)].content != wanted.marker
    ]


def proof(wanted: ConfigSet, found: Mapping[str, PathState], folder: str) -> str:
    """Why a folder without a marker is the platform's: it has a file that nobody else writes with this content."""
    for file in wanted.files:
        if file.content and is_within(file.path, folder) and found[file.path].content == file.content:
            return f"{file.path} is as this platform writes it"
    return ""


def _claims(wanted: ConfigSet, found: Mapping[str, PathState], belongings: Mapping[str, Belonging]) -> Sequence[Claim]:
    claims = []
    put = [*(file.path for file in wanted.files), *(directory.path for directory in wanted.directories)]
    for folder in unmarked(wanted, found):
        absent = [found[path].kind == "absent" for path in wanted.absent if is_within(path, folder)]
        if absent and all(absent) and not any(is_within(path, folder) for path in put):
            continue  # things are to be taken out of it alone, and are not there
        belonging = belongings.get(folder, Belonging("missing"))
        if belonging.is_refused:
            raise PlatformError(f"{folder} {belonging.why}; {belonging.cure(folder, wanted.platform)}")
        if belonging.state != "ours":
            claims.append(Claim(folder, wanted.platform, belonging.why, wanted.marker))
    return claims


def _directories(wanted: ConfigSet, found: Mapping[str, PathState]) -> list[Action]:
    ownerships = {item.path: item.ownership for item in wanted.directories}
    for file in wanted.files:
        parent = os.path.dirname(file.path)
        if found[parent].kind == "absent":
            ownerships.setdefault(parent, Ownership(0o755))
    actions: list[Action] = []
    for path in sorted(ownerships):
        state = found[path]
        if state.kind == "absent":
            actions.append(MakeDirectory(path, ownerships[path]))
        elif state.kind != "directory":
            raise PlatformError(f"{path} is not a directory: one is wanted there; remove it by hand")
        elif not _is_owned(state, ownerships[path]):
            if not wanted.is_own(path):
                found_one = _found_ownership(state, ownerships[path])
                raise PlatformError(
                    f"{path} has {found_one}, wanted is {ownerships[path]}. It is not one of the platform's folders "
                    "(own_folders): set it by hand, or want it as it is"
                )
            actions.append(SetOwnership(path, ownerships[path]))
    return actions


def _is_owned(state: PathState, ownership: Ownership) -> bool:
    return (
        state.mode == ownership.mode
        and ownership.owner in (None, state.owner, state.owner_id)
        and ownership.group in (None, state.group, state.group_id)
    )


def changed_files(wanted: ConfigSet, actions: Sequence[Action]) -> list[str]:
    """Paths of what the actions write, re-own or remove, the wanted directories left out."""
    directories = {directory.path for directory in wanted.directories}
    paths = []
    for action in actions:
        if isinstance(action, WriteFile):
            paths.append(action.file.path)
        elif isinstance(action, SetOwnership | Remove) and action.path not in directories:
            paths.append(action.path)
    return paths


def describe(found: Mapping[str, PathState], actions: Sequence[Action]) -> tuple[str, str]:
    """Text before and after, of what changes only; a secret file's content is never part of it."""
    before: list[str] = []
    after: list[str] = []
    for action in actions:
        if isinstance(action, Claim):
            after.append(f"# {marker_path(action.path)}: {Ownership(0o644)}\n{action.marker}")
        elif isinstance(action, MakeDirectory):
            after.append(f"# {action.path}/: {action.ownership}\n")
        elif isinstance(action, WriteFile):
            file = action.file
            state = found[file.path]
            if state.kind != "absent":
                before.append(_found_text(file.path, state, file.ownership, secret=file.secret))
            text = SECRET_TEXT.replace(")", ", new)") if file.secret else file.content
            after.append(_text(file.path, file.ownership, text))
        elif isinstance(action, SetOwnership):
            state = found[action.path]
            before.append(f"# {action.path}: {_found_ownership(state, action.ownership)}\n")
            after.append(f"# {action.path}: {action.ownership}\n")
        elif isinstance(action, Remove):
            state = found[action.path]
            # Whether a file that leaves was a secret is not known here: only its name is shown.
            before.append(f"# {action.path}: {state.kind}\n")
    return "".join(before), "".join(after)


def _found_ownership(state: PathState, wanted: Ownership) -> Ownership:
    return Ownership(
        state.mode, state.owner if wanted.owner is not None else None, state.group if wanted.group is not None else None
    )


def _found_text(path: str, state: PathState, wanted: Ownership, *, secret: bool) -> str:
    # What was readable by root alone may have been a secret under another description of the file.
    hidden = secret or not state.mode & 0o077
    if state.kind != "file":
        return f"# {path}: no regular file\n"
    if hidden:
        return _text(path, _found_ownership(state, wanted), SECRET_TEXT)
    return _text(path, _found_ownership(state, wanted), "(binary)\n" if state.content is None else state.content)


def _text(path: str, ownership: Ownership, content: str) -> str:
    return f"# {path}: {ownership}\n{content}" + ("" if content.endswith("\n") or not content else "\n")
