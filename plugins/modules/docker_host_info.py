#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a docker host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: docker_host_info
short_description: Look at a docker host
version_added: 1.0.0
description:
  - Returns what decides how a swarm platform is built on a machine, as the fact C(docker_host). That is its kernel,
    capabilities, network, ports, disk, memory, and the Docker Engine on it if there is one.
  - Needs nothing but Python. It works before Docker or the Docker SDK is installed, and it loads no kernel module.
author:
  - The fungap.swarm authors (@fungap)
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
options:
  files:
    description: Files of which it is wanted whether they are there.
    type: list
    elements: path
    default: []
  folders:
    description: Folders of which it is wanted what lies in them.
    type: list
    elements: path
    default: []
  trees:
    description:
      - Folders with configuration. The state of each file in them (keyed digest, mode, owner, the first certificate)
        is returned, and is no fact. One of O(own_folders) is left out where nothing shows that it is a platform's.
    type: list
    elements: path
    default: []
  manager_sockets:
    description:
      - Unix sockets of engines. The first that answers as a manager is asked for the recorded revisions of its swarm's
        stacks.
    type: list
    elements: path
    default: []
  own_folders:
    description: Folders that are, or are to be, a platform's own. What tells whose they are is returned.
    type: list
    elements: path
    default: []
  record:
    description: A file in one of O(own_folders) in which it is recorded what inventories said, where that is wanted.
    type: path
    default: ""
  digest_key:
    description:
      - The key of the returned digests, which a log may keep and which must not help to guess a secret.
        The action gives one of this run's own. Without one, no two digests can be compared.
    type: str
    default: ""
  variables:
    description:
      - Names of variables by the option that each has the value for. One that can't be resolved fails the look by its
        option's name; Ansible's own words would have pieces of the template. Filled in by the action plugin.
    type: dict
    default: {}
  wait_seconds:
    description: Wait this long for the engine to answer, and fail when it doesn't. 0 does not wait.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Look at the docker host
  fungap.swarm.docker_host_info:
    files: [/usr/local/share/ca-certificates/company.crt]

- name: Show what the routing mesh has to work with
  ansible.builtin.debug:
    msg: "{{ ansible_facts['docker_host']['kernel'] }}"
"""

RETURN = r"""
old_python:
  description: The version of the machine's Python, where that is older than 3.10. Nothing else is looked at then.
  returned: failure
  type: str
trees:
  description:
    - State of each file and folder in the wanted trees, by tree and path. Where what the role preflight has registered
      of it shows that nothing is to be done, M(fungap.swarm.config_files) isn't started.
  returned: always
  type: dict
