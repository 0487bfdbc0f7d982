# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prefork
type: aggregate
short_description: Loads once what each task's process needs
version_added: 1.1.0
description:
  - Ansible forks a process for each task and host. Each of them loads Ansible's filters and tests anew, and its garbage
    collector looks through all that the controller holds, which copies that memory.
  - This loads the filters and tests before the first process is forked, and keeps what is there by then from the
    collector. It says nothing and changes no result.
author: The fungap.swarm authors (@fungap)
requirements:
  - enabled by C(callbacks_enabled = fungap.swarm.prefork) in C(ansible.cfg)
"""

import gc
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "fungap.swarm.prefork"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play: Any) -> None:
        # One of them brings all of Ansible's own.
        filter_loader.get("ansible.builtin.bool")
        test_loader.get("ansible.builtin.failed")
        gc.freeze()
