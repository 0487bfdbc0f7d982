# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What monitoring makes of the inventory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.alerts import monitoring_dashboards, monitoring_rules
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import (
    certificate_addresses,
    elasticsearch_logins,
    monitoring_routes,
)


class FilterModule:
    """Filters of fungap.swarm."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "certificate_addresses": certificate_addresses,
            "elasticsearch_logins": elasticsearch_logins,
            "monitoring_dashboards": monitoring_dashboards,
            "monitoring_routes": monitoring_routes,
            "monitoring_rules": monitoring_rules,
        }
