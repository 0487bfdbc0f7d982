# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names, subnets and ports of the tests of this checkout. Another checkout on the same machine uses other ones.

They follow from a slot, a number that follows from the checkout's path. ``FUNGAP_TEST_SLOT`` sets another one.
Run as a program, it writes them to ``.env.yml`` and the inventory of its scenario cluster, for molecule.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SLOTS = 64
SLOT = int(os.environ.get("FUNGAP_TEST_SLOT") or int(hashlib.sha256(bytes(ROOT)).hexdigest(), 16) % SLOTS)
# Each has a subnet and PORTS ports of its own: the scenarios of molecule, the stages that bring up a platform, and
# what these need beside it.
PLATFORMS = (
    *("app", "cluster", "docker_engine", "images", "jenkins", "monitoring", "preflight", "proxy", "registry", "reset"),
    *(
        "swarm_member",
        "swarm_node",
        "site",
        "killed",
        "load",
        "alerts",
        "cicd",
        "ci",
        "prune",
        "refused",
        "node",
        "seed",
    ),
)
PORTS = 5
LOCK = Path(f"/run/lock/fungap-tests-{SLOT}.lock")


def name(platform: str) -> str:
    """What everything of a platform begins with, for example ``t17-load``."""
    if platform not in PLATFORMS:
        raise ValueError(f"{platform} has no subnet yet: add it to PLATFORMS")
    return f"t{SLOT}-{platform}"


def subnet(platform: str) -> str:
    """The first three numbers of a platform's /24."""
    return f"10.{128 + SLOT}.{PLATFORMS.index(platform)}"


def port(platform: str, number: int) -> int:
    """One of a platform's ports, counted from 0."""
    if not 0 <= number < PORTS:
        raise ValueError(f"a platform has {PORTS} ports: 0 to {PORTS - 1}")
    return 20000 + (SLOT * len(PLATFORMS) + PLATFORMS.index(platform)) * PORTS + number


def variables(platform: str) -> dict[str, Any]:
    """What an inventory says of a platform on this machine: names, folders, subnet and ports (0 HTTP, 1 HTTPS)."""
    here = name(platform)
    return {
        "platform_name": here,
        "platform_config_dir": f"/etc/{here}",
        "platform_run_dir": f"/run/{here}",
        "platform_subnet": f"{subnet(platform)}.0/24",
        "registry_address": f"{here}-registry:5000",
        "proxy_bind_address": "127.0.0.1",
        "proxy_http_port": port(platform, 0),
        "proxy_https_port": port(platform, 1),
    }


def write_inventory(platform: str, file: Path, nodes: Mapping[str, int], **more: Any) -> Path:
    """Write an inventory that adds to the one beside a stage's tests what follows from the checkout.

    ``nodes``: node -> last number of its address.
    """
    addresses = {node: {"swarm_node_address": f"{subnet(platform)}.{last}"} for node, last in nodes.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"all": {"vars": {**variables(platform), **more}, "hosts": addresses}}, indent=1))
    return file


@contextmanager
def claimed() -> Iterator[None]:
    """Hold the slot while tests run. Raises if another run of tests on this machine holds it."""
    with LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RuntimeError(
                f"{file.read().strip() or 'another run'} holds slot {SLOT} of this machine's tests ({LOCK}): "
                "wait for its end, or set FUNGAP_TEST_SLOT to another number from 0 to 63"
            ) from None
        file.truncate(0)
        file.write(f"{ROOT}, process {os.getpid()}\n")
        file.flush()
        yield


def write_cluster(file: Path) -> None:
    """Write the inventory of molecule's scenario cluster: three managers, and a machine for Jenkins."""
    machines = {"cluster1": 11, "cluster2": 12, "cluster3": 13, "cluster-ci": 14}
    hosts = {machine: {"ansible_host": f"{subnet('cluster')}.{last}"} for machine, last in machines.items()}
    reached = {"ansible_user": "root", "ansible_python_interpreter": "/usr/local/bin/warm-python"}
    groups = {
        "all": {"vars": {"platform_secrets_dir": f"/var/tmp/{name('cluster')}/secrets"}},
        "docker_hosts": {"hosts": hosts, "vars": reached},
        "registry": {"hosts": {"cluster1": {}}},
        "swarm_managers": {"hosts": {"cluster1": {}, "cluster2": {}, "cluster3": {}}},
        "swarm_workers": {"hosts": {}},
        "jenkins": {"hosts": {"cluster-ci": {}}},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(groups, indent=1))


def molecule_environment() -> dict[str, str]:
    """What molecule's configuration takes from the environment."""
    found = {"FUNGAP_TEST_SLOT": str(SLOT)}
    for platform in PLATFORMS:
        key = f"FUNGAP_{platform.upper()}"
        found[f"{key}_SUBNET"] = subnet(platform)
        found[f"{key}_PORT"] = str(port(platform, 0))
        found[f"{key}_NAME"] = name(platform)
    return found


if __name__ == "__main__":
    content = "".join(f'{key}: "{value}"\n' for key, value in molecule_environment().items())
    (ROOT / ".env.yml").write_text(content)
    write_cluster(ROOT / ".cache" / "inventories" / "cluster.yml")
