#!/usr/bin/env bash
# Resolve requirements.txt and requirements-dev.txt into exact versions with hashes, for every Python the controller may have.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=.cache/lock
[[ -x $tool/bin/uv ]] || { bin/setup.sh && .venv/bin/python -m venv "$tool" && "$tool/bin/pip" install --quiet uv==0.13.9; }
export UV_CUSTOM_COMPILE_COMMAND="make lock"
compile=("$tool/bin/uv" pip compile --quiet --universal --generate-hashes --no-annotate)
"${compile[@]}" --python-version 3.11 requirements.txt --output-file requirements.lock "$@"
"${compile[@]}" --python-version 3.11 requirements-dev.txt --constraints requirements.lock --output-file requirements-dev.lock "$@"
# What an image installs: for its own Python, whatever the architecture.
image=roles/images/files/load-test
"${compile[@]}" --python-version 3.13 "$image/requirements.txt" --output-file "$image/requirements.lock" "$@"
