# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small configuration files of one host: what is wanted, and what was found."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import MARKER, marker_text, own_id

SECRET_TEXT = "(secret, not shown)\n"
_MODE = re.compile(r"0[0-7]{3,4}")
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Ownership:
    """Mode and owner. ``None`` leaves what is there (a new file gets the process's own)."""

    mode: int
    owner: str | None = None
    group: str | None = None

    def __str__(self) -> str:
        words = [f"mode {self.mode:04o}"]
        words += [f"owner {self.owner}"] if self.owner else []
        words += [f"group {self.group}"] if self.group else []
        return ", ".join(words)


@dataclass(frozen=True)
class ConfigFile:
    """One wanted file. ``validate``: a command with ``%s`` where the new file's path goes."""

    path: str
    content: str
    ownership: Ownership
    validate: str | None = None
    secret: bool = False


@dataclass(frozen=True)
class ConfigDirectory:
    """One wanted directory."""

    path: str
    ownership: Ownership


@dataclass(frozen=True)
class AfterChange:
    """A command that has to run once whenever something changed.

    ``marker``: a file that stands from before the first change until the command ended well, so that a run killed in
    between is completed by the next one.
    """

    command: tuple[str, ...]
    marker: str


@dataclass(frozen=True)
class ConfigSet:
    """All that one module call installs. ``own_folders``: what it installs for ``platform`` lies in them.

    ``platform_ids``: the platform's own, and those that it replaces.
    """

    files: tuple[ConfigFile, ...] = ()
    directories: tuple[ConfigDirectory, ...] = ()
    absent: tuple[str, ...] = ()
    after_change: AfterChange | None = None
    platform: str = ""
    own_folders: tuple[str, ...] = ()
    platform_ids: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path whose state decides what is to be done."""
        wanted = [directory.path for directory in self.directories] + [file.path for file in self.files]
        parents = [os.path.dirname(file.path) for file in self.files]
        marker = [self.after_change.marker] if self.after_change else []
        own = [path for folder in self.own_folders for path in (folder, marker_path(folder))]
        return tuple(dict.fromkeys([*own, *parents, *wanted, *self.absent, *marker]))

    @property
    def marker(self) -> str:
        """What is written into a folder of the platform's own."""
        return marker_text(self.platform, own_id(self.platform_ids))

    @property
    def known_contents(self) -> dict[str, str]:
        """The wanted content of each file, by its path."""
        markers = {marker_path(folder): self.marker for folder in self.own_folders}
        return {**markers, **{file.path: file.content for file in self.files}}

    def is_own(self, path: str) -> bool:
        """Whether a path is, or lies in, one of the platform's folders."""
        return any(is_within(path, folder) for folder in self.own_folders)


def marker_path(folder: str) -> str:
    return os.path.join(folder, MARKER)


