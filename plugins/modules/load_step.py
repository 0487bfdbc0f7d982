#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: load_step
short_description: Send one step of a load test from a docker host
version_added: 1.0.0
description:
  - Runs Locust in a container of the docker host's engine, waits until it is done, removes it, and returns what was
    counted, and how busy the machine's CPUs were meanwhile.
  - It is bounded in users, requests and time. M(fungap.swarm.load_test) runs it for each step of a profile.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Sends nothing.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: none
    description: Each run sends its requests.
options:
  name:
    description: Name of the container. One step of that name can run at a time.
    type: str
    required: true
  platform:
    description: Name of the platform, for the container's label.
    type: str
    required: true
  image:
    description: An image of Locust that the engine has.
    type: str
    required: true
  locustfile:
    description: What Locust plays; it writes what it has counted as one line of JSON.
    type: str
    required: true
  ca:
    description: Certificates in PEM to trust beside those of the image.
    type: str
    required: true
  host:
    description: The host name of the app.
    type: str
    required: true
  address:
    description: The IP address that requests for it go to.
    type: str
    required: true
  port:
    description: The port for HTTPS.
    type: int
    default: 443
  path:
    description: What is asked for.
    type: str
    default: /
  users:
    description: How many users there are.
    type: int
    required: true
  ramp_seconds:
    description: The time over which they arrive.
    type: float
    required: true
  loops:
    description: How many requests each of them sends, one after the other.
    type: int
    default: 1
  timeout_seconds:
    description: How long a user waits for an answer.
    type: float
    default: 60
  deadline_seconds:
    description: After this time the step is over, whatever has been answered.
    type: float
    default: 300
  memory:
    description: How much memory the container may use, in bytes.
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: Let 200 users in, over 10 s
  fungap.swarm.load_step:
    name: fungap-load-test
    platform: fungap
    image: sha256:0d5a8b1e7c3f
    locustfile: "{{ lookup('ansible.builtin.file', 'locustfile.py') }}"
    ca: "{{ lookup('ansible.builtin.file', '.secrets/ca.crt') }}"
    host: web.example.com
    address: 172.30.0.3
    users: 200
    ramp_seconds: 10
    loops: 5
"""

RETURN = r"""
measured:
  description: What was counted, with times in seconds.
  returned: success, not in check mode
  type: dict
  contains:
    begin: {description: Unix time of the first user's arrival., type: float}
    end: {description: Unix time of the last one's answer., type: float}
    answered: {description: "Requests that ended, well or not.", type: int}
    failed: {description: Those of them that did not end well., type: int}
    p50_seconds: {description: Half of the answers came within this time., type: float}
    p95_seconds: {description: 95 % of the answers came within this time., type: float}
    max_seconds: {description: The slowest answer., type: float}
    mean_seconds: {description: The mean of the answers' times., type: float}
    causes: {description: "Why requests failed, and how many.", type: dict}
    client_short_of_cpu: {description: Whether Locust itself had too little CPU to be exact., type: bool}
    now: {description: Unix time when the module returned., type: float}
    cpu: {description: "The busy share of this machine's CPUs, null where it could not be measured.", type: float}
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.operation import LoadStep


def main() -> None:
    """Run the module."""
    runner.run(
        LoadStep,
        {
            "name": {"type": "str", "required": True},
            "platform": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "locustfile": {"type": "str", "required": True},
            "ca": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 443},
            "path": {"type": "str", "default": "/"},
            "users": {"type": "int", "required": True},
            "ramp_seconds": {"type": "float", "required": True},
            "loops": {"type": "int", "default": 1},
            "timeout_seconds": {"type": "float", "default": 60},
            "deadline_seconds": {"type": "float", "default": 300},
            "memory": {"type": "int", "default": 1073741824},
            **DOCKER,
        },
    )


if __name__ == "__main__":
    main()
