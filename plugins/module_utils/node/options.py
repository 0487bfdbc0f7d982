# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``swarm_node`` besides the shared ones, as its argument spec takes them."""

from __future__ import annotations

from ansible_collections.fungap.swarm.plugins.module_utils.core.options import Options

OPTIONS: Options = {
    "platform": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "subnet": {"type": "str", "required": True},
    "mtu": {"type": "int", "default": 1500},
    "run_dir": {"type": "path", "required": True},
    "owner": {"type": "str", "default": ""},
    "platform_ids": {"type": "list", "elements": "str", "default": []},
    "own_folders": {"type": "list", "elements": "path", "default": []},
    "nodes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "cpus": {"type": "float", "default": 0},
            "memory": {"type": "str", "default": ""},
        },
    },
    "init": {"type": "str", "required": True},
    "daemon": {"type": "dict", "default": {}},
    "privileged": {"type": "bool", "default": False},
    "extra_hosts": {"type": "dict", "default": {}},
    "binds": {"type": "list", "elements": "str", "default": []},
    "prune": {"type": "bool", "default": False},
    "deadline_seconds": {"type": "int", "default": 90},
}
