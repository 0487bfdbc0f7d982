#!/bin/bash
# The limit: the platform's work done by a plain script with the Docker CLI, everything that can run side by side doing so.
# Needs PEER_{NODE,REGISTRY,PROXY,APP}_IMAGE. Ends when HTTPS answers from a replica and the registry has all four images; prints
# its own phases in seconds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PREFIX=${PEER_PREFIX:-bench-sh} SUBNET=${PEER_SUBNET:-172.31.77} HTTP=${PEER_HTTP_PORT:-18080} HTTPS=${PEER_HTTPS_PORT:-18443}
RUN=/run/$PREFIX REGISTRY=$SUBNET.2:5000
export SUBNET
declare -A ADDRESS=([manager1]=$SUBNET.11 [worker1]=$SUBNET.21 [worker2]=$SUBNET.22)
NODES="manager1 worker1 worker2"
started=$EPOCHREALTIME
phase() { awk -v a="$started" -v b="$EPOCHREALTIME" -v what="$1" 'BEGIN { printf "%6.1f %s\n", b - a, what }'; }
node() { docker -H "unix://$RUN/$1/docker.sock" "${@:2}"; }
await() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  until "${@:3}" > /dev/null 2>&1; do
    ((SECONDS < end)) || { echo "$what: not so in time" >&2; exit 1; }
    sleep 0.2
  done
}
wait_all() { local pid; for pid in "$@"; do wait "$pid"; done; }
wait_healthy() { # STACK SERVICE COUNT
  [ "$(node manager1 service ls --filter name="$1" --format '{{.Replicas}}')" = "$2" ]
}

mkdir -p "$RUN" && chmod 700 "$RUN"
"$here/shared/certificates.sh" "$RUN/tls" "$SUBNET.2"
mkdir -p "/etc/docker/certs.d/$REGISTRY" "$RUN/certs.d/$REGISTRY" "$RUN/client"
cp "$RUN/tls/ca.pem" "/etc/docker/certs.d/$REGISTRY/ca.crt"
cp "$RUN/tls/ca.pem" "$RUN/certs.d/$REGISTRY/ca.crt"
cp "$here/shared/registry.yml" "$RUN/tls/"
envsubst '$SUBNET' < "$here/shared/edge.conf" > "$RUN/edge.conf"
version=$(sha256sum "$RUN/tls/env" | cut -c1-12)
export ENV_VOLUME=web_env_$version
docker network create --subnet "$SUBNET.0/24" "$PREFIX" > /dev/null

