#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deploy a compose file to a swarm, wait for the verdict, go back when it fails."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack
short_description: Deploys a compose file to a swarm and tells the truth about it
version_added: 1.0.0
description:
  - Brings one stack into the state that an ordinary compose file describes. C(docker stack deploy) of the docker
    host's own CLI applies the file; this module adds check mode, a diff, drift detection, waiting with a deadline, a
    verdict with the failing tasks' own messages, and an explicit rollback of the whole stack.
  - The task fails whenever the new revision is not what runs in the end.
  - Every deploy is recorded as a revision, a config of the swarm named C(fungap.<stack>.<number>). It holds the
    compose file, the services' specs as they were after the deploy, and the verdict; never the content of a secret.
  - When the compose file is the recorded one and the services are as recorded, nothing at all is written. A replica
    count that was changed with C(docker service scale) is kept, also by later deploys, until the file's own number
    changes.
  - The controller part of this module reads the file (it needs PyYAML, which comes with ansible-core); the part on the
    docker host needs the Docker SDK for Python and the docker CLI, 20.10 or newer.
author:
  - The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what would change, without changing it.
  diff_mode:
    support: full
    description: Shows the compose file in force and the wanted one, configs that change, and what was changed by hand.
  idempotent:
    support: full
    description: A second run with the same input changes nothing, and writes nothing to the swarm.
