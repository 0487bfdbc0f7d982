"""The token for what needs a quiet machine. It is held by one such test, or by any number of others together.

Who asks for quiet waits for those that compute; who comes later waits for it. Tests that are idle need no token.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


class Token:
    """One process' hold on it. ``folder``: where the two lock files of all processes lie."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._door, self._room = folder / "quiet.door", folder / "quiet.room"
        self._held: IO[str] | None = None
        self.is_quiet = False

    @property
    def is_held(self) -> bool:
        return self._held is not None

    def take(self, *, quiet: bool) -> None:
        """Take it, alone or together with others; at once where this process has it so."""
        if self.is_held and self.is_quiet == quiet:
            return
        self.give_back()
        # Who waits for the room stands in the door, so that nobody overtakes.
        with self._door.open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            self._held = self._room.open("w")
            fcntl.flock(self._held, fcntl.LOCK_EX if quiet else fcntl.LOCK_SH)
        self.is_quiet = quiet

    def give_back(self) -> None:
        if self._held:
            self._held.close()
        self._held = None
