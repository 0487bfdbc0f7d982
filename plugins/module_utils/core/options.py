# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that modules have in common, as their argument specs take them (documented in the fragment ``docker``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Options = Mapping[str, Mapping[str, Any]]
# The docker host's own engine.
DOCKER: Options = {"docker_socket": {"type": "path", "default": "/var/run/docker.sock"}}
# The swarm's managers on a docker host.
MANAGERS: Options = {"manager_sockets": {"type": "list", "elements": "path", "required": True}}
