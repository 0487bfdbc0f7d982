#!/bin/bash
# Take a peer's platform away, whatever state it is in: down.sh PREFIX SUBNET
set -u
docker ps -aq --filter "name=^/$1-" | xargs -r docker rm -f -v > /dev/null
docker volume ls -q --filter "name=^$1-" | xargs -r docker volume rm > /dev/null
docker network ls -q --filter "name=^$1$" | xargs -r docker network rm > /dev/null
docker images --format '{{.Repository}}:{{.Tag}}' | grep "^$2.2:5000/" | xargs -r docker rmi > /dev/null
docker images --digests --format '{{.Repository}}@{{.Digest}}' | grep "^$2.2:5000/.*sha256" | xargs -r docker rmi > /dev/null
rm -rf "/run/$1" "/etc/docker/certs.d/$2.2:5000"
