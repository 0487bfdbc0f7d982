# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Env files and the volumes that deliver them. Pure.

An env volume is named ``<app>_env_<version>``; the version stands for what it holds, so a volume never changes. A node
that holds it completely carries the node label ``fungap.env.<app>.<version>=ready``: that label is the only marker.
Volume labels tell whose volume it is and what was checked when it was made; no key and no value of the env file stands
in any label.
"""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import plain_digest, secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

APP_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")
VERSION = re.compile(r"[0-9a-f]{12}\Z")
READY = "ready"
# Docker knows no user or group above it.
ID_MAX = 2**31 - 1
# Of an env file, where nobody says otherwise.
MODE = "0600"
LABEL_APP = "io.fungap.app"
LABEL_HELPER = "io.fungap.helper"
LABEL_VERSION = "io.fungap.env.version"
LABEL_OWNER = "io.fungap.env.owner"
LABEL_MODE = "io.fungap.env.mode"
LABEL_USER = "io.fungap.env.user"
LABEL_IMAGE = "io.fungap.env.image"
LABEL_TARGET = "io.fungap.env.target"
LABEL_CREATED = "io.fungap.env.created"
_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=(.*)", re.DOTALL)
_NAMES_SHOWN = 10
# What the kernel mounts: nothing of the image is seen there.
_KERNEL_FOLDERS = ("/dev", "/proc", "/sys")


def parse_env(text: str) -> dict[str, str]:
    """Return the keys of an env file with their values as they stand (quotes and blanks kept).

    A line is ``KEY=VALUE`` (``export`` may stand before it), a comment that starts with ``#``, or blank; it ends with
    LF or CRLF. Raises ``PlatformError`` with the number of the line and never its value; ``details`` has ``line``.
    """
    values: dict[str, str] = {}
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if "\0" in line:
            raise PlatformError(
                f"line {number} of the env file contains a NUL character: save it as plain text", line=number
            )
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(line[:-1] if line.endswith("\r") else line)
        if not match:
            raise PlatformError(
                f"line {number} of the env file is neither KEY=VALUE nor a comment nor blank"
                + (" (it starts with a byte order mark: save it as UTF-8 without one)" if line[0] == "\ufeff" else ""),
                line=number,
            )
        key = match[1]
        if key in seen:
            raise PlatformError(
                f"line {number} of the env file sets {key} again (first on line {seen[key]}): keep one", line=number
            )
        seen[key] = number
        values[key] = match[2]
    return values


@dataclass(frozen=True)
class Owner:
    """Numeric owner of the env file."""

    uid: int = 0
    gid: int = 0

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"

    @classmethod
    def parse(cls, text: str) -> Owner:
        """``uid`` or ``uid:gid``."""
        uid, _colon, gid = text.partition(":")
        if not re.fullmatch(r"[0-9]{1,10}(:[0-9]{1,10})?", text) or max(int(uid), int(gid or 0)) > ID_MAX:
            raise PlatformError(f"owner {text!r} is not numeric: write uid or uid:gid, as in 1000:1000")
        return cls(int(uid), int(gid or 0))


def check_mode(mode: str) -> str:
    """Return the mode of an env file; raise when it isn't octal digits with a zero before them."""
    if not re.fullmatch(r"0[0-7]{3}", mode):
        raise PlatformError(f"mode {mode!r} must be a zero and three octal digits in quotes, as '0640'")
    return mode


def owner_of_user(user: str, passwd: str | None = None) -> Owner | None:
    """Who a container with this user runs as (an image's ``USER``, a service's ``user``).

    None when ``passwd`` (/etc/passwd's text) must tell. Only the user decides who may read a file with mode 0600, so a
    group given by name counts as the user's own.
    """
    name, _colon, group = user.partition(":")
    if not name:
        return Owner()
    if name.isdigit():
        return Owner(int(name), int(group) if group.isdigit() else 0)
    if passwd is None:
        return None
    for line in passwd.splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 3 and fields[2].isdigit():
            gid = group if group.isdigit() else fields[3]
            return Owner(int(fields[2]), int(gid) if gid.isdigit() else 0)
    raise PlatformError(
        f"the container runs as user {name!r}, who is not in the image's /etc/passwd: give `owner` (env_owner of an "
        "app) as uid:gid"
    )


