# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plugin for pytest: Ansible's loader of collections from the first import on, as in every run of Ansible.

What Python 3.12 has found by itself before, ansible-core 2.17 finds a second time, and refuses.
"""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()
