# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks: bridges of a docker host, and those of a swarm."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import Json, Part, label_filters

with suppress(ImportError):  # the client says so
    import docker
    import docker.types


class Networks(Part):
    """Networks: bridges of a docker host, and those of a swarm."""

    def inspect(self, name: str) -> Json | None:
        """``GET /networks/<name>``, None when there is none of that name."""
        with self.errors(f"look at network {name}"):
            found = [network for network in self.api.networks(names=[name]) if network["Name"] == name]
            return found[0] if found else None

    def names(self, labels: Mapping[str, str]) -> list[str]:
        """Names of the networks that carry ``labels``."""
        with self.errors("list networks"):
            return [network["Name"] for network in self.api.networks(filters={"label": label_filters(labels)})]

    def of_swarm(self) -> list[Json]:
        """``GET /networks`` of the swarm's scope."""
        with self.errors("list networks"):
            networks: list[Json] = self.api.networks(filters={"scope": "swarm"})
            return networks

    def create_bridge(self, name: str, subnet: str, mtu: int, labels: Mapping[str, str]) -> None:
        """Create a bridge network with a fixed subnet (CIDR) and MTU (bytes)."""
        with self.errors(f"create network {name}"):
            self.api.create_network(
                name,
                driver="bridge",
                options={"com.docker.network.driver.mtu": str(mtu)},
                ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)]),
                labels=dict(labels),
                check_duplicate=True,
            )

    def remove_unused(self, network_id: str) -> bool:
        """Remove a network; False while something still uses it."""
        with self.errors(f"remove network {network_id}"):
            try:
                self.api.remove_network(network_id)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if "in use" in str(error) or "active endpoints" in str(error):
                    return False
                raise
        return True

    def remove(self, name: str) -> None:
        """Remove a network; an error if something still uses it."""
        with self.errors(f"remove network {name}"):
            self.api.remove_network(name)
