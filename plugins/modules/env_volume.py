#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: env_volume
short_description: Keep an app's env file in immutable volumes on the nodes that may run it
description:
  - Writes an env file into a volume named C(<app>_env_<version>) on every given node, through the engine API. The
    version stands for
    the content, so a volume never changes, and a changed env file is a new volume. Neither a key nor a value stands
    in a
    command line, an environment variable, a label, a diff or a message.
  - A node that holds a version completely gets the node label C(fungap.env.<app>.<version>=ready). A service that is
    constrained to
    that label never starts beside an empty volume. A volume without the label, as an interrupted run leaves it, is
    written again.
  - Before anything is written, the image is looked into. A target folder that holds anything else than the env file
    itself is refused,
    and the message names what the mount would hide.
  - Older versions are kept for rollbacks, copied to nodes that lack them (new and re-created ones), and removed in
    the end, but never one
    that a service or a container refers to.
  - One call serves all the nodes of one docker host, in parallel. Where nodes stand on several docker hosts, first
    call it on the manager's, then
    on each other one with the RV(ready), RV(owner) and RV(version) that the first returned, and last on the manager's
    again with what those returned as O(ready).
  - What no node of a docker host can give comes from another one in between, as M(fungap.swarm.env_volume_info) reads
    it there, by O(copies). What was written is read again, and has to be what the version stands for, before a label
    says that it is there.
version_added: 1.0.0
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - The Docker SDK for Python on the docker host
attributes:
  check_mode:
    support: full
    description:
      - Can run in check mode and tell what would change. When the target of a new image has to be looked into, a
        container is created from the image for that, never started, and removed at once; an image that isn't on any
        node is not pulled, and its target not checked.
  diff_mode:
    support: full
    description: Shows which versions each node holds, before and after; no keys, no values.
  idempotent:
    support: full
    description: When nothing is to be done, nothing is created, not even for a moment.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  state:
    description:
      - V(present) means that every node holds the env file O(content).
      - V(absent) removes every version of the app and its labels; refused while a service or a container refers to one.
    type: str
    choices: [present, absent]
    default: present
  content:
    description:
      - Text of the env file, kept byte for byte (as UTF-8). Each line is C(KEY=VALUE), a comment or blank.
      - Required for O(state=present) unless O(version) is given, and except in a call that only sets the labels of
        O(ready).
    type: str
  version:
    description:
      - Instead of O(content), a version that nodes hold already. It is copied to those that lack it. It fails where no
        node of the swarm holds it.
    type: str
  file_name:
    description: Name of the file in the volume.
    type: str
    default: .env
  target:
    description: Folder of the app's containers that the volume is mounted on.
    type: str
    default: /usr/src/app/env
  image:
    description:
      - Reference of the app's image, best by digest.
      - Without it the target is not checked, and O(owner) counts as V(0:0) when it isn't given.
    type: str
  owner:
    description:
      - Numeric owner of the file, as C(uid) or C(uid:gid).
      - The default is O(user), else the user that the image runs as, looked up in the image where it is a name.
    type: str
  user:
    description: The user that the app's containers run as, where it isn't the image's own. As in a compose file.
    type: str
  mode:
    description: Mode of the file, in octal digits with a zero before them.
    type: str
    default: "0600"
  nodes:
    description: The nodes of this docker host that may run the app.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the node in the swarm.
        type: str
        required: true
      socket:
        description: Path of the unix socket of its engine.
        type: str
        required: true
  manager_socket:
    description:
      - Path of the unix socket of a manager's engine on this docker host. Node labels are read and set through it.
      - Without it the labels are what O(ready) says.
    type: str
  ready:
    description:
      - What another call returned as RV(ready). With O(manager_socket) those nodes get their labels. Without, it
        tells which volumes are complete
        and which versions are kept.
    type: dict
  lost:
    description: With O(manager_socket), node to versions that another call did not find there. Their labels go.
    type: dict
  copies:
    description:
      - With O(ready), what nodes of other docker hosts give to those of this one, as M(fungap.swarm.env_volume_info)
        returns it. In check mode O(copies[].version) and O(copies[].node) are enough.
      - Given, even as an empty list, each node that still lacks O(version) is named in a warning.
    type: list
    elements: dict
    suboptions:
      version:
        description: The version.
        type: str
        required: true
      node:
        description: The node that it was read from.
        type: str
        required: true
      name:
        description: Name of the file.
        type: str
        default: .env
      content:
        description: The file, in base64.
        type: str
      owner:
        description: Numeric owner of the file.
        type: str
        default: ""
      mode:
        description: The file's mode in octal.
        type: str
        default: ""
      user:
        description: What the owner was given by; empty for the image's own user.
        type: str
        default: ""
      created:
        description: When the version was first written.
        type: str
        default: ""
      image:
        description: The image that O(copies[].target) was checked in.
        type: str
        default: ""
      target:
        description: The folder that the volume is mounted on.
        type: str
        default: ""
      problem:
        description: Why it could not be read. Copying it fails with this.
        type: str
        default: ""
  registry_config:
    description:
      - Folder with the C(config.json) that holds the registry's credentials, for pulling O(image) where no node has
        it.
    type: path
  keep:
    description: How many older versions stay on the nodes.
    type: int
    default: 5
  keep_versions:
    description: Versions that stay in any case, such as those of recorded revisions.
    type: list
    elements: str
    default: []
