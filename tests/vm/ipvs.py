#!/usr/bin/env python3
"""No request lost with IPVS: the tests under load, against a platform on a kernel that has it.

Where this machine's kernel has none, another runs as a process (User Mode Linux, Debian's package), at nearly the speed
of this machine, but for what starts processes. Images are carried in as archives; the rates are a tenth, and the app's
checks have time.

    ipvs.py [--factor 0.1] [PYTEST ARGUMENTS]      by default test_2_zero_loss.py but for the power cut
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]
from run import save_images, tool
from vm import CACHE, CHECKOUT, IMAGES_DIR, ROOT, VmError, alone, as_root, recipe, run, say, wait_for

from tests import checkout

TAP = f"fungap-{CHECKOUT}"
PACKAGES = (
    "systemd-sysv,dbus,udev,kmod,openssh-server,python3,python3-docker,ca-certificates,iproute2,procps,iptables,curl,"
    "docker.io,docker-cli"
)
HOST_PACKAGES = ["mmdebstrap", "debian-archive-keyring", "e2fsprogs", "openssh-client", "iproute2"]
MODULES = "ip_vs ip_vs_rr xt_ipvs vxlan br_netfilter overlay iptable_nat iptable_filter"
# Run by mmdebstrap with the new root as $1; {uml}: the unpacked package.
CUSTOMIZE = """
set -e
echo vm1 > "$1/etc/hostname"
printf '127.0.0.1 localhost\\n127.0.1.1 vm1\\n' > "$1/etc/hosts"
echo '/dev/ubda / ext4 defaults,noatime 0 1' > "$1/etc/fstab"
mkdir -p "$1/usr/lib/modules" "$1{images}" && cp -a {uml}/usr/lib/uml/modules/* "$1/usr/lib/modules/"
chroot "$1" depmod "$(ls "$1/usr/lib/modules")"
install -d -m 0700 "$1/root/.ssh"
printf 'PermitRootLogin prohibit-password\\nPasswordAuthentication no\\nHostKey /etc/ssh/ssh_host_ed25519_key\\n' \\
  > "$1/etc/ssh/sshd_config.d/vm.conf"
rm -f "$1"/etc/ssh/ssh_host_*
# The kernel knows nf_tables, and none of its families.
chroot "$1" update-alternatives --set iptables /usr/sbin/iptables-legacy
echo {modules} | tr ' ' '\\n' > "$1/etc/modules-load.d/swarm.conf"
systemctl --root="$1" enable systemd-networkd ssh
systemctl --root="$1" mask apt-daily.timer apt-daily-upgrade.timer man-db.timer
"""


def base() -> Path:
    """The cached folder with disk.img and linux.uml, made first where this recipe has none."""
    _, lines = recipe()
    text = "\n".join([PACKAGES, CUSTOMIZE, MODULES, *lines])
    folder = CACHE / f"uml-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    say("making a machine for User Mode Linux")
    install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qy", "--no-install-recommends"]
    run(as_root(["apt-get", "update", "-q"]), timeout=300, what="apt-get update")
    run(as_root([*install, *HOST_PACKAGES]), timeout=600, what="apt-get install")
    CACHE.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="build-", dir=CACHE))
    work.chmod(0o755)
    try:
        uml, root, out = work / "uml", work / "root", work / "out"
        out.mkdir()
        # Not installed: it is of no use to anybody but this machine.
        subprocess.run(["apt-get", "download", "-qq", "user-mode-linux"], cwd=work, check=True, timeout=300)
        [package] = work.glob("user-mode-linux_*.deb")
        run(["dpkg-deb", "-x", str(package), str(uml)], timeout=120, what="unpacking the kernel")
        customize = CUSTOMIZE.format(uml=uml, images=IMAGES_DIR, modules=shlex.quote(MODULES))
        bootstrap = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={PACKAGES}"]
        command = [*bootstrap, f"--customize-hook={customize}", "trixie", str(root), *lines]
        run(as_root(command), timeout=900, what="mmdebstrap")
        disk = ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(root), str(out / "disk.img"), "16G"]
        run(as_root(disk), timeout=300, what="mke2fs")
        shutil.copy2(uml / "usr" / "bin" / "linux.uml", out / "linux.uml")
        out.rename(folder)
    finally:
        run(as_root(["rm", "-rf", str(work)]), timeout=120, what="cleaning up")
    return folder


def put(disk: Path, files: dict[str, Path], mode: int) -> None:
    """Write files into a disk that nothing has mounted."""
    commands = [
        f"{word}" for path, file in files.items() for word in (f"write {file} {path}", f"sif {path} mode 0100{mode:o}")
    ]
    script = disk.with_name("debugfs")
    script.write_text("\n".join(commands) + "\n")
    run(["debugfs", "-w", "-f", str(script), str(disk)], timeout=60, what="debugfs")


@dataclass(frozen=True)
class Link:
    """The network between this machine and the one that is tested."""

    network: ipaddress.IPv4Network

    @property
    def here(self) -> str:
        return str(self.network[1])

    @property
    def there(self) -> str:
        return str(self.network[2])

    def networkd_file(self) -> str:
        """What systemd-networkd needs in the machine that is tested."""
        return (
            f"[Match]\nName=vec0\n[Network]\nAddress={self.there}/{self.network.prefixlen}\nGateway={self.here}\n"
            "LinkLocalAddressing=no\n"
        )


def free_network(checkout: str, routes: Iterable[str]) -> ipaddress.IPv4Network:
    """256 addresses that no route of this machine leads to. Where the search begins follows from the checkout.

    Routes of more than 65,536 addresses don't count, because a narrower route wins over them.
    """
    known = [ipaddress.ip_network(route) for route in routes if route[:1].isdigit()]
    taken = [network for network in known if network.prefixlen >= 16]
    candidates = list(ipaddress.IPv4Network("10.64.0.0/10").subnets(new_prefix=24))
    first = int(checkout, 16) % len(candidates)
    for network in candidates[first:] + candidates[:first]:
        if not any(network.overlaps(other) for other in taken):
            return network
    raise VmError("no network of 10.64.0.0/10 is free on this machine")


def link() -> Link:
    """A free network, once what a killed run of this checkout left is gone."""
    subprocess.run(["ip", "link", "del", TAP], capture_output=True, check=False)
    routes = json.loads(run(["ip", "-json", "-4", "route", "show"], timeout=10, what="ip route"))
    return Link(free_network(CHECKOUT, [route["dst"] for route in routes]))


@dataclass(frozen=True)
class Machine:
    """A running machine. ``ssh``: the options by which ssh reaches it."""

    address: str
    ssh: list[str]

    @property
    def target(self) -> str:
        return f"root@{self.address}"


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine that runs until the end of the block."""
    made = base()
    connection = link()
    for key in ("user_key", "host_key"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], timeout=30, what="ssh-keygen")
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"{connection.there} {host_key}\n")
    disk = folder / "disk.img"
    run(["cp", "--sparse=always", str(made / "disk.img"), str(disk)], timeout=300, what="copying the disk")
    keys = {"/etc/ssh/ssh_host_ed25519_key": folder / "host_key", "/root/.ssh/authorized_keys": folder / "user_key.pub"}
    put(disk, keys, 0o600)
    (folder / "vec0.network").write_text(connection.networkd_file())
    put(disk, {"/etc/systemd/network/vec0.network": folder / "vec0.network"}, 0o644)
    ssh = ["-i", str(folder / "user_key"), "-o", f"UserKnownHostsFile={folder / 'known_hosts'}"]
    ssh += ["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"]
    here = f"{connection.here}/{connection.network.prefixlen}"
    for words in (f"tuntap add dev {TAP} mode tap", f"addr add {here} dev {TAP}", f"link set {TAP} up"):
        run(["ip", *words.split()], timeout=10, what=f"ip {words}")
    started = Machine(connection.there, ssh)
    command = [str(made / "linux.uml"), "mem=5G", f"ubd0={disk}", "root=/dev/ubda", "rw", "net.ifnames=0"]
    command += [f"vec0:transport=tap,ifname={TAP},depth=128", "con=null", "con0=null,fd:2", f"umid={folder.name}"]
    with (folder / "console.log").open("wb") as console:
        kernel = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={**os.environ, "TMPDIR": str(folder)},
            start_new_session=True,
        )
    try:
        probe = ["ssh", *ssh, started.target, "true"]
        ready = wait_for(
            "ssh", lambda: subprocess.run(probe, capture_output=True, check=False).returncode == 0, deadline_seconds=300
        )
        say(f"up after {ready:.0f} s")
        yield started
    finally:
        subprocess.run(["ssh", *ssh, started.target, "poweroff"], capture_output=True, check=False, timeout=30)
        try:
            kernel.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(kernel.pid, signal.SIGKILL)
        run(["ip", "link", "del", TAP], timeout=10, what="ip link del")


def inventory(folder: Path, vm: Machine) -> Path:
    """That of the tests under load, for the machine."""
    source, target = ROOT / "tests" / "load" / "inventory", folder / "inventory"
    shutil.copytree(source, target)
    hosts = yaml.safe_load((source / "hosts.yml").read_text())
    hosts["docker_hosts"]["hosts"] = {
        "vm1": {"ansible_host": vm.address, "ansible_user": "root", "ansible_ssh_common_args": shlex.join(vm.ssh)}
    }
    for group, node, last in (("managers", "manager1", 11), ("workers", "worker1", 21), ("workers", "worker2", 22)):
        hosts[f"swarm_{group}"]["hosts"][node] = {"swarm_node_address": f"{checkout.subnet('load')}.{last}"}
    (target / "hosts.yml").write_text(yaml.safe_dump(hosts))
    variables = yaml.safe_load((source / "group_vars" / "all.yml").read_text())
    variables |= checkout.variables("load") | {
        "platform_secrets_dir": str(folder / "secrets"),
        "proxy_bind_address": "0.0.0.0",  # of the machine, which this one alone can reach
        "images_source": "archive",
        "images_archive_dir": IMAGES_DIR,
        "proxy_deadline_seconds": 900,
        "app_deadline_seconds": 900,
    }
    # What starts processes is slow there, and a health check does.
    policy = {"monitor": "45s"}
    variables["apps"]["web"] |= {
        "health": {"interval_seconds": 10, "timeout_seconds": 10, "retries": 3, "start_period_seconds": 60},
        "service": {"deploy": {"update_config": policy, "rollback_config": policy}},
    }
    (target / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables))
    return target


@contextmanager
def sockets(folder: Path, vm: Machine, nodes: list[str], run_dir: str) -> Iterator[dict[str, str]]:
    """The machine's engines on this one; fields of the tests' Settings."""
    pairs = [(folder / "host.sock", "/run/docker.sock")]
    pairs += [(folder / f"{node}.sock", f"{run_dir}/{node}/docker.sock") for node in nodes]
    forwards = [word for here, there in pairs for word in ("-L", f"{here}:{there}")]
    tunnel = subprocess.Popen(["ssh", *vm.ssh, "-N", *forwards, vm.target], stdin=subprocess.DEVNULL)
    try:
        wait_for("the sockets", lambda: all(here.exists() for here, _ in pairs), deadline_seconds=60)
        yield {"docker_host_socket": str(pairs[0][0]), "node_socket": str(folder / "{node}.sock")}
    finally:
        tunnel.terminate()
        tunnel.wait(10)


def prove(folder: Path, tests: list[str], factor: float) -> int:
    """Bring a platform up in a machine and run the tests against it; pytest's exit code."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    archives = save_images()
    with machine(folder) as vm:
        ssh, target = vm.ssh, vm.target
        files = [str(file) for file in sorted(archives.glob("*.tar"))]
        run(["scp", "-q", *ssh, *files, f"{target}:{IMAGES_DIR}/"], timeout=600, what="carrying the images in")
        where = inventory(folder, vm)
        variables = yaml.safe_load((where / "group_vars" / "all.yml").read_text())
        started = time.monotonic()
        command = [tool("ansible-playbook"), "-i", str(where), "site.yml"]
        with (folder / "site.log").open("w") as log:
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise VmError(f"site.yml: exit {done.returncode}\n{(folder / 'site.log').read_text()[-4000:]}")
        say(f"site.yml took {time.monotonic() - started:.0f} s")
        for line in ("uname -r", "cat /proc/net/ip_vs"):
            say(run(["ssh", *ssh, target, line], timeout=60, what=line).strip())
        config = f"{variables['platform_config_dir']}/registry-client/config.json"
        login = folder / "registry-client"
        login.mkdir(mode=0o700)
        run(["scp", "-q", *ssh, f"{target}:{config}", str(login)], timeout=60, what="the registry's login")
        nodes = ["manager1", "worker1", "worker2"]
        with sockets(folder, vm, nodes, variables["platform_run_dir"]) as reached:
            settings = {
                "name": variables["platform_name"],
                "registry": variables["registry_address"],
                "inventory": str(where),
                "address": f"{vm.address}:{variables['proxy_https_port']}",
                "ca": str(folder / "secrets" / "ca.crt"),
                "registry_config": str(login),
                "factor": factor,
                "has_small_disk": False,
                **reached,
            }
            (folder / "where.json").write_text(json.dumps(settings))
            pytest = [tool("pytest"), "-q", "-s", *tests]
            environment["FUNGAP_LIVE_PLATFORM"] = str(folder / "where.json")
            return subprocess.run(pytest, cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="The tests under load, with IPVS")
    parser.add_argument("--factor", type=float, default=0.1, help="times the client's rates")
    arguments, chosen = parser.parse_known_args()
    tests = chosen or ["tests/load/test_2_zero_loss.py", "-k", "not vanishes"]
    (CACHE / "ipvs").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=CACHE / "ipvs"))
    try:
        with alone():
            return prove(folder, tests, arguments.factor)
    except (VmError, subprocess.SubprocessError, OSError) as error:
        say(f"failed: {type(error).__name__}: {error}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
