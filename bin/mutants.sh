#!/usr/bin/env bash
# Usage: bin/mutants.sh [run [PATTERN] | show NAME]
# Mutation testing of what decides: what module_utils has of models and plans, and plugin_utils/release.py, against their unit tests.
#   run   make mutants, run the tests of each, list those that survive; PATTERN: of files, e.g. '*/stack/plan.py'
#   show  the diff of one
set -euo pipefail
cd "$(dirname "$0")/.."

tool=$PWD/.cache/mutmut work=$PWD/.cache/mutants swarm=ansible_collections/fungap/swarm
patterns=('*/module_utils/*/model.py' '*/module_utils/*/plan.py' '*/module_utils/*/rollout.py' '*/member/actions.py' '*/plugin_utils/release.py')
tests=(tests/unit/test_{plan,model}_*.py tests/unit/test_{app,compose,env,host_container,release,stack,status}.py)

if [[ ${1:-run} == show ]]; then
  cd "$work"
  exec "$tool/bin/mutmut" show "$2"
fi
if (($# > 1)); then
  patterns=("$2")
fi

# mutmut in an environment of its own, which has that of the tests behind it.
if [[ ! -x $tool/bin/mutmut ]]; then
  .venv/bin/python -m venv "$tool"
  libraries=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$libraries" >"$("$tool/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
  "$tool/bin/pip" install --quiet --disable-pip-version-check mutmut==3.8.1
fi

# A real copy instead of the link: mutmut knows a module by its path, and tests import it by the same name.
rm -rf "$work"
mkdir -p "$work/$swarm"
cp -rp plugins roles tests "$work/$swarm"
cat >"$work/pyproject.toml" <<END
[tool.mutmut]
source_paths = ["$swarm/plugins"]
only_mutate = [$(printf '"%s",' "${patterns[@]}")]
also_copy = ["$swarm/tests", "$swarm/roles"]
pytest_add_cli_args_test_selection = [$(printf "\"$swarm/%s\"," "${tests[@]}")]
# Else pytest takes the settings of the checkout above, and its code.
[tool.pytest.ini_options]
pythonpath = ["."]
END

cd "$work"
if ! "$tool/bin/mutmut" run --max-children "${PROCESSES:-$(nproc)}" >run.log 2>&1; then
  tr '\r' '\n' <run.log | tail -n 30
  exit 1
fi
"$tool/bin/mutmut" results
"$tool/bin/mutmut" export-cicd-stats >/dev/null
cat mutants/mutmut-cicd-stats.json
