# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name; there is nothing to run on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: compose_import
short_description: Write the inventory's entries for a compose file
version_added: 1.1.0
description:
  - Makes of a compose file an entry of C(apps), and the entries of C(images_extra) that it needs. One compose project
    is one app. The service that visitors come to is the app itself, the others are its C(services).
  - Prints what could not be carried, why, and what to do, and what of the entry the preflight would refuse.
  - Docker's own parser reads the file (C(docker compose config)), without the shell's environment and without C(.env).
    Values of variables without a default, of what is named as a secret, and of env files do not come along. The entry
    refers to variables in their place.
  - Runs on the controller and connects to no host.
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - docker compose 2.20 or newer on the controller, as a plugin of the docker CLI or as C(docker-compose). No engine is
    needed.
attributes:
  check_mode:
    description: Prints all of it, writes nothing.
    support: full
  diff_mode:
    description: Shows the file that is written.
    support: full
  idempotent:
    description: A file that is there is never overwritten, so a second call with the same O(into) fails.
    support: none
options:
  files:
    description:
      - The compose file on the controller. Further ones are merged by compose's rules. Each is read only if it is
        named here.
      - The folder of the first one is the project's.
    type: list
    elements: str
    required: true
  app:
    description: The app's name. By default the project's C(name), or else its folder's.
    type: str
    default: ""
  service:
    description: The service that is the app itself. By default the one that publishes a TCP port and that no other such
      one waits for.
    type: str
    default: ""
  port:
    description: The port that it listens on. By default the first one that it publishes, V(80) before others.
    type: int
    default: 0
  hosts:
    description: The app's host names. Without any, a word stands there that the preflight refuses.
    type: list
    elements: str
    default: []
  profiles:
    description: Profiles whose services come along.
    type: list
    elements: str
    default: []
  variables:
    description: Values for variables of the compose file, by their names. They stand in the entry as they are.
    type: dict
    default: {}
  into:
    description: The file to write, which must not be there yet. Without it the entry is printed.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the entry of a compose file
  fungap.swarm.compose_import:
    files: [/srv/wiki/docker-compose.yml]
    hosts: [wiki.example.com]
"""

RETURN = r"""
apps:
  description: The app's entry, by its name.
  returned: success
  type: dict
  sample: {wiki: {image: wiki, port: 3000, hosts: [wiki.example.com]}}
images_extra:
  description: Entries of the image catalog.
  returned: success
  type: dict
  sample: {wiki: {source: pull, pull: "example/wiki:3"}}
variables:
  description: The variables that the entries refer to, and what each is to be.
  returned: success
  type: dict
  sample: {vault_wiki_db_password: DB_PASSWORD of wiki}
notes:
  description: What is not carried as it was, why, and what to do.
  returned: success
  type: list
  elements: str
  sample: ["wiki.privileged: a swarm's service can't have all of the machine's rights; cap_add with what it needs"]
refused:
  description: What the preflight refuses of the entry.
  returned: success
  type: list
  elements: str
  sample: []
"""
