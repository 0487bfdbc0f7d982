#!/usr/bin/env bash
# Usage: bin/site.sh
# The collection's reference as a site, by antsibull-docs and Sphinx: .cache/site/build/html. What a module or role says of itself
# and antsibull-docs refuses is an error. References into Ansible's own documentation are resolved where that can be reached.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=$PWD/.cache/antsibull-docs site=$PWD/.cache/site
[[ -x $tool/bin/antsibull-docs ]] || .venv/bin/python -m venv "$tool"
"$tool/bin/pip" install --quiet --disable-pip-version-check \
  antsibull-docs==2.28.0 ansible-core==2.19.14 sphinx==9.0.4 sphinx-ansible-theme==0.10.4 ansible-pygments==0.1.2

rm -rf "$site"
mkdir -p "$site"
touch "$site/ansible.cfg"
export ANSIBLE_CONFIG=$site/ansible.cfg
.venv/bin/ansible-galaxy collection build --output-path "$site"
.venv/bin/ansible-galaxy collection install --no-deps -p "$site/collections" "$site"/*.tar.gz
ANSIBLE_COLLECTIONS_PATH=$site/collections:$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
export ANSIBLE_COLLECTIONS_PATH PATH=$tool/bin:$PATH LC_ALL=C.UTF-8

cd "$site"
antsibull-docs sphinx-init --use-current --dest-dir . fungap.swarm
mkdir -p rst
chmod og-w rst
antsibull-docs --config-file antsibull-docs.cfg collection --cleanup everything --use-current --dest-dir rst fungap.swarm 2>&1 | tee log
! grep ERROR: log
sphinx-build -M html rst build -c . --keep-going
