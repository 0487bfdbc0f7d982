#!/bin/sh
# On a manager: serves the proxies' state, the files below /srv/state, as one archive. Its tmpfs is the one place where a copy lies.
set -eu
umask 077
cd /srv/state
mkdir -m 700 /tmp/state /tmp/tasks
tar -cf /tmp/state/state.tar -- *
chown -R nginx: /tmp/state /tmp/tasks
# A volume, where certificates come by ACME: what gets them keeps them here.
[ ! -d /var/lib/proxy ] || { mkdir -p /var/lib/proxy/acme; chown -R nginx: /var/lib/proxy/acme; }
printf 'add_header X-State-Version "%s" always;\nadd_header X-State-Managers "%s" always;\n' "$FOLLOWED_VERSION" "$MANAGERS" >/tmp/told.conf
exec nginx -c /srv/serve.conf -g 'daemon off;'
