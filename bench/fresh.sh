#!/bin/bash
# From nothing to HTTPS: `make up` on a Debian that has git, make, mount and certificates, in a container of its own.
# usage: bench/fresh.sh [bookworm|trixie]     writes .cache/bench/fresh.json (the phases) and prints the seconds
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:-bookworm} name=bench-fresh image=bench-fresh:${1:-bookworm}
mkdir -p .cache/bench
command -v mmdebstrap > /dev/null || { echo "bench/fresh.sh: mmdebstrap is missing" >&2; exit 1; }
# Nothing may be there yet, or any more: then there is nothing to remove.
trap 'docker rm --force --volumes "$name" > /dev/null 2>&1; docker volume rm "$name" > /dev/null 2>&1 || true' EXIT

docker image inspect "$image" > /dev/null 2>&1 ||
  mmdebstrap --quiet --variant=apt --include=git,make,ca-certificates,mount "$suite" | docker import - "$image" > /dev/null

flags=(--cgroupns private --security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt apparmor=unconfined)
for capability in SYS_ADMIN NET_ADMIN SYS_PTRACE SYSLOG SYS_NICE IPC_LOCK DAC_READ_SEARCH; do flags+=(--cap-add "$capability"); done
# The machine: control groups and /proc/sys as a machine has them, the network's own authorities, a checkout.
docker run --detach --init --name "$name" --hostname fresh "${flags[@]}" --volume "$name:/var/lib/docker" --volume "$PWD:/src:ro" \
  --volume /usr/local/share/ca-certificates:/usr/local/share/ca-certificates:ro "$image" sh -c '
    for target in $(awk "(\$3 ~ /^cgroup/ || \$2 == \"/proc/sys\") && \$4 ~ /(^|,)ro(,|\$)/ {print \$2}" /proc/mounts); do mount -o remount,bind,rw $target; done
    exec sleep infinity' > /dev/null
docker exec "$name" sh -c 'update-ca-certificates > /dev/null 2>&1; git config --global --add safe.directory "*"; git clone --quiet /src /root/swarm'

started=$EPOCHREALTIME
docker exec --workdir /root/swarm --env LC_ALL=C.UTF-8 --env FUNGAP_PHASES_FILE=/root/phases.json "$name" make up
seconds=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f", b - a }')
docker cp "$name:/root/phases.json" .cache/bench/fresh.json > /dev/null
# A client that trusts the platform's CA and nothing else.
docker exec "$name" /root/swarm/.venv/bin/python -c '
import http.client, socket, ssl
trust = ssl.create_default_context(cafile="/root/swarm/inventories/local/.secrets/ca.crt")
connection = http.client.HTTPConnection("web.localhost")
connection.sock = trust.wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname="web.localhost")
connection.request("GET", "/")
answer = connection.getresponse()
print("HTTPS answers", answer.status, answer.read().decode())
raise SystemExit(answer.status != 200)'
echo "from nothing to HTTPS on $suite: $seconds s"
