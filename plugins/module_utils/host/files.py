# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file system of the machine a module runs on: reading states, replacing whole files atomically.

A file is written beside its place under one fixed temporary name, validated there and renamed: a reader sees the old
file or the new one, and a run that was killed leaves at most that one temporary file, which the next write re-uses.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import hashlib
import os
import pwd
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import ConfigFile, Ownership, PathState
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

TEMPORARY_SUFFIX = ".fungap-new"
# Of a file in a tree: images' archives may lie beside the configuration.
TREE_BYTES_MAX = 1_000_000


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PlatformError(f"cannot {doing}: {error.strerror or error}") from error


def read_state(path: str, bytes_max: int | None = None) -> PathState:
    """What is at ``path``; a symbolic link is not followed. A file of more than ``bytes_max`` is not read."""
    with _errors(f"read {path}"):
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return PathState()
        kind: str = "other"
        content: str | None = None
        if stat.S_ISDIR(status.st_mode):
            kind = "directory"
        elif stat.S_ISREG(status.st_mode):
            kind = "file"
            if bytes_max is None or status.st_size <= bytes_max:
                with open(path, "rb") as file, contextlib.suppress(UnicodeDecodeError):
                    content = file.read().decode()
        return PathState(
            kind,  # type: ignore[arg-type]
            content,
            stat.S_IMODE(status.st_mode),
            _name_of_user(status.st_uid),
            _name_of_group(status.st_gid),
            str(status.st_uid),
            str(status.st_gid),
        )


def read_tree(root: str) -> dict[str, PathState]:
    """The states of a file, or of a folder and all that lies in it, by path; nothing where there is nothing.

    Of a file that is larger than any configuration of ours there is no content.
    """
    found = {root: read_state(root, TREE_BYTES_MAX)}
    if found[root].kind == "absent":
        return {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            found[path] = read_state(path, TREE_BYTES_MAX)
    return found


def make_directory(path: str, ownership: Ownership) -> None:
    """Create a directory with its missing parents (0755)."""
    with _errors(f"create {path}"):
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            make_directory(parent, Ownership(0o755))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
    set_ownership(path, ownership)


def set_ownership(path: str, ownership: Ownership) -> None:
    """Set mode and owner."""
    with _errors(f"set {ownership} on {path}"):
        if ownership.owner or ownership.group:
            os.chown(path, _id_of_user(ownership.owner), _id_of_group(ownership.group))
        os.chmod(path, ownership.mode)


def stage(file: ConfigFile) -> str:
    """Write and validate the new file beside its place; return the temporary path."""
    directory, name = os.path.split(file.path)
    temporary = os.path.join(directory, f".{name}{TEMPORARY_SUFFIX}")
    with _errors(f"write {temporary}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(file.content.encode())
            stream.flush()
            os.fsync(stream.fileno())
    try:
        set_ownership(temporary, file.ownership)
        if file.validate:
            _validate(file, file.validate, temporary)
    except PlatformError:
        discard(temporary)
        raise
    return temporary


def _validate(file: ConfigFile, command: str, temporary: str) -> None:
    words = [word.replace("%s", temporary) for word in shlex.split(command)]
    code, output = run_command(words)
    if code:
        said = "its output is not shown, the file is a secret" if file.secret else output.strip()[-2000:]
        raise PlatformError(
            f"the new {file.path} is not valid and was not installed: {command!r} ended with {code}: {said}"
        )


def install(temporary: str, path: str) -> None:
    """Put a staged file into its place."""
    with _errors(f"replace {path}"):
        os.replace(temporary, path)
        sync_directory(os.path.dirname(path))


def rewrite(path: str, content: str) -> None:
    """Replace the content of a file that is there, and keep its mode and owner.

    What is a mount, as a container's own files are, can't be replaced: it is written in its place.
    """
    state = read_state(path)
    temporary = stage(ConfigFile(path, content, Ownership(state.mode, state.owner_id, state.group_id)))
    try:
        install(temporary, path)
    except PlatformError as error:
        discard(temporary)
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EBUSY:
            raise
        with _errors(f"write {path}"), open(path, "r+b") as file:
            file.write(content.encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())


def discard(temporary: str) -> None:
    """Remove a staged file that is not wanted after all."""
    with contextlib.suppress(OSError):
        os.unlink(temporary)


def remove(path: str) -> None:
    """Remove a file, a symbolic link, or a directory with what is in it."""
    with _errors(f"remove {path}"):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def remove_empty(path: str) -> None:
    """Remove a folder with nothing in it; one that others have put something into stays."""
    with _errors(f"remove {path}"):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                raise


def write_marker(path: str) -> None:
    """Create an empty file that survives a crash of the machine."""
    with _errors(f"write {path}"):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """Make renames and new names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(file: IO[bytes]) -> str:
    """The SHA-256 of what is left to read of a file."""
    found = hashlib.sha256()
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()


def run_command(words: Sequence[str], *, timeout_seconds: float = 60) -> tuple[int, str]:
    """Run a command without a shell; return its exit code (127: not there, 124: too slow) and all it said."""
    try:
        done = subprocess.run(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"no end within {timeout_seconds:g} s"
    except OSError as error:
        return 127, f"{words[0]}: {error.strerror}"
    return done.returncode, done.stdout.decode(errors="replace")


def _name_of_user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _name_of_group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _id_of_user(name: str | None) -> int:
    if name is None:
        return -1
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if name.isdigit():
            return int(name)
        raise PlatformError(f"there is no user {name!r} on this host") from None


def _id_of_group(name: str | None) -> int:
    if name is None:
        return -1
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if name.isdigit():
            return int(name)
        raise PlatformError(f"there is no group {name!r} on this host") from None
