#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: load_test
short_description: Send load to an app step by step, and say what it bears
version_added: 1.0.0
description:
  - Runs the steps of a profile through M(fungap.swarm.load_step), prints a line for each and a verdict, and writes a
    report as JSON and CSV on the controller after each step.
  - It ends at the first step in which more requests fail than allowed, or the CPU is above the profile's limit.
  - An action plugin.
author: The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    support: full
    description: Says which steps there would be, and sends nothing.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: none
    description: Each run sends its requests.
options:
  platform:
    description: Name of the platform.
    type: str
    required: true
  protected:
    description: Whether O(confirmed) has to be the platform's name.
    type: bool
    default: false
  confirmed:
    description: The confirmation.
    type: str
    default: ""
  target:
    description: What is asked.
    type: dict
    required: true
    suboptions:
      app:
        description: Name of the app, for the reports.
        type: str
        required: true
      host:
        description: Its host name.
        type: str
        required: true
      address:
        description: The IP address that requests for it go to.
        type: str
        required: true
      port:
        description: The port for HTTPS there.
        type: int
        default: 443
      path:
        description: What is asked for.
        type: str
        default: /
  ca_file:
    description: Certificates in PEM, on the controller, to trust beside the public ones.
    type: path
    required: true
  image:
    description: An image of Locust on the docker host.
    type: str
    required: true
  profile:
    description: Which of O(profiles) to run.
    type: str
    default: load
  profiles:
    description:
      - Name to settings - C(users) (a list), C(ramp_seconds), C(loops), C(users_step), C(users_max), C(pause_seconds),
        C(cpu_percent_max).
    type: dict
    required: true
  changes:
    description: Other settings for the profile. Empty ones are none.
    type: dict
    default: {}
  error_ratio_max:
    description: The share of a step's requests that may fail.
    type: float
    default: 0
  timeout_seconds:
    description: How long a user waits for an answer.
    type: float
    default: 60
  deadline_seconds:
    description: After this time a step is over.
    type: float
    default: 300
  requests_max:
    description: No step may send more requests.
    type: int
    default: 20000
  cpu_hosts:
    description: The hosts whose CPU counts, the busiest of them. Empty for the one that sends the load.
    type: list
    elements: str
    default: []
  locustfile:
    description: What Locust plays, on the controller.
    type: path
    required: true
  report_dir:
    description: The folder on the controller for the reports.
    type: path
    required: true
  docker_socket:
    description: The socket of the docker host's engine.
    type: path
    default: /var/run/docker.sock
"""

EXAMPLES = r"""
- name: Let 20 users in, twice
  fungap.swarm.load_test:
    platform: fungap
    target: {app: web, host: web.localhost, address: 172.30.0.3}
    ca_file: .secrets/ca.crt
    image: "{{ ansible_facts['platform_images']['load-test'].id }}"
    profiles:
      load: {users: [20, 20], ramp_seconds: 2, loops: 2}
    locustfile: locustfile.py
    report_dir: reports
"""

RETURN = r"""
steps:
  description: A row for each step, in the order of time; times in seconds, CPU in percent.
  returned: success, failure after a step
  type: list
  elements: dict
verdict:
  description: What the test shows, in a sentence.
  returned: success, failure after a step
  type: str
limit_users:
  description: The users of the last step within the limits, for a profile that has one; null where it was not found.
  returned: success, failure after a step
  type: int
reports:
  description: Paths of the reports on the controller.
  returned: success, failure after a step
  type: list
  elements: str
"""
