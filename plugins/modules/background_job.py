#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: background_job
short_description: Wait for a task that was started in the background
version_added: 1.0.0
description:
  - Waits for a task that ran with C(async) and C(poll=0), and returns what it returned.
  - Shows how far the job is, as a rollout is shown, where the task's module tells (C(job.progress) is the file on the
    target); of others, every 15 s that they are at work. A job whose process is gone and has left no result fails,
    within seconds.
  - An action plugin that reads the job's file. M(ansible.builtin.async_status) starts a module for each look, prints a
    retry that looks like a failure, and waits for a dead job until its retries are used up.
author: The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    support: full
    description: Tasks are not started in the background there.
  diff_mode:
    support: none
    description: Changes nothing itself.
options:
  job:
    description: What the task registered.
    type: dict
    required: true
  what:
    description: What is waited for, as each line begins.
    type: str
    required: true
  deadline_seconds:
    description: After so many seconds the wait fails. The job goes on, until the limit that C(async) gave it.
    type: int
    default: 1800
"""

EXAMPLES = r"""
- name: Wait until the images are there
  fungap.swarm.background_job:
    job: "{{ images_job }}"
    what: images
  when: images_job.ansible_job_id is defined
"""

RETURN = r"""
# What the task itself returns.
"""
