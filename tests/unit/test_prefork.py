# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The callback that loads once what each task's process needs."""

from __future__ import annotations

import gc
import sys

from ansible_collections.fungap.swarm.plugins.callback.prefork import CallbackModule


def test_what_a_tasks_process_needs_is_there_before_it_is_forked() -> None:
    before = gc.get_freeze_count()
    try:
        CallbackModule().v2_playbook_on_play_start(None)
        assert gc.get_freeze_count() > before
        for kind in ("filter", "test"):
            assert any(name.startswith(f"ansible.plugins.{kind}.core") for name in sys.modules)
    finally:
        gc.unfreeze()
