# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
name: phases
type: aggregate
short_description: Says where the time of a run went
version_added: 1.0.0
description:
  - At the end of a run, prints seconds per play, per role where a play has several, and the slowest tasks.
  - Says nothing where no task ran, and nothing into an output that is meant for machines (a stdout callback other than
    the default one).
author: The fungap.swarm authors (@fungap)
requirements:
  - enabled by C(callbacks_enabled = fungap.swarm.phases) in C(ansible.cfg)
options:
  slowest:
    description: How many of the slowest tasks to name.
    type: int
    default: 10
    ini:
      - section: callback_phases
        key: slowest
    env:
      - name: FUNGAP_PHASES_SLOWEST
  file:
    description:
      - Where to write every task's time too, as a JSON list of play, phase, task and seconds.
      - In a folder, each run writes a file of its own.
    type: path
    ini:
      - section: callback_phases
        key: file
    env:
      - name: FUNGAP_PHASES_FILE
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.phases import Stopwatch, table


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "fungap.swarm.phases"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._stopwatch = Stopwatch(time.monotonic)
        self._play = ""

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._stopwatch.stop()
        self._play = play.get_name()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        role = task._role.get_name() if task._role else ""
        self._stopwatch.start(self._play, role, task.name or task.action)

    def _file(self) -> Path:
        given = Path(self.get_option("file"))
        return given / f"{os.getpid()}.json" if given.is_dir() else given

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._stopwatch.stop()
        spans = self._stopwatch.spans
        if self.get_option("file"):
            self._file().write_text(json.dumps([asdict(span) for span in spans], indent=1) + "\n")
        if spans and constants.DEFAULT_STDOUT_CALLBACK in ("default", "ansible.builtin.default"):
            for line in ["", *table(spans, self.get_option("slowest")), ""]:
                self._display.display(line)
