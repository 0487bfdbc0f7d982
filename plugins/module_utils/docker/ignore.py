# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a ``.dockerignore`` leaves of a build's context. Layer: docker.

Patterns are matched by the Docker SDK for Python. Its own walk leaves out what ``!**/*.js`` brings back below a folder
that is ignored; here the engine's rule holds (moby/patternmatcher, MatchesUsingParentResults): what a pattern says of a
folder it says of all below, and the last pattern that matches decides.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

with suppress(ImportError):
    from docker.utils.build import Pattern


class Ignored:
    """``folder``: the context's, with its ``.dockerignore`` where it has one. The engine builds by the Dockerfile."""

    def __init__(self, folder: str) -> None:
        lines = [*_lines(os.path.join(folder, ".dockerignore")), "!Dockerfile"]
        try:
            self._patterns = [pattern for pattern in map(Pattern, lines) if pattern.dirs]
        except NameError:
            raise PlatformError("the Docker SDK for Python is missing on the controller: pip install docker") from None
        # Without one, nothing below a folder that is ignored comes back.
        self._brings_back = any(pattern.exclusion for pattern in self._patterns[:-1])

    def rest(self, folder: str, at: str = "") -> Iterator[str]:
        """Paths below a folder that are not ignored. ``at``: where the folder is in the context, with a slash."""
        return self._below(folder, "", at, [False] * len(self._patterns))

    def _below(self, folder: str, under: str, at: str, above: list[bool]) -> Iterator[str]:
        """``above``: which patterns match the folder ``under``, or one that it is in."""
        for name in sorted(os.listdir(os.path.join(folder, under))):
            path = os.path.join(under, name)
            matching = [found or pattern.match(at + path) for found, pattern in zip(above, self._patterns, strict=True)]
            last = next((one for one, match in zip(self._patterns[::-1], matching[::-1], strict=True) if match), None)
            ignored = last is not None and not last.exclusion
            if not ignored:
                yield path
            full = os.path.join(folder, path)
            if os.path.isdir(full) and not os.path.islink(full) and (not ignored or self._brings_back):
                yield from self._below(folder, path, at, matching)


def _lines(file: str) -> list[str]:
    if not os.path.exists(file):
        return []
    with open(file, encoding="utf-8") as lines:
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
