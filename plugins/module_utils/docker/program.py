# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docker CLI: where it is looked for, and which one it is."""

from __future__ import annotations

import re


def search_path(path: str) -> str:
    """``PATH`` for the docker CLI, from a module's own, which may lack what a login shell has."""
    return ":".join([path, "/usr/local/bin", "/usr/bin", "/bin"])


def parse_version(text: str) -> str:
    """26.1.5 of what ``docker --version`` prints; '' when it says none."""
    found = re.search(r"version (\d+(?:\.\d+)*)", text)
    return found[1] if found else ""
