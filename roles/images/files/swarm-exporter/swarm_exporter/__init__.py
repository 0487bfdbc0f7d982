# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures of a Docker engine and of its swarm for Prometheus.

``metrics`` names all of them; ``containers``, ``swarm``, ``discovery``, ``access_log`` and ``certificate`` are pure;
``engine`` alone speaks to Docker; ``collector`` puts them together; ``__main__`` serves.
"""