def env_version(content: bytes, owner: Owner, file_name: str = ".env", mode: str = MODE) -> str:
    """What the volume holds, as ``secret_digest`` has it.

    It is that of the content, as long as the file is root's and its name is .env; else owner and name count as well,
    and so does another mode.
    """
    return secret_digest(_versioned(content, owner, file_name, mode))


def _versioned(content: bytes, owner: Owner, file_name: str, mode: str) -> bytes:
    told = b""
    if (owner, file_name) != (Owner(), ".env"):
        told += f"\0{owner} {file_name}".encode()
    if int(mode, 8) != int(MODE, 8):
        told += f"\0{int(mode, 8):o}".encode()
    return content + told


@dataclass(frozen=True)
class EnvFile:
    """An env file as it lies in a volume."""

    name: str
    content: bytes = field(repr=False)
    owner: Owner
    mode: str = MODE

    @property
    def version(self) -> str:
        """What its volume is named by."""
        return env_version(self.content, self.owner, self.name, self.mode)

    def is_version(self, version: str) -> bool:
        """Whether a volume of this name is to hold it. Versions before 0.2 of the collection took the plain digest."""
        return version in (self.version, plain_digest(_versioned(self.content, self.owner, self.name, self.mode)))

    def tar(self, mtime: int) -> bytes:
        """A tar with this file in it. ``mtime``: Unix time."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo(self.name)
            entry.size, entry.mode, entry.mtime = len(self.content), int(self.mode, 8), mtime
            entry.uid, entry.gid = self.owner.uid, self.owner.gid
            archive.addfile(entry, io.BytesIO(self.content))
        return buffer.getvalue()


def files_in(archive: bytes) -> list[EnvFile]:
    """The files of a tar, without their folders' names."""
    files = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for entry in tar:
            file = tar.extractfile(entry) if entry.isfile() else None
            if file is not None:
                name, mode = posixpath.basename(entry.name), f"{entry.mode & 0o7777:04o}"
                files.append(EnvFile(name, file.read(), Owner(entry.uid, entry.gid), mode))
    return files


def volume_name(app: str, version: str) -> str:
    """The volume's name on every node."""
    return f"{app}_env_{version}"


def node_label(app: str, version: str) -> str:
    """The node label that says that a node holds this version completely."""
    return f"fungap.env.{app}.{version}"


def labelled_versions(app: str, labels: Mapping[str, str]) -> frozenset[str]:
    """The versions that a node's labels call ready."""
    prefix = node_label(app, "")
    return frozenset(
        key[len(prefix) :]
        for key, value in labels.items()
        if key.startswith(prefix) and value == READY and VERSION.match(key[len(prefix) :])
    )


@dataclass(frozen=True)
class EnvVolume:
    """One env volume on one node. ``managed``: made by this collection, not by an engine that missed a volume.

    ``user``: what the owner was given by; empty: the image's own user.
    """

    version: str
    created: str = ""
    owner: str = ""
    image: str = ""
    target: str = ""
    managed: bool = True
    mode: str = MODE
    user: str = ""

    def labels(self, app: str) -> dict[str, str]:
        """The volume's labels."""
        labels = {
            LABEL_APP: app,
            LABEL_VERSION: self.version,
            LABEL_CREATED: self.created,
            LABEL_OWNER: self.owner,
            LABEL_IMAGE: self.image,
            LABEL_TARGET: self.target,
            LABEL_MODE: "" if self.mode == MODE else self.mode,
            LABEL_USER: self.user,
        }
        return {key: value for key, value in labels.items() if value}


def env_volumes(app: str, volumes: Iterable[Mapping[str, Any]]) -> dict[str, EnvVolume]:
    """The app's env volumes by version, from the engine's list of volumes."""
    prefix = volume_name(app, "")
    found = {}
    for volume in volumes:
        version = str(volume["Name"])[len(prefix) :]
        if not str(volume["Name"]).startswith(prefix) or not VERSION.match(version):
            continue
        labels = volume.get("Labels") or {}
        found[version] = EnvVolume(
            version=version,
            created=labels.get(LABEL_CREATED, volume.get("CreatedAt") or ""),
            owner=labels.get(LABEL_OWNER, ""),
            image=labels.get(LABEL_IMAGE, ""),
            target=labels.get(LABEL_TARGET, ""),
            managed=labels.get(LABEL_APP) == app and labels.get(LABEL_VERSION) == version,
            mode=labels.get(LABEL_MODE, MODE),
            user=labels.get(LABEL_USER, ""),
        )
    return found


