# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which folders the platform may own, and so remove. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import Any

FOLDER = re.compile(r"/[A-Za-z0-9._/@+-]*\Z")

# Folders, with all below them, that the system alone writes into.
SYSTEM_TREES = (
    "/bin",
    "/boot",
    "/dev",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
)
# Folders that others keep their own things in; one below them may be ours.
SHARED_FOLDERS = (
    *("/etc", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/usr/local", "/var"),
    *("/usr/share", "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/usr/local/etc", "/usr/local/share"),
    *(
        f"/var/{name}"
        for name in ("backups", "cache", "lib", "local", "lock", "log", "mail", "opt", "run", "spool", "tmp", "www")
    ),
)
# Every Debian has these links.
ALIASES = {"/var/run": "/run", "/var/lock": "/run/lock"}
# What belongs to something else that runs on such machines.
OTHERS_FOLDERS = (
    *(f"/etc/{name}" for name in (
        "alternatives", "ansible", "apparmor.d", "apt", "audit", "ca-certificates", "cloud", "containerd", "cron.d",
        "cron.daily", "cron.hourly", "cron.monthly", "cron.weekly", "dbus-1", "default", "docker", "dpkg", "fail2ban",
        "init.d", "iptables", "kernel", "kubernetes", "ld.so.conf.d", "letsencrypt", "logrotate.d", "modprobe.d",
        "modules-load.d", "netplan", "network", "nftables", "nginx", "pam.d", "pki", "profile.d", "python3",
        "rc.d", "rsyslog.d", "security", "selinux", "skel", "ssh", "ssl", "sudoers.d", "sysctl.d", "systemd",
        "udev", "ufw", "update-motd.d", "X11", "xdg",
    )),
    *(f"/run/{name}" for name in (
        "containerd", "credentials", "dbus", "docker", "lock", "log", "mount", "network", "runc", "secrets", "shm",
        "sshd", "sudo", "systemd", "udev", "user",
    )),
    *(f"/var/lib/{name}" for name in (
        "apt", "cloud", "containerd", "containers", "dbus", "docker", "dpkg", "kubelet", "misc", "mysql", "pam",
        "postgresql", "python", "sudo", "systemd", "ucf",
    )),
    *(f"/var/log/{name}" for name in ("apt", "journal", "nginx")),
    *(f"/var/cache/{name}" for name in ("apt", "debconf", "ldconfig", "man")),
)  # fmt: skip


def why_no_folder(value: Any) -> str:
    """An absolute path that may stand in a mount, a unit and a configuration file."""
    text = str(value)
    if not text.startswith("/"):
        return "is not an absolute path"
    if text.startswith("//"):
        return "begins with two slashes"
    if ".." in text.split("/"):
        return "has a .. in it"
    if not FOLDER.match(text):
        return "has other characters than letters, digits and . _ / @ + -"
    return ""


def why_not_own_folder(value: Any) -> str:
    """A folder that nothing but the platform uses."""
    why = why_no_folder(value)
    if why:
        return why
    path = posixpath.normpath(str(value))
    for alias, folder in ALIASES.items():
        if path == alias or path.startswith(f"{alias}/"):
            path = folder + path.removeprefix(alias)
    if path == "/" or path in SHARED_FOLDERS or path.count("/") < 2:
        return "is not a folder that the platform can own and remove: others use it too"
    if any(path == tree or path.startswith(f"{tree}/") for tree in SYSTEM_TREES):
        return "is the system's own"
    if any(path == folder or path.startswith(f"{folder}/") for folder in OTHERS_FOLDERS):
        return "belongs to something else on the machine"
    if posixpath.dirname(path) == "/home":
        return "is somebody's home"
    return ""
