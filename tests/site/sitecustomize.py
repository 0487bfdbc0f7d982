# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For each Python of the tests: compiled code of modules, kept for the next module, and a collector that looks rarely.

Ansible sends each module as an archive of sources, and Python compiles an archive's sources anew in each process: a
third of what a module costs. With this file on PYTHONPATH, Python looks up what it has compiled before, by the source's
hash. What Ansible and its modules allocate in their short lives is a tenth of their time, if it is looked through for
cycles each 700 objects.
"""

from __future__ import annotations

import gc
import os
import sys
import zipimport

from kept_code import kept

CACHE = "FUNGAP_TEST_CODE"


def keep_code(folder: str) -> None:
    """Have zipimport keep the code that it compiles in a folder, and take it from there."""
    compile_source = zipimport._compile_source  # type: ignore[attr-defined]  # Python's own, without a type

    def look_up(path: str, source: bytes) -> object:
        return kept(folder, source, lambda: compile_source(path, source))

    zipimport._compile_source = look_up  # type: ignore[attr-defined]  # as above


gc.set_threshold(50_000, 20, 20)
if CACHE in os.environ:
    # Marshalled code is for one version of Python.
    place = os.path.join(os.environ[CACHE], sys.implementation.cache_tag or "")
    if os.path.isdir(place):
        keep_code(place)
