#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates_info
short_description: Say which host names have a certificate by ACME
version_added: 1.1.0
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
description:
  - Reads what the role P(fungap.swarm.certificates#role) has told the managers' state, and warns of each host name that
    has no certificate by the authority yet, with the reason, and with where this docker host finds the name.
  - A certificate that lacks is no failure. Until it is there, the platform's own is served.
options:
  wait_seconds:
    description:
      - How long to wait for certificates that lack. It ends earlier where each is there, or is tried again only later.
    type: float
    default: 0
extends_documentation_fragment:
  - fungap.swarm.docker.managers
attributes:
  check_mode:
    description: Reads only.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Reads only.
    support: full
"""

EXAMPLES = r"""
- name: Wait for the certificates of new host names
  fungap.swarm.certificates_info:
    manager_sockets: [/run/fungap/manager1/docker.sock]
    wait_seconds: 60
"""

RETURN = r"""
certificates:
  description:
    - By the route's name, the C(names) of its certificate, those that it lacks (C(lacking)), C(until) when it is good
      (empty for none), how often asking has failed in a row (C(failures)), and the C(reason).
    - Empty where no task of the state runs on this docker host.
  type: dict
  returned: success
notes:
  description: What lacks, a sentence each.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.fungap.swarm.plugins.module_utils.certificates.operation import LookAtCertificates
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run


def main() -> None:
    """Run the module."""
    run(
        LookAtCertificates,
        {
            **MANAGERS,
            "wait_seconds": {"type": "float", "default": 0},
        },
    )


if __name__ == "__main__":
    main()
