#!/usr/bin/env bash
# Usage: setup.sh [run|dev]
# Bring .venv to what requirements*.lock and requirements.yml say: "run" (the default) is what the playbooks need, "dev"
# also what the tests need. Installs distribution packages only where a fit Python is missing. No-op: a few milliseconds.
set -euo pipefail
cd "$(dirname "$0")"

level=${1:-run}
venv=$(readlink -m .venv)
declare -A lock=([run]=requirements.lock [dev]=requirements-dev.lock)

# What a venv of a level is made from. Its own path too: a venv that was moved doesn't work.
state() {
  { cat "${lock[$1]}" requirements-collections.txt requirements.yml setup.sh; echo "$venv"; } | sha256sum
}

is_ready() {
  [[ -f $venv/.setup-$1 && $(<"$venv/.setup-$1") == "$(state "$1")" && -x $venv/bin/python ]]
}

if is_ready "$level"; then
  exit 0
fi

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# apt-get update at most once, and only when something must be installed. A third-party source that fails is no reason
# to stop: whether the package can be had is what decides.
apt_install() {
  command -v apt-get >/dev/null || { echo "setup: install $* (or another Python 3.11-3.13 with venv) and try again" >&2; exit 1; }
  [[ -n ${apt_updated:-} ]] || as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || echo "setup: apt-get update had errors, going on" >&2
  apt_updated=yes
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -o DPkg::Lock::Timeout=300 --no-install-recommends "$@" >/dev/null
}

# A Python that ansible-core 2.19 runs on, with what makes a venv.
fit_python() {
  local python
  for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  return 1
}

if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  [[ -f /etc/ssl/certs/ca-certificates.crt ]] || apt_install ca-certificates
  if ! python=$(fit_python); then
    apt_install python3-venv
    # Ubuntu 22.04: python3 is 3.10, a newer one is a package of its own.
    python=$(fit_python) || { apt_install python3.11-venv && python=$(fit_python); } || {
      echo "setup: no Python 3.11, 3.12 or 3.13 with venv; install one and try again" >&2
      exit 1
    }
  fi
  echo "setup: new .venv with $("$python" --version), $python" >&2
  "$python" -m venv --clear "$venv"
fi

pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet --no-input)
# Older pips trust only what they carry; the machine's own list has what its network adds (a TLS-inspecting proxy's CA).
bundle=/etc/ssl/certs/ca-certificates.crt
if [[ -z ${PIP_CERT:-} && -f $bundle ]] && ! "${pip[@]}" config list | grep -q '\.cert='; then
  export PIP_CERT=$bundle
fi
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
echo "setup: Python packages and collections ($level)" >&2
"${pip[@]}" download --no-deps --require-hashes --dest "$download" --requirement requirements-collections.txt &
"${pip[@]}" install --no-deps --require-hashes --requirement "${lock[$level]}"
wait $!

"$venv/bin/python" - "$download"/ansible-*.whl <<'PYTHON'
"""Unpack the collections that requirements.yml names, in the versions it names, into site-packages."""
import json, shutil, sys, sysconfig, zipfile
from pathlib import Path
import yaml

site = Path(sysconfig.get_path("purelib"))
with zipfile.ZipFile(sys.argv[1]) as archive:
    for wanted in yaml.safe_load(Path("requirements.yml").read_text())["collections"]:
        prefix = "ansible_collections/" + wanted["name"].replace(".", "/") + "/"
        carried = json.loads(archive.read(prefix + "MANIFEST.json"))["collection_info"]["version"]
        if carried != str(wanted["version"]):
            sys.exit(f"setup: requirements.yml wants {wanted['name']} {wanted['version']}, the archive carries {carried}")
        shutil.rmtree(site / prefix, ignore_errors=True)
        archive.extractall(site, [name for name in archive.namelist() if name.startswith(prefix) and "/tests/" not in name])
PYTHON

state run >"$venv/.setup-run"  # "dev" is a superset of "run"
state "$level" >"$venv/.setup-$level"
