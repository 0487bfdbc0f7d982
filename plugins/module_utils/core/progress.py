# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a module that takes its time leaves word for whoever follows it (``plugin_utils/background.py``)."""

from __future__ import annotations

import os


class Progress:
    """A file with the last word; nothing without a ``path``."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._told = ""

    def tell(self, text: str) -> None:
        """Replace the last word. The same again is not written."""
        if self._path and text != self._told:
            # Two runs may wait for the same lock, and tell so at the same moment.
            unfinished = f"{self._path}.{os.getpid()}.new"
            with open(unfinished, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(unfinished, self._path)
            self._told = text