seealso:
  - module: fungap.swarm.env_volume_info
  - module: fungap.swarm.swarm_stack
"""

EXAMPLES = r"""
- name: Deliver the env file of the app web to the nodes of this docker host
  fungap.swarm.env_volume:
    app: web
    content: "{{ lookup('ansible.builtin.file', 'files/web.env', rstrip=false) }}"
    target: /usr/src/app/env
    image: registry:5000/express-app@sha256:6b1d1b3b0a3a5bd7e7a7a5a9c2f1c0d5f1f8b4c9d2e3f4a5b6c7d8e9f0a1b2c3
    nodes:
      - {name: manager1, socket: /run/fungap/manager1/docker.sock}
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
    manager_socket: /run/fungap/manager1/docker.sock
    registry_config: /etc/fungap/registry-client
  register: env

- name: Deliver it to the nodes of another docker host
  fungap.swarm.env_volume:
    app: web
    content: "{{ lookup('ansible.builtin.file', 'files/web.env', rstrip=false) }}"
    owner: "{{ env.owner }}"
    ready: "{{ env.ready }}"
    nodes:
      - {name: worker2, socket: /run/fungap/worker2/docker.sock}
  delegate_to: vm2
  register: elsewhere

- name: Let the swarm place the app there too
  fungap.swarm.env_volume:
    app: web
    manager_socket: /run/fungap/manager1/docker.sock
    ready: "{{ elsewhere.ready }}"
"""

RETURN = r"""
version:
  description: Version of O(content), 12 hexadecimal digits, or O(version).
  returned: when O(content) or O(version) is given
  type: str
  sample: 4a1f6f2c9b3e
volume:
  description: Name of the volume that holds it on every node.
  returned: when O(content) or O(version) is given
  type: str
  sample: web_env_4a1f6f2c9b3e
constraint:
  description: Placement constraint that keeps a service on nodes that hold it.
  returned: when O(content) or O(version) is given
  type: str
  sample: node.labels.fungap.env.web.4a1f6f2c9b3e == ready
owner:
  description: Numeric owner of the file.
  returned: when O(content) or O(version) is given
  type: str
  sample: "1000:1000"
mode:
  description: Mode of the file.
  returned: when O(content) or O(version) is given
  type: str
  sample: "0600"
ready:
  description:
    - The versions that each node holds, of the whole swarm with O(manager_socket), else of what O(ready) and this
      call tell. Of this call's nodes, what was found on them.
  returned: always
  type: dict
  sample: {manager1: [4a1f6f2c9b3e], worker1: [4a1f6f2c9b3e]}
left_out:
  description:
    - Nodes whose engine didn't answer, or that aren't members of the swarm. Nothing was done for them, and nothing
      will be placed there.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.operation import EnvVolume


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    copy = {
        "version": {"type": "str", "required": True},
        "node": {"type": "str", "required": True},
        "name": {"type": "str", "default": ".env"},
        "content": {"type": "str", "no_log": True},
        **{
            key: {"type": "str", "default": ""}
            for key in ("owner", "mode", "user", "created", "image", "target", "problem")
        },
    }
    run(
        EnvVolume,
        {
            "app": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "content": {"type": "str", "no_log": True},
            "version": {"type": "str"},
            "file_name": {"type": "str", "default": ".env"},
            "target": {"type": "str", "default": "/usr/src/app/env"},
            "image": {"type": "str"},
            "owner": {"type": "str"},
            "user": {"type": "str"},
            "mode": {"type": "str", "default": "0600"},
            "nodes": {"type": "list", "elements": "dict", "default": [], "options": node},
            "manager_socket": {"type": "str"},
            "ready": {"type": "dict"},
            "lost": {"type": "dict"},
            "copies": {"type": "list", "elements": "dict", "options": copy},
            "registry_config": {"type": "path"},
            "keep": {"type": "int", "default": 5},
            "keep_versions": {"type": "list", "elements": "str", "default": []},
        },
        mutually_exclusive=[("content", "version")],
    )


if __name__ == "__main__":
    main()
