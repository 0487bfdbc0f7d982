# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
name: folder_files
short_description: Read all text files of a folder on the controller
version_added: 1.0.0
description:
  - Returns the files of a folder and of those below it, as O(fungap.swarm.config_files#module:files) takes them, all of
    them secret. What Ansible Vault has encrypted stays so.
  - Folders of version control are left out. What is linked is there as if it were no link.
  - A folder that isn't there has no files.
options:
  _terms:
    description: Absolute paths of folders.
    type: list
    elements: str
    required: true
  target:
    description: The folder that the files are to be in.
    type: str
    required: true
  owner:
    description: User and group, by number, that they are to belong to.
    type: str
    required: true
  exclude:
    description: Patterns, as a shell's, for relative paths that are left out, with all that is in them.
    type: list
    elements: str
    default: []
author:
  - The fungap.swarm authors (@fungap)
"""

EXAMPLES = r"""
- name: Bring the inventory to where it is used
  fungap.swarm.config_files:
    files: "{{ query('fungap.swarm.folder_files', inventory_dir, target='/srv/inventory', owner='1000') }}"
"""

RETURN = r"""
_raw:
  description: The files.
  type: list
  elements: dict
"""

import fnmatch
import os
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

BYTES_MAX = 1_000_000
VERSION_CONTROL = (".git", ".hg", ".svn")


class LookupModule(LookupBase):
    """``fungap.swarm.folder_files``."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        target, owner, exclude = (self.get_option(name) for name in ("target", "owner", "exclude"))
        return [
            {
                "path": f"{target}/{name}",
                "content": content,
                "mode": "0600",
                "owner": owner,
                "group": owner,
                "secret": True,
            }
            for folder in terms
            for name, content in read_folder(folder, exclude).items()
        ]


def read_folder(folder: str, exclude: list[str]) -> dict[str, str]:
    """Relative path -> content of each file, sorted; AnsibleError for one that can't be a part."""
    return {name: _read(os.path.join(folder, name)) for name in sorted(_names(folder, exclude))}


def _names(folder: str, exclude: list[str]) -> Iterator[str]:
    """Relative paths of the files."""
    walked: set[str] = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        # A link to a folder above would lead round and round.
        walked.add(os.path.realpath(path))
        below = os.path.relpath(path, folder)

        def kept(name: str, below: str = below) -> bool:
            relative = os.path.normpath(os.path.join(below, name))
            return name not in VERSION_CONTROL and not any(fnmatch.fnmatch(relative, pattern) for pattern in exclude)

        folders[:] = [
            name for name in folders if kept(name) and os.path.realpath(os.path.join(path, name)) not in walked
        ]
        yield from (os.path.normpath(os.path.join(below, name)) for name in files if kept(name))


def _read(path: str) -> str:
    try:
        if os.path.getsize(path) > BYTES_MAX:
            raise AnsibleError(
                f"{path} is too big for a part of an inventory: over {BYTES_MAX} bytes; keep it elsewhere"
            )
        with open(path, "rb") as file:
            return file.read().decode()
    except UnicodeDecodeError as error:
        raise AnsibleError(f"{path} is no text, and can't be a part of an inventory: keep it elsewhere") from error
    except OSError as error:
        raise AnsibleError(f"cannot read {path}: {error.strerror}") from error
