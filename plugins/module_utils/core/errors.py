# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception that crosses layers."""

from __future__ import annotations

from typing import Any


class PlatformError(Exception):
    """A failure with a message for the operator.

    ``message`` says what is wrong, naming the thing, its value and the cure. ``details`` are extra keys of the
    module's result (plain JSON types, no secret).
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
