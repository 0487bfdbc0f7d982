# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.casc import configuration, groovy_string, secret_files
from ansible_collections.fungap.swarm.plugins.plugin_utils.jenkins import job_names, known_hosts_line
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain


def jenkins_casc(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration, of the settings that ``configuration`` takes."""
    return configuration(**plain(settings))


def jenkins_secret_files(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The controller's secret files, of what ``secret_files`` takes."""
    return secret_files(**plain(settings))


def jenkins_job_names(apps: Mapping[str, Any], load_test: bool, backup: bool) -> list[str]:
    """Names of the jobs that the role makes for these apps."""
    return job_names(plain(apps), load_test=load_test, backup=backup)


class FilterModule:
    """Filters of fungap.swarm."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "groovy_string": groovy_string,
            "jenkins_casc": jenkins_casc,
            "jenkins_job_names": jenkins_job_names,
            "jenkins_secret_files": jenkins_secret_files,
            "known_hosts_line": known_hosts_line,
        }
