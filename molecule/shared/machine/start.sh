# What a machine of the tests does before its systemd starts.
# What systemd and an engine inside must write is mounted read-only where the container is not privileged.
for mount in $(awk '$3 ~ /^cgroup/ {print $2}' /proc/mounts) /proc/sys; do
    mount -o remount,bind,rw "$mount"
done
set -e
# See tests/site. Over SSH it is /etc/environment that names the folder.
cat /srv/sitecustomize.py >"/etc/$(basename "$(readlink -f /usr/bin/python3)")/sitecustomize.py"
mkdir -p -m 0700 "$FUNGAP_TEST_CODE/$(python3 -c 'import sys; print(sys.implementation.cache_tag)')"
echo "FUNGAP_TEST_CODE=$FUNGAP_TEST_CODE" >/etc/environment
# See tests/warm_python.py.
cd /srv/warm
/usr/bin/python3 -m tests.warm_python /run/warm-python /usr/local/bin/warm-python
systemctl enable --quiet /srv/machine/warm-python.socket
systemctl link --quiet /srv/machine/warm-python.service
exec /sbin/init
