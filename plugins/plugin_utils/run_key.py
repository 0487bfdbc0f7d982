# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A key of this run of Ansible, for digests that only this run can compare."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

NAME = "fungap-digest-key"


def run_key(folder: str) -> str:
    """The key, made by whoever asks first.

    ``folder``: Ansible's own temporary folder (``DEFAULT_LOCAL_TMP``), which the processes of a run share, which is its
    user's alone, and which goes when the run ends.
    """
    path = os.path.join(folder, NAME)
    if not os.path.exists(path):
        unfinished = f"{path}.{os.getpid()}"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # another process was faster, and its key is the run's
            os.link(unfinished, path)
        os.unlink(unfinished)
    with open(path, encoding="ascii") as file:
        return file.read()