stacks:
  description:
    - By name, the stacks that have a record, with their C(revisions) as in
      RV(fungap.swarm.platform_info#module:stacks), of C(release) only what the inventory said. Empty where no manager
      answered.
  returned: always
  type: dict
record:
  description: The text of O(record); empty where there is none, or where nothing shows that its folder is a platform's.
  returned: always
  type: str
ansible_facts:
  description: Facts that stay with the host.
  returned: always
  type: dict
  contains:
    docker_host:
      description: The machine.
      returned: always
      type: dict
      contains:
        hostname: {description: Its name., type: str, returned: always}
        architecture: {description: As uname says it., type: str, returned: always}
        boot_id: {description: Differs between machines and between boots., type: str, returned: always}
        distribution:
          description: From /etc/os-release.
          type: dict
          returned: always
          sample: {id: debian, version: "12", codename: bookworm}
        kernel:
          description:
            - C(release), C(ipvs) (whether the routing mesh and VIPs can work), C(modules) (for each kernel module that
              a swarm uses one of C(loaded), C(builtin), C(loadable), C(missing)), C(parameters) (name -> text).
          type: dict
          returned: always
        cgroup_version: {description: 1 (also the hybrid) or 2., type: int, returned: always}
        capabilities_complete:
          description:
            - Whether the bounding set has every capability that the kernel knows. Else no privileged container starts.
          type: bool
          returned: always
        systemd: {description: Whether PID 1 is systemd., type: bool, returned: always}
        apparmor: {description: Whether AppArmor is enabled., type: bool, returned: always}
        mtu: {description: Of the default route's interface., type: int, returned: always}
        interface: {description: The default route's., type: str, returned: always}
        address: {description: The IPv4 address towards the default route., type: str, returned: always}
        addresses: {description: Every IPv4 address but loopback., type: list, elements: str, returned: always}
        routes: {description: The IPv4 networks of the main routing table., type: list, elements: str, returned: always}
        listening:
          description: Listening TCP sockets.
          type: list
          elements: dict
          returned: always
          sample: [{port: 22, address: 0.0.0.0, process: sshd}]
        disk:
          description: The filesystem that holds Docker's data.
          type: dict
          returned: always
          sample: {path: /var/lib/docker, total_bytes: 270553174016, free_bytes: 85899345920}
        memory: {description: C(total_bytes) and C(available_bytes)., type: dict, returned: always}
        cpus: {description: How many may be used., type: int, returned: always}
        trusted_ca_files:
          description: The .crt files under /usr/local/share/ca-certificates.
          type: list
          elements: str
          returned: always
        etc_hosts: {description: Names in /etc/hosts and their addresses., type: dict, returned: always}
        hosts_lines:
          description:
            - The lines of /etc/hosts in their order, each with C(address), C(names) and C(owner), whose entry it is as
              M(fungap.swarm.hosts_entry) writes it (empty for any other line).
          type: list
          elements: dict
          returned: always
        docker:
          description:
            - The engine. C(present) (dockerd is installed), C(socket), C(answering), C(version), C(storage_driver),
              C(root_dir), C(cli) (the docker CLI's version, empty without one), C(swarm) (the local node's state),
              C(config_digest) (of what M(fungap.swarm.daemon_config) was given last, where all of it is so; else
              empty).
            - C(containers) lists those that carry the label C(io.fungap.platform), with what
              M(fungap.swarm.host_container) compares, C(others) the names of all others, C(mounts) what they mount
              of the machine, C(networks) every network with its subnets, C(ports) every published TCP port and who
              holds it, C(volumes) those that carry the label.
          type: dict
          returned: always
        files:
          description: Whether each wanted file is there and can be read.
          type: dict
          returned: always
        folders:
          description: Names in the wanted folders, null for one that can't be read.
          type: dict
          returned: always
        own_folders:
          description:
            - Of each of O(own_folders) what tells whose it is. C(kind), C(marker) (the text of its file
              C(.fungap-platform)), C(names) (some that are in it), C(registry_logins).
          type: dict
          returned: always
"""

import json
import sys

# An older Python can't import what follows, the runner with its AnsibleModule included. This module is the first on a
# machine, so it answers here, in the form of a module's answer.
if sys.version_info < (3, 10):  # noqa: UP036  it is the machine's Python, not the checkout's
    version = ".".join(map(str, sys.version_info[:3]))
    told = f"Python {version} is too old, 3.10 or newer is needed"
    sys.stdout.write(json.dumps({"failed": True, "msg": told, "old_python": version}))
    raise SystemExit(1)

from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.host.info import DockerHostInfo


def main() -> None:
    run(
        DockerHostInfo,
        {
            **DOCKER,
            "files": {"type": "list", "elements": "path", "default": []},
            "folders": {"type": "list", "elements": "path", "default": []},
            "trees": {"type": "list", "elements": "path", "default": []},
            "manager_sockets": {"type": "list", "elements": "path", "default": []},
            "own_folders": {"type": "list", "elements": "path", "default": []},
            "record": {"type": "path", "default": ""},
            "digest_key": {"type": "str", "no_log": True, "default": ""},
            "variables": {"type": "dict", "default": {}},
            "wait_seconds": {"type": "int", "default": 0},
        },
    )


if __name__ == "__main__":
    main()
