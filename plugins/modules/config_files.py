#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_files
short_description: Install a set of small files on a host in one step
version_added: 1.0.0
description:
  - Brings files, their directories and the absence of others into the wanted state with one module start.
  - All new files are written beside their places and validated first; only when every one is valid are they renamed
    into place, so that a broken configuration never replaces a working one.
  - Whole files only. A symbolic link in a file's place is replaced by the file.
  - A folder that was there before is given another mode or owner, or removed, only where it is, or lies in, one of the
    platform's own (O(own_folders)).
options:
  platform:
    description: Name of the platform that the files are for. Without it there are no folders of its own.
    type: str
    default: ""
  platform_ids:
    description:
      - What tells O(platform) from another one of its name, as M(fungap.swarm.platform_secrets) returns it, then those
        that this one replaces. A folder whose marker has another ID is refused.
    type: list
    elements: str
    default: []
  own_folders:
    description:
      - Folders that are to be O(platform)'s alone. Each gets a marker, the file C(.fungap-platform) with the platform's
        name and the first of O(platform_ids), before anything else is put into it. One of O(directories), or the folder
        of one of O(files), that lies in none of them is one itself.
      - A folder that is not empty and has no marker, or another platform's, is refused. One that was made before there
        were markers is taken over where a file in it is as this task writes it, or where a container of the platform
        mounts what the platform keeps there.
    type: list
    elements: path
    default: []
  files:
    description: The files, each with its whole content.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description:
          - The whole content; a template comes in with C(lookup('ansible.builtin.template', ...\)).
          - The content of a O(files[].secret) file is taken out of here before the task leaves the controller.
        type: str
      mode:
        description: Octal mode, quoted. The default is V(0644), for a secret file V(0600).
        type: str
      owner:
        description: User name or number. Left alone when not given.
        type: str
      group:
        description: Group name or number. Left alone when not given.
        type: str
      validate:
        description:
          - A command, run without a shell, with V(%s) where the path of the new file goes. Anything but exit code 0
            keeps the old file and fails the task. Not run in check mode.
          - The new file lies in the same directory as the old one, under a name that begins with a dot.
        type: str
      secret:
        description: Whether the content stays out of diff, log and error messages.
        type: bool
        default: false
  directories:
    description: Directories, made with their missing parents (mode V(0755)). A file's missing directory is made, too.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Octal mode, quoted.
        type: str
        default: "0755"
      owner:
        description: User name or number. Left alone when not given.
        type: str
      group:
        description: Group name or number. Left alone when not given.
        type: str
  absent:
    description: Files that must not be there, and directories in O(own_folders), with what is in them.
    type: list
    elements: path
    default: []
  after_change:
    description:
      - A command, as a list of words, that runs after something was changed.
      - It also runs when O(pending_marker) tells that an earlier run was killed before the command ended well.
    type: list
    elements: str
    default: []
  pending_marker:
    description: Path of the file that stands from before the first change until O(after_change) ended well.
    type: path
  secret_contents:
    description: Contents of the secret files by path. Filled in by the action plugin; not meant to be given.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Can run in check mode and says what it would change.
  diff_mode:
    support: full
    description: Shows the files' contents before and after; of a secret file only that it changes.
  idempotent:
    support: full
    description: A second run changes nothing.
author:
  - The fungap.swarm authors (@fungap)
"""

EXAMPLES = r"""
- name: Install the registry's configuration
  fungap.swarm.config_files:
    platform: fungap
    own_folders: [/etc/fungap]
    directories:
      - path: /etc/fungap/registry
        mode: "0700"
    files:
      - path: /etc/fungap/registry/config.yml
        content: "{{ lookup('ansible.builtin.template', 'config.yml.j2') }}"
      - path: /etc/fungap/registry/tls.key
        content: "{{ ansible_facts['platform_secrets'].certificates.registry.key }}"
        secret: true
    absent:
      - /etc/fungap/registry/old.yml
  register: registry_files

- name: Never let a broken configuration in, reload what is running
  fungap.swarm.config_files:
    files:
      - path: /etc/fungap/edge/nginx.conf
        content: "{{ lookup('ansible.builtin.template', 'edge.conf.j2') }}"
        validate: nginx -t -c %s
    after_change: [systemctl, reload, nginx]
    pending_marker: /etc/fungap/edge/.reload-pending
"""

RETURN = r"""
changed_files:
  description: Paths that were written, given another mode or owner, or removed (in check mode, would be).
  returned: success
  type: list
  elements: str
  sample: [/etc/fungap/registry/config.yml]
actions:
  description: What was done (in check mode, would be done), in words.
  returned: success
  type: list
  elements: str
  sample: [write /etc/fungap/registry/config.yml]
"""

from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.operation import InstallFiles
from ansible_collections.fungap.swarm.plugins.module_utils.core import runner

_OWNERSHIP: dict[str, Any] = {"owner": {"type": "str"}, "group": {"type": "str"}}
ARGUMENT_SPEC: dict[str, Any] = {
    "platform": {"type": "str", "default": ""},
    "platform_ids": {"type": "list", "elements": "str", "default": []},
    "own_folders": {"type": "list", "elements": "path", "default": []},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str"},
            "mode": {"type": "str"},
            "validate": {"type": "str"},
            "secret": {"type": "bool", "default": False},
            **_OWNERSHIP,
        },
    },
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "mode": {"type": "str", "default": "0755"},
            **_OWNERSHIP,
        },
    },
    "absent": {"type": "list", "elements": "path", "default": []},
    "after_change": {"type": "list", "elements": "str", "default": []},
    "pending_marker": {"type": "path"},
    "secret_contents": {"type": "dict", "default": {}, "no_log": True},
}


def main() -> None:
    runner.run(InstallFiles, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
