# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Print what ``make check`` runs: lint, unit tests, and what a change touches.

``affected.py [COMMIT]``: the change since a commit; by default what is not committed, or else the last commit. A stage
is printed by its name, a part of one as a path that pytest takes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = ("lint", "unit")
SCENARIOS = "tests/molecule/test_scenarios.py::test_scenario[{}]"
INTEGRATION = "tests/integration/test_{}.py"
# A path's pattern -> the tests of what lies there. A group of the pattern is filled in. What touches everything (the
# runner, the engine's client, the playbooks) has its own tests only: `make test` is for the rest.
TESTS: Mapping[str, tuple[str, ...]] = {
    r"roles/(\w+)/.*": (SCENARIOS,),
    r"molecule/(\w+)/.*": (SCENARIOS,),
    r"(?:molecule/shared/machine.*|tests/warm_python\.py)": (SCENARIOS.format("docker_engine"),),
    r"tests/integration/test_(\w+)\.py": (INTEGRATION,),
    r"plugins/modules/(\w+)\.py": (INTEGRATION,),
    r"plugins/module_utils/(\w+)/\w+\.py": (INTEGRATION,),
    r"plugins/plugin_utils/(?:preflight|inventory|specs)\.py": (INTEGRATION.format("preflight"),),
    r"plugins/plugin_utils/compose_import/\w+\.py": (INTEGRATION.format("compose_import"),),
    r"plugins/plugin_utils/(?:pki|secret_store)\.py": (INTEGRATION.format("platform_secrets"),),
    r"plugins/module_utils/(stack|member|node)/\w+\.py": (INTEGRATION.format("swarm_{}"),),
    r"plugins/module_utils/host/\w+\.py": (INTEGRATION.format("swarm_node"),),
    r"plugins/(?:module_utils/app_volume/\w+|(?:modules|action)/app_volume\w*)\.py": (INTEGRATION.format("app_role"),),
    r"plugins/module_utils/volume/\w+\.py": (INTEGRATION.format("volume_backup"),),
    r"plugins/module_utils/(?:image|registry)/\w+\.py": (INTEGRATION.format("image_catalog"),),
    r"plugins/module_utils/(?:prune|registry)/\w+\.py": (INTEGRATION.format("prune"),),
    r"plugins/module_utils/(?:docker|image)/\w+\.py": (INTEGRATION.format("newer_release"),),
    r"roles/proxy/.*": (INTEGRATION.format("proxy_config"), INTEGRATION.format("proxy_validation")),
    r"roles/(?:proxy|images/files/acme)/.*": (INTEGRATION.format("acme"),),
    r"roles/monitoring/.*": (INTEGRATION.format("monitoring_config"), INTEGRATION.format("alert_rules")),
    r"(?:roles/monitoring/files/dashboards|tests/monitoring/grafana)/.*": ("tests/monitoring/test_1_rendered.py",),
    r"roles/images/files/swarm-exporter/.*": (INTEGRATION.format("swarm_exporter"), INTEGRATION.format("cron")),
    r"roles/cron/.*": (INTEGRATION.format("cron"),),
    r"roles/swarm_node/files/.*": (INTEGRATION.format("node_init"),),
    r"(?:galaxy\.yml|meta/.*)": ("sanity",),
}


def affected(paths: Iterable[str]) -> list[str]:
    """What to run for a change of these files. A test that a pattern names and nobody wrote is left out."""
    found = dict.fromkeys(ALWAYS)
    for path in paths:
        for pattern, tests in TESTS.items():
            if match := re.fullmatch(pattern, path):
                found.update(dict.fromkeys(test.format(*match.groups()) for test in tests))
    return [test for test in found if _exists(test)]


def _exists(test: str) -> bool:
    file, _, scenario = test.partition("::test_scenario[")
    if scenario:
        return (ROOT / "molecule" / scenario.rstrip("]") / "molecule.yml").exists()
    return (ROOT / file).exists() or "/" not in file


def changed(since: str) -> list[str]:
    """The files of a change."""

    def git(*arguments: str) -> list[str]:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()

    if since:
        return git("diff", "--name-only", since)
    here = git("diff", "--name-only", "HEAD") + git("ls-files", "--others", "--exclude-standard")
    return here or git("diff", "--name-only", "HEAD~1")


if __name__ == "__main__":
    print(" ".join(affected(changed(sys.argv[1] if len(sys.argv) > 1 else ""))))
