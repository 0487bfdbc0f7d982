# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler of the apps' ``cron``: docs/jobs.md says how a slot is run exactly once.

It is of the exporter's image, since both read a swarm by the same few requests, and a process of its own: what answers
scrapes never writes, and what writes listens to nobody.
"""
