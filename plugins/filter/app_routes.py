# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the proxy is told: routes of apps, and its nodes; whose host names there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import (
    acme_names,
    app_requests,
    app_routes,
    other_hosts,
    proxy_addresses,
    proxy_error_pages,
    proxy_logins,
    proxy_nodes,
    proxy_rates,
    proxy_redirects,
    proxy_servers,
)


class FilterModule:
    """Filters of fungap.swarm."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "acme_names": acme_names,
            "app_requests": app_requests,
            "app_routes": app_routes,
            "other_hosts": other_hosts,
            "proxy_addresses": proxy_addresses,
            "proxy_error_pages": proxy_error_pages,
            "proxy_logins": proxy_logins,
            "proxy_nodes": proxy_nodes,
            "proxy_rates": proxy_rates,
            "proxy_redirects": proxy_redirects,
            "proxy_servers": proxy_servers,
        }
