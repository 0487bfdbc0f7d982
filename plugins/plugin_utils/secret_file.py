# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what ``platform_secrets`` keeps, or a person's own file in its place."""

from __future__ import annotations

from typing import Any


def read_secret(loader: Any, path: str) -> str:
    """A secret file's text without white space at its end; Ansible Vault is decrypted. ``loader``: Ansible's."""
    content: bytes = loader._get_file_contents(path)[0]
    return bytes(content).decode().rstrip()
