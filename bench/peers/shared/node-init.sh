# PID 1 of a node where the image's own init is not used: what dockerd must write becomes writable, dockerd gets out of the root cgroup's
# way (cgroup v2), a killed dockerd's pid files are forgotten.
for m in $(awk '$3 ~ /^cgroup/ {print $2}' /proc/mounts) /proc/sys; do mount -o remount,bind,rw "$m"; done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || :; done
  for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c" > /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || :; done
fi
rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
exec dockerd --host unix:///run/node/docker.sock --bip 10.199.0.1/24 --default-address-pool base=10.200.0.0/16,size=24 \
  --log-opt max-size=10m --log-opt max-file=3
