#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: container_answer
short_description: Wait until a container of the docker host answers over HTTP
version_added: 1.0.0
description:
  - Waits until a container that was started answers a URL with a status, and shows each change of its state, as
    M(fungap.swarm.swarm_stack) shows a rollout.
  - Fails at the deadline, and before it where the container has died three times or is not there, with what was seen
    last and the container's last lines, without the frames of a Java program's stacks.
  - One start of a module, however long it takes. C(until) starts one for each try, and prints retries that look like
    failures.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Waits for nothing there, since nothing was started.
  diff_mode:
    support: none
    description: Changes nothing.
  idempotent:
    support: full
    description: Changes nothing.
options:
  container:
    description: The container's name.
    type: str
    required: true
  url:
    description: What is asked for, without a proxy. Redirects are not followed.
    type: str
    required: true
  status:
    description: The status of the answer that is waited for.
    type: int
    default: 200
  ca_file:
    description: The CA that the certificate of an C(https) URL has to be of. Without one, any is taken.
    type: path
  deadline_seconds:
    description: How long to wait.
    type: float
    default: 60
  quotes:
    description:
      - What lines of the container's log begin with that are for the operator. They are shown, and returned without it.
      - Fails where there is none of them.
    type: str
    default: ""
  progress:
    description: Set by the controller part. The file in which the progress is told.
    type: path
"""

EXAMPLES = r"""
- name: Wait until the registry asks for a login
  fungap.swarm.container_answer:
    container: fungap-registry
    url: https://registry:5000/v2/
    ca_file: /etc/fungap/certs.d/registry:5000/ca.crt
    status: 401
"""

RETURN = r"""
status:
  description: The status of the last answer, V(0) for none.
  type: int
  returned: but in check mode
quoted:
  description: The lines that O(quotes) asks for.
  type: list
  elements: str
  returned: success, but in check mode
seconds:
  description: How long it took.
  type: float
  returned: success, but in check mode
"""

from ansible_collections.fungap.swarm.plugins.module_utils.container_answer.operation import WaitForAnswer
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run


def main() -> None:
    """Run the module."""
    run(
        WaitForAnswer,
        {
            "container": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "status": {"type": "int", "default": 200},
            "ca_file": {"type": "path"},
            "deadline_seconds": {"type": "float", "default": 60},
            "quotes": {"type": "str", "default": ""},
            **DOCKER,
            "progress": {"type": "path"},
        },
    )


if __name__ == "__main__":
    main()
