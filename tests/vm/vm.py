#!/usr/bin/env python3
"""A real Debian 13 machine for the tests: systemd, cgroup v2, IPVS, every capability, under QEMU without KVM.

The disk is built from the distribution's packages and cached by its recipe; each machine runs on a copy of its own,
with a user key and a host key made for it (handed over as systemd credentials): nothing is trusted on first use and
nothing secret lies in the cache. A checkout has one machine, apart from those of other checkouts: its files are in
.cache/vm, its ports follow from the checkout's path, and others are taken if these are in use.

    vm.py build                      the cached disk, made if missing
    vm.py boot [--images DIR]        a fresh machine in the background; prints how to reach it
    vm.py ssh [COMMAND...]           into the running one
    vm.py reboot | poweroff
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "vm"
# In names that this machine has only once.
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
USER = "admin"
HOSTNAME = "vm1"
# Where a disk of images that was handed to `boot` shows up in the machine.
IMAGES_DIR = "/srv/images"

SUITE = "trixie"
PACKAGES = (
    "linux-image-cloud-amd64,systemd-sysv,dbus,udev,kmod,openssh-server,python3,sudo,ca-certificates,"
    "iproute2,procps,iptables,nftables,curl"
)
DISK_SIZE = "16G"
HOST_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
}

# Run by mmdebstrap with the new root as $1.
CUSTOMIZE = f"""
set -e
echo {HOSTNAME} > "$1/etc/hostname"
printf '127.0.0.1 localhost\\n127.0.1.1 {HOSTNAME}\\n' > "$1/etc/hosts"
echo '/dev/vda / ext4 defaults,noatime 0 1' > "$1/etc/fstab"
printf 'LABEL=images {IMAGES_DIR} ext4 ro,nofail,x-systemd.device-timeout=300s 0 0\\n' >> "$1/etc/fstab"
mkdir -p "$1{IMAGES_DIR}" "$1/usr/local/share/ca-certificates"
printf '[Match]\\nName=eth0\\n[Network]\\nAddress=10.0.2.15/24\\nGateway=10.0.2.2\\nLinkLocalAddressing=no\\n' \\
  > "$1/etc/systemd/network/eth0.network"
