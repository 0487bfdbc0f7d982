"""What `make check` runs for which change."""

from __future__ import annotations

import pytest

from tests.affected import ALWAYS, affected


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        pytest.param("README.md", [], id="a page"),
        pytest.param(
            "roles/registry/tasks/main.yml", ["tests/molecule/test_scenarios.py::test_scenario[registry]"], id="a role"
        ),
        pytest.param(
            "roles/proxy/templates/routes.conf.j2",
            [
                "tests/molecule/test_scenarios.py::test_scenario[proxy]",
                *("tests/integration/test_proxy_config.py", "tests/integration/test_proxy_validation.py"),
                "tests/integration/test_acme.py",
            ],
            id="a role with tests of its files",
        ),
        pytest.param("roles/load_test/defaults/main.yml", [], id="a role without a scenario"),
        pytest.param("plugins/modules/env_volume.py", ["tests/integration/test_env_volume.py"], id="a module"),
        pytest.param("plugins/module_utils/stack/rollout.py", ["tests/integration/test_swarm_stack.py"], id="a plan"),
        pytest.param(
            "tests/monitoring/grafana/render.cjs", ["tests/monitoring/test_1_rendered.py"], id="what Grafana shows"
        ),
        pytest.param("galaxy.yml", ["sanity"], id="what ships"),
    ],
)
def test_affected(path: str, tests: list[str]) -> None:
    assert affected([path]) == [*ALWAYS, *tests]