options:
  name:
    description:
      - The stack's name. At most 40 lower-case letters, digits, C(-) and C(_).
    type: str
    required: true
  state:
    description:
      - V(present) deploys the compose file when it has to. V(absent) removes the stack's services, networks, configs,
        secrets, its revisions and its file, and waits until its tasks are gone.
      - V(validated) refuses what V(present) would refuse before its first change, O(validate) included, and changes
        nothing.
    type: str
    choices: [present, absent, validated]
    default: present
  compose:
    description:
      - The compose file, as its text or as a dictionary. Required but when O(state=absent).
      - Whatever C(docker stack deploy) would refuse or silently ignore (a misspelt key, C(build), C(restart),
        C(privileged), ...) is refused before anything is changed.
      - It stands for itself, so C($) interpolation, C(env_file), environment variables without a value and configs or
        secrets from a C(file) are refused. A literal C($) is written C($$).
      - Services refer to the keys of O(configs) and O(secrets); the file need not define these.
      - C(x-before) and C(x-after) are commands that run once with a rollout, each with C(service), the one whose image
        and environment it gets, C(command), a list of words, and C(deadline_seconds), 600 by default. They are services
        of one task, in a stack of their own (C(<name>_jobs)). What stands before has to end with 0 before the first
        task is replaced, or nothing is, and the verdict is V(before_failed). What stands after runs once all has
        converged; its failure is a warning. Neither runs where the revision in force has the same command, image and
        environment.
      - C(x-full-names) lists networks on which services don't get their short names, as C(docker stack deploy) gives
        them everywhere, but only their full ones (C(<stack>_<service>)) and what C(aliases) says.
      - C(x-follows) maps services to the one that each follows. The tasks of such a service take up what the other
        one's configs and secrets hold while they run. The other's environment gets the version, as
        C(FOLLOWED_VERSION), and its containers have in C(/tmp/tasks), by task, what the followers have told of
        themselves. The verdict waits until all tasks serve the version.
    type: raw
  configs:
    description:
      - Content by key. In the swarm a config is named C(<stack>_<key>_<first 12 hex digits of the content's SHA-256>),
        so that a changed content is a new config and a rolling update of the services that use it.
    type: dict
    default: {}
  secrets:
    description:
      - Like O(configs), for secrets. The content is shown nowhere, and the digits are those of PBKDF2 with SHA-256, by
        which nobody tries out short ones.
    type: dict
    default: {}
  validate:
    description:
      - Commands by which the images of services judge their configs and secrets before anything is recorded or
        changed. Each runs in a container of its own, on no network, with the files where the service will find them.
        Anything but exit code 0 fails the task, with what the command said.
      - It runs where the service's image, configs or secrets differ from what is in force, also in check mode; there,
        only where an engine of the docker host has the image already.
      - Where the output names a line of a config, as in C(in /etc/nginx/nginx.conf:12), the line is shown, and what the
        nearest comment C(# From VARIABLE) above it names.
      - The container removes itself. One that a killed run has created and not started is removed by the next
        validation.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: The service's name in the compose file.
        type: str
        required: true
      command:
        description: The command, as a list of words. The entrypoint gets it.
        type: list
        elements: str
        required: true
      entrypoint:
        description: Another entrypoint than the image's.
        type: list
        elements: str
  validated:
    description:
      - What RV(validated) was earlier in this run. The same is not validated again.
    type: str
  socket:
    description:
      - Path of the unix socket of a manager's engine, on the docker host. Required but when O(state=absent).
      - Without it, only what the docker host itself keeps of the stack is removed, and the swarm isn't asked. That is
        for the docker hosts of its other managers. Files of others in that folder stay.
    type: path
  registry_config:
    description:
      - A folder with a C(config.json) of the docker CLI that holds the registry's credentials. They are handed to the
        nodes.
    type: path
  resolve_image:
    description:
      - Whether the manager asks the registry for an image's digest and platforms. See C(docker stack deploy
        --resolve-image).
    type: str
    choices: [always, changed, never]
    default: changed
  path:
    description:
      - The folder on the docker host in which the compose file is written, as C(<path>/<name>/compose.yml), for its
        owner only. It can be deployed by hand. After a rollback it holds the file that runs.
    type: path
    default: /etc/fungap/stacks
  wait:
    description:
      - Whether to wait for the verdict. Without it the revision is recorded as V(unverified), and nothing is rolled
        back.
    type: bool
    default: true
  deadline_seconds:
    description:
      - How long the rollout may take; a rollback that follows may take as long again.
      - "By default 60 s, and for every batch of replicas: the health check's start period and retries, the stop grace
        period where the old task stops first, the update's monitoring period and its delay. The slowest service
        counts."
    type: float
  memory_file:
    description:
      - The file on the controller in which it is remembered what the swarm holds, as the summary of C(site.yml) writes
        it. Where it is there, what this task has recorded is added. It is no change, and not written in check mode.
    type: path
  keep:
    description:
      - How many revisions that ran are kept, one at least, with their configs and secrets, for rollbacks; failed ones
        in between are kept as history.
    type: int
    default: 5
  jobs:
    description:
      - Whether C(x-before) and C(x-after) of O(compose) run.
    type: bool
    default: true
  node_sockets:
    description:
      - Unix sockets of other nodes' engines on the docker host, by node name. The output of failing health checks is
        read there.
    type: dict
    default: {}
  listens:
    description:
      - Services whose tasks have to take connections on a port, by name, each with C(port) and C(within_seconds). For
        services that no health check asks on their own addresses.
      - A service with a task that listens on 127.0.0.1 only, or not at all, is not converged, and is given up after
        that time; one with a task that ended well and is not started again, at once.
      - It is seen in the kernel's tables, so nothing has to be in the image. Tasks on other machines are believed.
    type: dict
    default: {}
  release:
    description:
      - What this deploy means to whoever asked for it, recorded with the revision and returned by
        M(fungap.swarm.platform_info). No secrets. Where it differs from what is recorded and the compose file doesn't,
        a revision is recorded, and no service is touched.
    type: dict
    default: {}
  kind:
    description:
      - What it is recorded as.
    type: str
    choices: [site, deploy, rollback, scale, maintenance]
  who:
    description:
      - Who asked for it, for the record.
    type: str
  why:
    description:
      - The reason, for the record.
    type: str
  base_revision:
    description:
      - The revision in force that the wanted state was worked out from, V(0) for none. When another one is in force by
        now, nothing is changed.
    type: int
  base_moved:
    description:
      - What becomes of the task then. V(fail) is for whoever has to start again from its beginning, V(tell) for a play
        that goes by RV(moved) and works it out anew.
    type: str
    choices: [fail, tell]
    default: fail
  seen:
    description:
      - The stack as RV(fungap.swarm.platform_info#module:stacks) showed it earlier in this run, with O(path) for its
        C(stacks_dir). Where it shows that all is as wanted, this module is not started.
    type: dict
    default: {}
  lock_seconds:
    description:
      - One run at a time changes a stack. How long this one waits for another to end. The lock of a run that was killed
        is free at once.
    type: int
    default: 900
  rollout:
    description:
      - Set by the controller part. V(later) leaves a rollout to another start of the module.
    type: str
    choices: [now, later]
    default: now
  progress:
    description:
      - Set by the controller part. The file in which the progress is told.
    type: path
  text:
    description:
      - Set by the controller part. Do not use it.
    type: str
"""

EXAMPLES = r"""
- name: Deploy the web app
  fungap.swarm.swarm_stack:
    name: web
    socket: /run/fungap/manager1/docker.sock
    registry_config: /etc/fungap/registry-client
    compose: "{{ lookup('ansible.builtin.template', 'web.yml.j2') }}"
    configs:
      settings: "{{ lookup('ansible.builtin.file', 'settings.json') }}"
    secrets:
      session_key: "{{ vault_session_key }}"

- name: Deploy a stack that is written in place
  fungap.swarm.swarm_stack:
    name: web
    socket: /run/fungap/manager1/docker.sock
    deadline_seconds: 120
    compose:
      services:
        app:
          image: registry:5000/express-app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
          secrets: [session_key]
          deploy:
            replicas: 3
            update_config: {order: start-first, failure_action: rollback, monitor: 30s}
    secrets:
      session_key: "{{ vault_session_key }}"

- name: Refuse a configuration that the proxy would not start with, before anything counts on it
  fungap.swarm.swarm_stack:
    name: proxy
    state: validated
    socket: /run/fungap/manager1/docker.sock
    compose: "{{ lookup('ansible.builtin.template', 'proxy.yml.j2') }}"
    configs:
      nginx: "{{ lookup('ansible.builtin.template', 'nginx.conf.j2') }}"
    validate:
      - {service: proxy, command: [nginx, -t]}

- name: Remove it
  fungap.swarm.swarm_stack:
    name: web
    socket: /run/fungap/manager1/docker.sock
    state: absent
"""

RETURN = r"""
name:
  description: The stack's name.
  type: str
  returned: success
path:
  description: Where the compose file is written on the docker host.
  type: str
  returned: when O(state=present)
revision:
  description: Number of the revision that runs, V(null) when none was ever deployed. In check mode the present one.
  type: int
  returned: when O(state=present)
verdict:
  description:
    - V(converged), or V(unverified) when nobody waited.
    - On failure V(rolled_back) (swarm saw it fail), V(stuck) (refused by swarm, or not converged at the deadline),
      V(before_failed) (nothing was rolled out) or V(failed) (there was no earlier revision to go back to).
  type: str
  returned: when O(state=present)
who:
  description: Who asked for that revision.
  type: str
  returned: when O(state=present)
memory:
  description:
    - What is to be remembered of the stack outside of its swarm (C(stack), C(revision), the highest one, C(cluster_id),
      C(since), C(nodes)), where a revision was recorded. The docker host has it as C(in-force.json) beside the file.
  type: dict
  returned: when O(state=present)
moved:
  description: That another revision than O(base_revision) is in force, and nothing was changed. Else it is not there.
  type: bool
  returned: with O(base_moved=tell)
validated:
  description: A digest of what the service's image has judged to be right, empty where that was not asked for.
  type: str
  returned: with O(validate), where something is to be deployed
as_wanted:
  description: That O(seen) shows that nothing is to be done, whether to validate or to deploy. Else it is not there.
  type: bool
  returned: with O(seen)
drift:
  description: What was changed by hand since the deploy, a line C(service.field - recorded -> live) for each field.
  type: list
  elements: str
  returned: when O(state=present)
services:
  description: Running and wanted tasks by service.
  type: dict
  returned: when O(state=present)
serving:
  description: Which version each node serves of what C(x-follows) of O(compose) names.
  type: dict
  returned: when something was rolled out and the nodes have told it
seconds:
  description: How long the rollout took.
  type: float
  returned: when something was rolled out
after:
  description: Why C(x-after) of O(compose) did not get to its end; empty where it did.
  type: str
  returned: when it was to run
failures:
  description:
    - The failing tasks, at most four of a service, with the keys C(service), C(task), C(node), C(state), C(error),
      C(exit_code), C(log), C(health_log) and C(log_problem), why the log can't be read.
  type: list
  elements: dict
  returned: on failure of a rollout
actions:
  description: What was done, or would be done in check mode.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.stack.folder import StackFolder
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import STACKS_FOLDER
from ansible_collections.fungap.swarm.plugins.module_utils.stack.operation import StackOperation


def main() -> None:
    """Run the module."""
    run(
        lambda params: StackOperation(params) if params["socket"] else StackFolder(params),
        {
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "validated"], "default": "present"},
            "compose": {"type": "raw"},
            "configs": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "validate": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "service": {"type": "str", "required": True},
                    "command": {"type": "list", "elements": "str", "required": True},
                    "entrypoint": {"type": "list", "elements": "str"},
                },
            },
            "validated": {"type": "str"},
            "socket": {"type": "path"},
            "registry_config": {"type": "path"},
            "resolve_image": {"type": "str", "choices": ["always", "changed", "never"], "default": "changed"},
            "path": {"type": "path", "default": STACKS_FOLDER},
            "wait": {"type": "bool", "default": True},
            "deadline_seconds": {"type": "float"},
            "memory_file": {"type": "path"},
            "keep": {"type": "int", "default": 5},
            "jobs": {"type": "bool", "default": True},
            "node_sockets": {"type": "dict", "default": {}},
            "listens": {"type": "dict", "default": {}},
            "release": {"type": "dict", "default": {}},
            "kind": {"type": "str", "choices": ["site", "deploy", "rollback", "scale", "maintenance"]},
            "who": {"type": "str"},
            "why": {"type": "str"},
            "base_revision": {"type": "int"},
            "base_moved": {"type": "str", "choices": ["fail", "tell"], "default": "fail"},
            "seen": {"type": "dict", "default": {}},
            "lock_seconds": {"type": "int", "default": 900},
            "rollout": {"type": "str", "choices": ["now", "later"], "default": "now"},
            "progress": {"type": "path"},
            "text": {"type": "str"},
        },
        required_if=[("state", "present", ["compose", "socket"]), ("state", "validated", ["compose", "socket"])],
    )


if __name__ == "__main__":
    main()