@dataclass(frozen=True)
class EnvMount:
    """A service that mounts an env volume (or did before its last update)."""

    service: str
    image: str
    target: str
    version: str


def env_mounts(app: str, services: Iterable[Mapping[str, Any]]) -> list[EnvMount]:
    """Which services refer to which version, in their spec or in the one they would roll back to."""
    prefix = volume_name(app, "")
    mounts = []
    for service in services:
        for key in ("Spec", "PreviousSpec"):
            container = ((service.get(key) or {}).get("TaskTemplate") or {}).get("ContainerSpec") or {}
            for mount in container.get("Mounts") or []:
                source = str(mount.get("Source") or "")
                if source.startswith(prefix) and VERSION.match(source[len(prefix) :]):
                    mounts.append(
                        EnvMount(
                            service=str(service["Spec"].get("Name") or ""),
                            image=str(container.get("Image") or ""),
                            target=str(mount.get("Target") or ""),
                            version=source[len(prefix) :],
                        )
                    )
    return mounts


# What repositories keep in a folder that is empty otherwise.
PLACEHOLDERS = frozenset({".gitkeep", ".keep", ".gitignore", ".env.example", ".env.sample", ".env.template"})


def check_target(target: str) -> str:
    """Return the folder in the container; raise when a volume can't sensibly be mounted there."""
    if not target.startswith("/") or posixpath.normpath(target) != target or target.startswith("//"):
        raise PlatformError(f"target {target!r} must be an absolute path without '.', '..', '//' or a slash at its end")
    if target == "/":
        raise PlatformError("target '/' would hide the whole image: give the env file a folder of its own")
    if any(target == folder or target.startswith(folder + "/") for folder in _KERNEL_FOLDERS):
        raise PlatformError(
            f"target {target!r} lies in a folder that the kernel provides: give the env file a folder of its own"
        )
    return target


def check_names(app: str, file_name: str) -> None:
    """Raise when the app's or the file's name can't be part of a volume's name or a path."""
    if not APP_NAME.match(app):
        raise PlatformError(
            f"app {app!r} must be lower case letters, digits and '-', start with a letter, at most 40 characters"
        )
    if not FILE_NAME.match(file_name) or file_name in (".", ".."):
        raise PlatformError(f"file_name {file_name!r} must be the plain name of a file, without a folder")


def is_placeholder(path: str, size: int) -> bool:
    """Whether a file is there only so that its folder is, or as an example. ``size``: in bytes."""
    name = posixpath.basename(path)
    return name in PLACEHOLDERS or (name == ".env" and size == 0)


def hidden_by_mount(entries: Sequence[tuple[str, bool]], file_name: str) -> list[str]:
    """What a mount would hide: of a folder's entries (path within it, whether a folder) all but the env file itself.

    Folders count when nothing else in the list lies in them ("uploads/").
    """
    paths = [(path.strip("/"), is_folder) for path, is_folder in entries if path.strip("/") not in ("", ".")]
    parents = {posixpath.dirname(path) for path, _is_folder in paths}
    return [
        path + ("/" if is_folder else "")
        for path, is_folder in paths
        if path != file_name and not (is_folder and path in parents)
    ]


def refusal(target: str, image: str, hidden: Sequence[str], *, complete: bool) -> PlatformError:
    """The error for a target with something in it. ``complete``: the list is; else reading was stopped early."""
    count = f"{len(hidden)}" if complete else f"more than {len(hidden)}"
    shown = ", ".join(hidden[:_NAMES_SHOWN]) + (", ..." if len(hidden) > _NAMES_SHOWN else "")
    return PlatformError(
        f"a volume mounted on {target} would hide {count} file(s) of image {image}: {shown}. Those of every later "
        "image would stay hidden, too. Give the env file a folder of its own, as "
        f"{posixpath.join(target, 'env')}, and let the app read it there",
        hidden=list(hidden[:_NAMES_SHOWN]),
        hidden_count=len(hidden),
    )