def is_within(path: str, folder: str) -> bool:
    """Whether a path is a folder, or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


@dataclass(frozen=True)
class PathState:
    """What was found at a path. ``content``: of a regular file, ``None`` when it is not UTF-8 text.

    ``owner`` and ``group`` are names, or numbers as text where the host has no name for them; ``owner_id`` and
    ``group_id`` are the numbers, as text, always.
    """

    kind: Literal["absent", "file", "directory", "other"] = "absent"
    content: str | None = None
    mode: int = 0
    owner: str = ""
    group: str = ""
    owner_id: str = ""
    group_id: str = ""


def digested(state: PathState, key: str) -> dict[str, Any]:
    """A state as it travels: of the content a digest, which says nothing to those who lack the key.

    ``certificate``: the first one in the content, as PEM, or ''. It is no secret: whoever serves it shows it to all.
    """
    digest = "" if state.content is None else _digest(state.content, key)
    certificate = _CERTIFICATE.search(state.content or "")
    return {
        "kind": state.kind,
        "digest": digest,
        "certificate": certificate.group() + "\n" if certificate else "",
        "mode": state.mode,
        "owner": state.owner,
        "group": state.group,
        "owner_id": state.owner_id,
        "group_id": state.group_id,
    }


def as_seen(wanted: ConfigSet, trees: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, PathState] | None:
    """The states of all wanted paths by an earlier look (tree -> path -> ``digested``); None if it left one out.

    A content is known only where it is the wanted one. ``key``: the one that the digests were made with.
    """
    contents = wanted.known_contents
    found = {}
    for path in wanted.paths:
        tree = next((root for root in trees if is_within(path, root)), None)
        if tree is None:
            return None
        seen = trees[tree].get(path)
        if seen is None:
            found[path] = PathState()
            continue
        content = contents.get(path)
        same = content is not None and seen["digest"] == _digest(content, key)
        found[path] = PathState(
            seen["kind"],
            content if same else None,
            seen["mode"],
            seen["owner"],
            seen["group"],
            seen["owner_id"],
            seen["group_id"],
        )
    return found


def _digest(content: str, key: str) -> str:
    return hmac.new(key.encode(), content.encode(), "sha256").hexdigest()


def parse_config_set(params: Mapping[str, Any]) -> ConfigSet:
    """The module's parameters as a ``ConfigSet``; raises ``PlatformError`` naming path, value and cure."""
    secret_contents: Mapping[str, Any] = params.get("secret_contents") or {}
    files = tuple(_parse_file(item, secret_contents) for item in params.get("files") or ())
    directories = tuple(
        ConfigDirectory(_parse_path(item["path"]), _parse_ownership(item, default="0755"))
        for item in params.get("directories") or ()
    )
    absent = tuple(_parse_removable(path) for path in params.get("absent") or ())
    parents = [os.path.dirname(file.path) for file in files]
    platform, own_folders = _parse_own_folders(params, [*(directory.path for directory in directories), *parents])
    ids = tuple(str(one) for one in params.get("platform_ids") or ())
    config_set = ConfigSet(files, directories, absent, _parse_after_change(params), platform, own_folders, ids)
    _refuse_twice([*(file.path for file in files), *(directory.path for directory in directories), *absent])
    unknown = sorted(set(secret_contents) - {file.path for file in files if file.secret})
    if unknown:
        raise PlatformError(f"secret_contents names {', '.join(unknown)}, which is no secret file of 'files'")
    return config_set


def _parse_own_folders(params: Mapping[str, Any], directories: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The platform and its folders: those named, and the directories that lie in none of them."""
    platform = params.get("platform") or ""
    folders = [_parse_path(path) for path in params.get("own_folders") or ()]
    if folders and not platform:
        raise PlatformError(f"own_folders is {', '.join(folders)}: say in 'platform' whose they are")
    for path in sorted(directories) if platform else ():
        if not any(is_within(path, folder) for folder in folders):
            folders.append(path)
    return platform, tuple(dict.fromkeys(folders))


def _parse_file(item: Mapping[str, Any], secret_contents: Mapping[str, Any]) -> ConfigFile:
    path = _parse_path(item["path"])
    secret = bool(item.get("secret"))
    content = secret_contents.get(item["path"]) if secret else item.get("content")
    if secret and item.get("content") is not None:
        raise PlatformError(f"the content of the secret file {path} goes into 'secret_contents'")
    if content is None:
        raise PlatformError(f"{path} has no content: give 'content', an empty string for an empty file")
    validate = item.get("validate")
    if validate and "%s" not in validate:
        raise PlatformError(f"validate of {path} is {validate!r}: put %s where the path of the new file goes")
    return ConfigFile(
        path, str(content), _parse_ownership(item, default="0600" if secret else "0644"), validate or None, secret
    )


def _parse_path(path: str) -> str:
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        raise PlatformError(f"{path!r} is not an absolute, plain path: no '..', no double or trailing slash")
    return path


def _parse_removable(path: str) -> str:
    if len([part for part in _parse_path(path).split("/") if part]) < 2:
        raise PlatformError(f"refusing to remove {path}: only paths at least two levels deep are removed")
    return path


def _parse_ownership(item: Mapping[str, Any], *, default: str) -> Ownership:
    mode = str(item.get("mode") or default)
    if not _MODE.fullmatch(mode):
        raise PlatformError(f"mode of {item['path']} is {mode!r}: write it as a quoted octal number such as '0644'")
    return Ownership(int(mode, 8), item.get("owner") or None, item.get("group") or None)


def _parse_after_change(params: Mapping[str, Any]) -> AfterChange | None:
    command: Sequence[str] = params.get("after_change") or ()
    marker = params.get("pending_marker")
    if not command:
        return None
    if not marker:
        raise PlatformError("'after_change' needs 'pending_marker', a path beside the files")
    return AfterChange(tuple(command), _parse_path(marker))


def _refuse_twice(paths: Sequence[str]) -> None:
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise PlatformError(f"named more than once: {', '.join(twice)}")
