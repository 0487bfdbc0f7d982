#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: app_releases
short_description: Work out which image, env and settings each app is to run with
version_added: 1.0.0
description:
  - What an app runs with is in force in its newest healthy revision; the inventory is where it came from. Setting by
    setting, the inventory wins where it was changed since that revision was made; else what is in force stays. So a run
    of site.yml never undoes a deploy, a rollback or a scaling, and a change of the inventory is never lost.
  - An app that is C(pinned) is always what the inventory says.
  - An inventory that says of an app what an earlier revision recorded, while a later one recorded something else, is an
    older copy. It is refused, with who recorded both, when, and the settings that differ.
  - For one app, what an operator asks for comes on top of what is in force - another image, another env file,
    settings - or an earlier revision takes its place. Nothing else changes then, whatever this copy of the inventory
    says. Other apps are as they run; those that were never deployed are left out.
  - An action plugin that reads through M(fungap.swarm.platform_info), once for all apps.
author: The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Only reads. What will win is in M(fungap.swarm.swarm_stack)'s diff.
  idempotent:
    support: full
    description: Only reads.
options:
  apps:
    description: The inventory's apps by name.
    type: dict
    required: true
  images:
    description: Images by name, each with its C(ref) in the platform's registry, by digest.
    type: dict
    required: true
  env_dir:
    description: The folder on the controller that env files are relative to.
    type: path
    required: true
  manager_sockets:
    description: Unix sockets of managers' engines on the docker host.
    type: list
    elements: path
    required: true
  stacks_dir:
    description: Where the stacks' compose files are, on the docker host.
    type: path
  keep:
    description: How many revisions are kept.
    type: int
    default: 5
  app:
    description: The app that is deployed, rolled back or scaled. While another run changes it, this one waits.
    type: str
    default: ""
  settings:
    description: What to change in its entry. C(image) is a name in O(images).
    type: dict
    default: {}
  env_file:
    description: Another env file for it, on the controller.
    type: str
    default: ""
  rollback:
    description: Take an earlier revision of it.
    type: bool
    default: false
  to:
    description: That revision's number. By default the last healthy one that differs from what is in force.
    type: int
  other_hosts:
    description: Host names that the platform itself has, each with the variable that says so. No app ever gets one.
    type: dict
    default: {}
  absent:
    description: Apps that are taken away in this run, where it is one of all apps. They lose their routes.
    type: list
    elements: str
    default: []
  older_confirmed:
    description: Apps that are to be what an older copy of the inventory says.
    type: list
    elements: str
    default: []
  lock_seconds:
    description: How long to wait for another run that changes O(app).
    type: int
    default: 900
"""

EXAMPLES = r"""
- name: Work out what web runs with after the deploy of another image
  fungap.swarm.app_releases:
    apps: "{{ apps }}"
    images: "{{ ansible_facts['platform_images'] }}"
    env_dir: "{{ inventory_dir }}"
    manager_sockets: [/run/fungap/manager1/docker.sock]
    stacks_dir: /etc/fungap/stacks
    app: web
    settings: {image: app-web}
"""

RETURN = r"""
apps:
  description: By name.
  returned: success
  type: dict
  contains:
    release:
      description:
        - C(app) (the whole entry), C(image) and C(images) of further services (by digest), C(env) and C(inventory), to
          be recorded.
      type: dict
    env_file:
      description: The file on the controller that has the env's content, empty where only the nodes have it.
      type: str
    env_versions:
      description: The versions of its env file that recorded revisions need.
      type: list
      elements: str
    volumes:
      description:
        - For M(fungap.swarm.app_volume), C(names), C(begun) (those that a revision knows) and C(constraints).
      type: dict
    new_target:
      description: Whether an env volume comes to a folder of an image that none was mounted on.
      type: bool
    base_revision:
      description: The revision in force that this was worked out from, V(0) for none.
      type: int
    changes:
      description: Whether C(release) is another one than that revision's.
      type: bool
settings:
  description:
    - The entries of RV(apps) in force, by name, such as P(fungap.swarm.app_routes#filter) takes them. Those of apps,
      too, that run and are not in O(apps), until they are O(absent).
  returned: success
  type: dict
stacks:
  description: As M(fungap.swarm.platform_info) saw them, of the revisions that in force only.
  returned: success
  type: dict
addresses:
  description: The addresses of the swarm's nodes, as it knows them, by name.
  returned: success
  type: dict
services:
  description: The names of all services of the swarm.
  returned: success
  type: list
  elements: str
notes:
  description: Where what runs is not what the inventory says.
  returned: success
  type: list
  elements: str
"""