# Every capability where the kernel grants it, an explicit list where it doesn't.
full=$(((1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1))
if ((0x$(awk '/CapBnd/ {print $2}' /proc/1/status) == full)); then profile=(--privileged --cgroupns private); else
  profile=(--cgroupns private --security-opt seccomp=unconfined --security-opt systempaths=unconfined)
  for cap in SYS_ADMIN NET_ADMIN SYS_PTRACE SYSLOG SYS_NICE IPC_LOCK DAC_READ_SEARCH; do profile+=(--cap-add "$cap"); done
fi
pids=()
docker run -d --name "$PREFIX-registry" --network "$PREFIX" --ip "$SUBNET.2" --restart unless-stopped -v "$RUN/tls:/peer:ro" \
  -v "$PREFIX-registry:/var/lib/registry" --entrypoint sh "$PEER_REGISTRY_IMAGE" \
  -c 'exec "$(command -v docker-registry || command -v registry)" serve /peer/registry.yml' > /dev/null & pids+=($!)
for name in $NODES; do
  docker run -d --name "$PREFIX-$name" --hostname "$name" --network "$PREFIX" --ip "${ADDRESS[$name]}" --restart unless-stopped \
    --stop-timeout 60 "${profile[@]}" -v "$RUN/$name:/run/node" -v "$PREFIX-$name:/var/lib/docker" \
    -v "$RUN/certs.d:/etc/docker/certs.d:ro" --entrypoint sh "$PEER_NODE_IMAGE" -c "$(cat "$here/shared/node-init.sh")" > /dev/null & pids+=($!)
done
wait_all "${pids[@]}"
phase "containers started"

push() { # NAME IMAGE...: all at once
  while (($#)); do
    (docker tag "$2" "$REGISTRY/$1" && docker --config "$RUN/client" push "$REGISTRY/$1" | sed -n 's/^latest: digest: \(sha256:[0-9a-f]*\).*/\1/p' > "$RUN/$1.digest") &
    shift 2
  done
  wait
}
push_services() { # the services' images travel while the swarm forms
  await 60 "registry" curl -s --cacert "$RUN/tls/ca.pem" "https://$REGISTRY/v2/"
  docker --config "$RUN/client" login -u platform --password-stdin "$REGISTRY" < "$RUN/tls/password" > "$RUN/login.log" 2>&1
  push proxy "$PEER_PROXY_IMAGE" app "$PEER_APP_IMAGE"
}
push_services & pushing=$!

for name in $NODES; do await 60 "engine of $name" node "$name" version; done
phase "engines answer"
node manager1 swarm init --advertise-addr "$SUBNET.11" --default-addr-pool 10.100.0.0/16 --default-addr-pool-mask-length 24 > /dev/null
token=$(node manager1 swarm join-token -q worker)
pids=()
for name in worker1 worker2; do
  node "$name" swarm join --token "$token" --advertise-addr "${ADDRESS[$name]}" "$SUBNET.11:2377" > /dev/null & pids+=($!)
done
node manager1 network create -d overlay --attachable public > /dev/null & pids+=($!)
node manager1 secret create site.pem "$RUN/tls/site.pem" > /dev/null & pids+=($!)
node manager1 secret create site.key "$RUN/tls/site.key" > /dev/null & pids+=($!)
node manager1 config create proxy "$here/shared/proxy.conf" > /dev/null & pids+=($!)
wait_all "${pids[@]}"
phase "swarm of 3"
wait "$pushing"
phase "services' images pushed"
push node "$PEER_NODE_IMAGE" registry "$PEER_REGISTRY_IMAGE" & pushing=$! # what only docker hosts run, beside all that follows
export PROXY_IMAGE=$REGISTRY/proxy@$(cat "$RUN/proxy.digest") APP_IMAGE=$REGISTRY/app@$(cat "$RUN/app.digest")
export PROXY_CONFIG=proxy SITE_CERTIFICATE=site.pem SITE_KEY=site.key

deliver() { # the env file into a volume of one node: through a container that never runs
  local id
  DOCKER_CONFIG=$RUN/client node "$1" pull -q "$APP_IMAGE" > /dev/null
  id=$(node "$1" create -v "$ENV_VOLUME:/env" --entrypoint true "$APP_IMAGE")
  tar -c -C "$RUN/tls" --transform 's/^env$/.env/' --mode 0600 --owner 0 --group 0 env | node "$1" cp - "$id:/env"
  node "$1" rm "$id" > /dev/null
  node manager1 node update --label-add "env.$ENV_VOLUME=ready" --label-add "role=$1" "$1" > /dev/null
}
pids=()
for name in $NODES; do deliver "$name" & pids+=($!); done
export DOCKER_CONFIG=$RUN/client
node manager1 stack deploy --with-registry-auth --detach=true -c "$here/shared/proxy-stack.yml" proxy > /dev/null
docker run -d --name "$PREFIX-edge" --network "$PREFIX" --ip "$SUBNET.3" --restart unless-stopped -p "$HTTP:80" -p "$HTTPS:443" \
  -v "$RUN/edge.conf:/peer/nginx.conf:ro" --entrypoint nginx "$PEER_PROXY_IMAGE" -g 'daemon off;' -c /peer/nginx.conf > /dev/null
wait_all "${pids[@]}"
phase "env volumes"
node manager1 stack deploy --with-registry-auth --detach=true -c "$here/shared/web-stack.yml" web > /dev/null
await 120 "proxy on every node" wait_healthy proxy_proxy 3/3
await 120 "replicas of the app" wait_healthy web_web 3/3
phase "services run"
await 60 "HTTPS" curl -sf --max-time 2 --cacert "$RUN/tls/ca.pem" --resolve "web.localhost:$HTTPS:127.0.0.1" "https://web.localhost:$HTTPS/healthz"
phase "HTTPS answers"
wait "$pushing"
phase "all images pushed"
