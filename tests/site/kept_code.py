# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes time to make, kept in a folder for other processes."""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Callable
from typing import Any


def kept(folder: str, source: bytes, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, code mostly; from the folder, where it was made of the same source before."""
    file = os.path.join(folder, hashlib.sha256(source).hexdigest())
    try:
        with open(file, "rb") as found:
            return marshal.loads(found.read())
    except FileNotFoundError:
        pass
    made = make()
    unfinished = f"{file}.{os.getpid()}"
    with open(unfinished, "wb") as found:
        found.write(marshal.dumps(made))
    os.replace(unfinished, file)
    return made
