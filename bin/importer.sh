#!/usr/bin/env bash
# Usage: bin/importer.sh
# What Galaxy would say of the collection: builds it and lets galaxy-importer judge the archive. Its ansible-lint and
# ansible-test are off, as `make lint` and `make sanity` run both.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=$PWD/.cache/galaxy-importer work=$PWD/.cache/galaxy
# In an environment of its own: it brings an ansible-core.
if [[ ! -d $tool ]]; then
  .venv/bin/python -m venv "$tool"
  "$tool/bin/pip" install --quiet --disable-pip-version-check galaxy-importer==0.4.44
fi

rm -rf "$work"
mkdir -p "$work"
.venv/bin/ansible-galaxy collection build --output-path "$work" . >/dev/null
cat >"$work/importer.cfg" <<'END'
[galaxy-importer]
RUN_FLAKE8 = False
RUN_ANSIBLE_LINT = False
RUN_ANSIBLE_TEST = False
CHECK_REQUIRED_TAGS = True
CHECK_CHANGELOG = True
END
cd "$work"
env GALAXY_IMPORTER_CONFIG="$work/importer.cfg" PATH="$tool/bin:$PATH" \
  "$tool/bin/python" -m galaxy_importer.main ./*.tar.gz | grep -v ^Loading