echo 'nameserver 10.0.2.3' > "$1/etc/resolv.conf"
for certificate in /usr/local/share/ca-certificates/*.crt; do
  [ -e "$certificate" ] && cp "$certificate" "$1/usr/local/share/ca-certificates/"
done
chroot "$1" update-ca-certificates
chroot "$1" useradd --create-home --shell /bin/bash {USER}
install -d -m 0700 "$1/home/{USER}/.ssh" && chroot "$1" chown {USER}: /home/{USER}/.ssh
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > "$1/etc/sudoers.d/{USER}" && chmod 0440 "$1/etc/sudoers.d/{USER}"
printf '%s\\n' 'PermitRootLogin no' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' \\
  'HostKey /etc/ssh/ssh_host_ed25519_key' > "$1/etc/ssh/sshd_config.d/vm.conf"
rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/machine-id" && : > "$1/etc/machine-id"
# Emulated on a busy machine, a device may take minutes to show up.
mkdir -p "$1/etc/systemd/system.conf.d"
printf '[Manager]\\nDefaultTimeoutStartSec=600\\nDefaultDeviceTimeoutSec=600\\n' \\
  > "$1/etc/systemd/system.conf.d/emulation.conf"
systemctl --root="$1" mask serial-getty@ttyS0.service
systemctl --root="$1" enable systemd-networkd ssh
systemctl --root="$1" mask apt-daily.timer apt-daily-upgrade.timer man-db.timer
"""


class VmError(Exception):
    """Something about the machine went wrong; the message says what and shows the evidence."""


def say(message: str) -> None:
    print(f"[vm] {message}", file=sys.stderr, flush=True)


def run(command: Sequence[str], *, timeout: float, what: str) -> str:
    """Run to the end and return stdout; VmError with the output's tail on failure or past the deadline."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise VmError(f"{what}: not done in {timeout:.0f} s") from None
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise VmError(f"{what}: exit {done.returncode}\n{tail}")
    return done.stdout


def as_root(command: Sequence[str]) -> list[str]:
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def install_tools() -> None:
    missing = sorted(
        {
            package
            for tool, package in HOST_TOOLS.items()
            if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        }
    )
    if missing:
        say(f"installing {' '.join(missing)}")
        run(as_root(["apt-get", "update", "-q"]), timeout=300, what="apt-get update")
        run(
            as_root(
                [
                    "env",
                    "DEBIAN_FRONTEND=noninteractive",
                    "apt-get",
                    "install",
                    "-qy",
                    "--no-install-recommends",
                    *missing,
                ]
            ),
            timeout=600,
            what="apt-get install",
        )


def mirror() -> str | None:
    """The Debian mirror this machine uses, if it uses one: the new machine takes the same."""
    for sources in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if sources.is_file():
            found = re.search(r"https?://\S+/debian(?=/?\s)", sources.read_text(errors="replace"))
            if found:
                return found.group()
    return None


@dataclass(frozen=True)
class Base:
    """The cached, never written machine: root disk, kernel, initial ramdisk."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"


def recipe() -> tuple[str, list[str]]:
    """The hash that names the cached disk, and the apt lines it is made from."""
    source = mirror()
    lines = [f"deb {source} {SUITE} main", f"deb {source} {SUITE}-updates main"] if source else []
    if source:
        lines.append(f"deb {source}-security {SUITE}-security main")
    if source and "://deb.debian.org/" in source:
        lines[-1] = lines[-1].replace("deb.debian.org", "security.debian.org")
    digest = hashlib.sha256("\n".join([SUITE, PACKAGES, DISK_SIZE, CUSTOMIZE, *lines]).encode())
    for certificate in sorted(Path("/usr/local/share/ca-certificates").glob("*.crt")):
        digest.update(certificate.read_bytes())
    return digest.hexdigest()[:12], lines


def build() -> Base:
    """Return the cached machine, built first where this recipe has none (about a minute)."""
    install_tools()
    name, lines = recipe()
    base = Base(CACHE / name)
    if base.folder.is_dir():
        return base
    CACHE.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    say(f"building a Debian {SUITE} disk ({name})")
    work = Path(tempfile.mkdtemp(prefix="build-", dir=CACHE))
    try:
        root, out = work / "root", work / "out"
        out.mkdir()
        bootstrap = [
            "mmdebstrap",
            "--quiet",
            "--variant=apt",
            f"--include={PACKAGES}",
            f"--customize-hook={CUSTOMIZE}",
            SUITE,
            str(root),
        ]
        run(as_root([*bootstrap, *lines]), timeout=900, what="mmdebstrap")
        [kernel] = (root / "boot").glob("vmlinuz-*")
        [initrd] = (root / "boot").glob("initrd.img-*")
        result = Base(out)
        for source, target in ((kernel, result.kernel), (initrd, result.initrd)):
            run(as_root(["install", "-m", "0644", str(source), str(target)]), timeout=60, what=f"copying {source.name}")
        run(
            as_root(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(root), str(result.disk), DISK_SIZE]),
            timeout=300,
            what="mke2fs",
        )
        out.rename(base.folder)
    finally:
        run(as_root(["rm", "-rf", str(work)]), timeout=120, what="cleaning up the build")
    say(f"built in {time.monotonic() - started:.0f} s")
    return base


@contextmanager
def alone() -> Iterator[None]:
    """Keep other runs away from this checkout's machine and disks; VmError if one is at work."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("a+") as lock:
        lock.seek(0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VmError(
                f"process {lock.read()} uses this checkout's machine: wait for its end, or use another checkout"
            ) from None
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def wanted_ports(checkout: str) -> tuple[int, int, int]:
    """The ports for SSH, HTTP and HTTPS that a checkout tries first: below those that kernel and swarm hand out."""
    first = 20000 + 3 * (int(checkout, 16) % 3000)
    return first, first + 1, first + 2


def free_ports(wanted: Sequence[int]) -> list[int]:
    """A free port of 127.0.0.1 for each of the wanted ones: that one, or any other."""
    with ExitStack() as probes:
        return [_free_port(probes.enter_context(socket.socket()), port) for port in wanted]


def _free_port(probe: socket.socket, wanted: int) -> int:
    try:
        probe.bind(("127.0.0.1", wanted))
    except OSError:
        probe.bind(("127.0.0.1", 0))
    return int(probe.getsockname()[1])


def wait_for(what: str, done: Callable[[], bool], *, deadline_seconds: float, every_seconds: float = 2.0) -> float:
    """Poll until done; return the seconds it took, VmError past the deadline."""
    started = time.monotonic()
    while not done():
        if time.monotonic() - started > deadline_seconds:
            raise VmError(f"{what}: not so after {deadline_seconds:.0f} s")
        time.sleep(every_seconds)
    return time.monotonic() - started


def image_disk(folder: Path, target: Path) -> None:
    """An ext4 disk labelled `images` that holds the folder's files."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    megabytes = int(size / 1e6 * 1.1) + 64
    command = ["mke2fs", "-q", "-t", "ext4", "-L", "images", "-m", "0", "-d", str(folder), str(target), f"{megabytes}M"]
    run(command, timeout=300, what="making the image disk")


@dataclass(frozen=True)
class Vm:
    """One running machine. Everything about it lies in ``folder``; the ports are forwarded from 127.0.0.1."""

    folder: Path
    ssh_port: int
    http_port: int
    https_port: int

    # --- life
    @classmethod
    def boot(
        cls, folder: Path | None = None, *, images: Path | None = None, memory_mb: int = 4096, cpus: int = 2
    ) -> Vm:
        """Boot a fresh machine and wait until it can be reached. ``images``: a folder shown at IMAGES_DIR."""
        base = build()
        folder = folder or CACHE / "run"
        if folder.exists():
            cls._end_stale(folder)
            shutil.rmtree(folder)
        folder.mkdir(parents=True, mode=0o700)
        disk = folder / "disk.img"
        run(["cp", "--sparse=always", str(base.disk), str(disk)], timeout=300, what="copying the disk")
        drives = [f"file={disk},if=virtio,format=raw,cache=unsafe"]
        if images is not None:
            image_disk(images, folder / "images.img")
            drives.append(f"file={folder / 'images.img'},if=virtio,format=raw,cache=unsafe,readonly=on")
        # Just before QEMU takes them: copying takes long enough for others to take a port.
        vm = cls(folder, *free_ports(wanted_ports(CHECKOUT)))
        vm._make_keys()
        vm._write_ssh_config()
        (folder / "vm.json").write_text(json.dumps({**asdict(vm), "folder": str(folder)}))
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{outer}-:{inner}"
            for outer, inner in ((vm.ssh_port, 22), (vm.http_port, 80), (vm.https_port, 443))
        )
        command = [
            "qemu-system-x86_64",
            "-name",
            f"fungap-vm-{CHECKOUT}",
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
        ]
        command += ["-smp", str(cpus), "-m", str(memory_mb), "-kernel", str(base.kernel), "-initrd", str(base.initrd)]
        command += ["-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off quiet"]
        command += [word for drive in drives for word in ("-drive", drive)]
        command += [
            "-netdev",
            f"user,id=n0,ipv6=off{forwards}",
            "-device",
            "virtio-net-pci,netdev=n0",
            "-device",
            "virtio-rng-pci",
        ]
        command += [
            "-smbios",
            f"type=11,path={folder / 'credentials'}",
            "-display",
            "none",
            "-serial",
            f"file:{vm.console}",
        ]
        command += ["-qmp", f"unix:{vm.monitor},server=on,wait=off", "-daemonize", "-pidfile", str(vm.pidfile)]
        run(command, timeout=60, what="starting QEMU")
        took = vm.wait_ready(deadline_seconds=600)
        say(f"up after {took:.0f} s: ssh {vm.ssh_port}, http {vm.http_port}, https {vm.https_port}")
        return vm

    @classmethod
    def running(cls, folder: Path | None = None) -> Vm:
        """The machine that an earlier `boot` left running."""
        folder = folder or CACHE / "run"
        try:
            facts = json.loads((folder / "vm.json").read_text())
        except FileNotFoundError:
            raise VmError("no machine is running: boot one first") from None
        vm = cls(folder, facts["ssh_port"], facts["http_port"], facts["https_port"])
        if not vm.alive():
            raise VmError("the machine is not running any more: boot a new one")
        return vm

    def __enter__(self) -> Vm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not os.environ.get("FUNGAP_VM_KEEP"):
            self.poweroff()

    def poweroff(self, deadline_seconds: float = 60) -> None:
        """Ask the machine to power off; end it past the deadline. Its disk goes too, its console log stays."""
        if self.alive():
            self._monitor("system_powerdown")
            try:
                wait_for("power-off", lambda: not self.alive(), deadline_seconds=deadline_seconds, every_seconds=0.5)
            except VmError:
                say("does not power off by itself: ended")
                self._kill()
        for leftover in (self.disk, self.folder / "images.img", self.folder / "credentials", self.folder / "vm.json"):
            leftover.unlink(missing_ok=True)

    def reboot(self, deadline_seconds: float = 300) -> float:
        """Reboot from inside; return the seconds until it could be reached again."""
        before = self.boot_id()
        started = time.monotonic()
        self.ssh("sudo systemctl reboot", check=False)
        self._close_connections()
        wait_for("reboot", lambda: self.boot_id() not in ("", before), deadline_seconds=deadline_seconds)
        return time.monotonic() - started

    def wait_ready(self, deadline_seconds: float) -> float:
        def ready() -> bool:
            if not self.alive():
                raise VmError(f"QEMU ended:\n{self.console_tail()}")
            return self.boot_id() != ""

        try:
            return wait_for("ssh", ready, deadline_seconds=deadline_seconds)
        except VmError as error:
            raise VmError(f"{error}\n{self.console_tail()}") from None

    def alive(self) -> bool:
        return self._pid(self.folder) is not None

    # --- reaching it
    @property
    def ssh_config(self) -> Path:
        """An ssh configuration that takes every host name to this machine."""
        return self.folder / "ssh_config"

    def ssh(self, command: str, *, check: bool = True, timeout: float = 120) -> str:
        """Run a shell command in the machine; return stdout."""
        words = ["ssh", "-F", str(self.ssh_config), HOSTNAME, command]
        if check:
            return run(words, timeout=timeout, what=f"in the machine: {command}")
        try:
            return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False).stdout
        except subprocess.TimeoutExpired:
            return ""

    def boot_id(self) -> str:
        """The id of the current boot; empty while the machine can't be reached, still starts or already stops."""
        state = self.ssh(
            "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running || true", check=False, timeout=20
        ).split()
        return state[0] if len(state) == 2 and state[1] in ("running", "degraded") else ""

    def ansible_variables(self) -> dict[str, str | int]:
        """What makes Ansible reach this machine, whatever address, port and user the inventory has."""
        return {"ansible_host": "127.0.0.1", "ansible_port": self.ssh_port, "ansible_user": USER}

    def ansible_environment(self) -> dict[str, str]:
        """What makes Ansible use this machine's keys, under any name."""
        return {
            "ANSIBLE_SSH_COMMON_ARGS": f"-F {shlex.quote(str(self.ssh_config))}",
            "ANSIBLE_HOST_KEY_CHECKING": "true",
        }

    # --- inside
    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def monitor(self) -> Path:
        return self.folder / "qmp.sock"

    @property
    def pidfile(self) -> Path:
        return self.folder / "pid"

    def console_tail(self) -> str:
        return (
            "\n".join(self.console.read_text(errors="replace").splitlines()[-30:])
            if self.console.exists()
            else "(no console output)"
        )

    def _make_keys(self) -> None:
        """Keys of this machine alone, and credentials that place them at boot."""
        for key in ("user_key", "host_key"):
            run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(self.folder / key)],
                timeout=30,
                what="ssh-keygen",
            )

        def coded(path: Path) -> str:
            return base64.b64encode(path.read_bytes()).decode()

        tmpfiles = (
            f"f~ /home/{USER}/.ssh/authorized_keys 0600 {USER} {USER} - {coded(self.folder / 'user_key.pub')}\n"
            f"f~ /etc/ssh/ssh_host_ed25519_key 0600 root root - {coded(self.folder / 'host_key')}\n"
        )
        credentials = self.folder / "credentials"
        credentials.touch(mode=0o600)
        credentials.write_text(
            "io.systemd.credential.binary:tmpfiles.extra=" + base64.b64encode(tmpfiles.encode()).decode()
        )

    def _write_ssh_config(self) -> None:
        host_key = (self.folder / "host_key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"{HOSTNAME} {' '.join(host_key)}\n")
        options = {
            "HostName": "127.0.0.1",
            "Port": self.ssh_port,
            "User": USER,
            "IdentityFile": self.folder / "user_key",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": HOSTNAME,
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": 10,
            "ServerAliveInterval": 15,
            "LogLevel": "ERROR",
        }
        self.ssh_config.write_text("Host *\n" + "".join(f"  {key} {value}\n" for key, value in options.items()))

    def _monitor(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(10)
            channel.connect(str(self.monitor))
            lines = channel.makefile("rw")
            lines.readline()
            for execute in ("qmp_capabilities", command):
                lines.write(json.dumps({"execute": execute}) + "\n")
                lines.flush()
                lines.readline()

    def _close_connections(self) -> None:
        """Forget Ansible's kept ssh connections: they would hang on a machine that went away."""
        subprocess.run(
            ["ssh", "-F", str(self.ssh_config), "-O", "exit", HOSTNAME], capture_output=True, check=False, timeout=20
        )

    def _kill(self) -> None:
        pid = self._pid(self.folder)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            wait_for("end of QEMU", lambda: not self.alive(), deadline_seconds=20, every_seconds=0.2)

    @staticmethod
    def _pid(folder: Path) -> int | None:
        """The living process of this folder's machine (a number that another program got doesn't count)."""
        try:
            pid = int((folder / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        return pid if str(folder).encode() in command else None

    @classmethod
    def _end_stale(cls, folder: Path) -> None:
        if cls._pid(folder) is not None:
            say("ending the machine of an earlier run")
            cls(folder, 0, 0, 0)._kill()


def main() -> int:
    parser = argparse.ArgumentParser(description="The test machine")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="make the cached disk")
    boot = verbs.add_parser("boot", help="boot a fresh machine and leave it running")
    boot.add_argument("--images", type=Path, help=f"a folder shown in the machine at {IMAGES_DIR}")
    inside = verbs.add_parser("ssh", help="run a command in the running machine, or open a shell")
    inside.add_argument("command", nargs=argparse.REMAINDER)
    verbs.add_parser("reboot")
    verbs.add_parser("poweroff")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "ssh":
            return subprocess.run(
                ["ssh", "-F", str(Vm.running().ssh_config), HOSTNAME, *arguments.command], check=False
            ).returncode
        with alone():
            if arguments.verb == "build":
                print(build().folder)
            elif arguments.verb == "boot":
                vm = Vm.boot(images=arguments.images)
                print(f"ssh -F {vm.ssh_config} {HOSTNAME}")
                print(f"http://127.0.0.1:{vm.http_port}\nhttps://127.0.0.1:{vm.https_port}")
            elif arguments.verb == "reboot":
                print(f"{Vm.running().reboot():.0f} s")
            else:
                Vm.running().poweroff()
    except VmError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
