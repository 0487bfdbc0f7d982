# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which folders the platform may own, which of them it does own, and so may remove or re-own. Pure.

A path alone proves nothing: it may be mistyped, or be another's. Each folder that we make gets a marker, a file that
says whose it is, before anything else is put into it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.fungap.swarm.plugins.module_utils.node.model import PLATFORM_LABEL

MARKER = ".fungap-platform"
_MARKED = re.compile(r"^platform:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_MARKED_ID = re.compile(r"^id:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
# Says that a platform takes the place of the one with this ID.
REPLACED = "platform_id_replaced"
# What an operator lays into the platform's folder before the first run: the images' archives. They stay the operator's.
OPERATORS = ("images",)
# What our containers mount: where it lies in the platform's folder, and where they see it.
OUR_MOUNTS = (
    (re.compile(r"certs\.d"), "/etc/docker/certs.d"),
    (re.compile(r"registry"), "/etc/docker/registry"),
    (re.compile(r"edge"), "/etc/nginx/edge"),
    (re.compile(r"jenkins/casc"), "/run/casc"),
    (re.compile(r"[^/]+"), "/run/node"),
    (re.compile(r"\."), "/srv/backup"),
)

FOLDER = re.compile(r"/[A-Za-z0-9._/@+-]*\Z")
# What Linux's filesystems take: of a name, and of a whole path.
PART_MAX, PATH_MAX = 255, 4095

# Folders, with all below them, that the system and its packages alone write into.
SYSTEM_TREES = (
    *(
        "/bin",
        "/boot",
        "/dev",
        "/efi",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/lost+found",
        "/nix",
        "/ostree",
        "/proc",
    ),
    *("/sbin", "/snap", "/sys", "/sysroot", "/usr"),
)
# Within those, what is a machine's own.
LOCAL_TREE = "/usr/local"
# Folders that others keep their own things in; one below them may be ours. Those of the Filesystem Hierarchy Standard.
SHARED_FOLDERS = (
    *("/etc/opt", "/run/lock", "/srv/ftp", "/srv/http", "/srv/tftp", "/srv/www", "/usr/local/share/ca-certificates"),
    *(
        f"/usr/local/{name}"
        for name in (
            *("bin", "etc", "games", "include", "lib", "lib64", "libexec", "man", "sbin", "share", "src"),
            *("share/doc", "share/fonts", "share/info", "share/man"),
        )
    ),
    *(
        f"/var/{name}"
        for name in (
            *("account", "adm", "backups", "cache", "crash", "db", "empty", "games", "lib", "local", "lock", "log"),
            *("mail", "opt", "preserve", "run", "snap", "spool", "tmp", "www", "www/html", "yp"),
        )
    ),
)
# Every Debian has these links.
ALIASES = {"/var/run": "/run", "/var/lock": "/run/lock"}
# What is empty after each boot; and of /var/tmp, what nobody has touched for a while is removed.
FLEETING = ("/run", "/tmp", "/var/tmp")
# What belongs to something else that runs on such machines, as the packages of Debian, Ubuntu and Fedora bring it;
# files among it, which are there on every one.
OTHERS_FOLDERS = (
    *(f"/etc/{name}" for name in (
        "aliases", "anacrontab", "bash.bashrc", "bash_completion", "crontab", "crypttab", "debian_version",
        "environment", "ethers", "exports", "fstab", "group", "group-", "gshadow", "gshadow-", "hostname", "hosts",
        "hosts.allow", "hosts.deny", "inputrc", "issue", "issue.net", "ld.so.cache", "locale.gen", "localtime",
        "login.defs", "lsb-release", "machine-id", "magic", "mailname", "mime.types", "modules", "motd", "mtab",
        "nanorc", "networks", "os-release", "passwd", "passwd-", "profile", "protocols", "rmt", "rpc", "securetty",
        "services", "shadow", "shadow-", "shells", "subgid", "subgid-", "subuid", "subuid-", "sudoers", "timezone",
        "wgetrc",
    )),
    "/run/initctl", "/run/motd.dynamic", "/run/utmp",
    *(f"/etc/{name}" for name in (
        "NetworkManager", "PackageKit", "X11", "alsa", "alternatives", "ansible", "apache2", "apparmor", "apparmor.d",
        "apt", "audit", "avahi", "bluetooth", "ca-certificates", "chrony", "cloud", "cni", "console-setup",
        "containerd", "containers", "crypto-policies", "dbus-1", "dconf", "debuginfod", "default", "dhcp", "docker",
        "dpkg", "emacs", "exim4", "fail2ban", "fonts", "gdb", "glvnd", "gnutls", "grafana", "groff", "grub.d", "gss",
        "haproxy", "httpd", "initramfs-tools", "iproute2", "iptables", "iscsi", "kernel", "keyutils", "krb5.conf.d",
        "kubernetes", "ldap", "letsencrypt", "libvirt", "lighttpd", "logcheck", "lvm", "lxc", "maven", "mysql",
        "needrestart", "netplan", "network", "nftables", "nginx", "openldap", "openvpn", "perl", "php", "pki",
        "plymouth", "podman", "polkit-1", "postfix", "postgresql", "postgresql-common", "ppp", "prometheus", "python",
        "python3", "rabbitmq", "rancher", "redis", "rpm", "rsyslog", "samba", "security", "selinux", "sgml", "skel",
        "snmp", "squid", "ssh", "ssl", "sssd", "sysconfig", "systemd", "terminfo", "tomcat", "tor", "tuned", "udev",
        "udisks2", "ufw", "update-manager", "vim", "vmware-tools", "vulkan", "wireguard", "wpa_supplicant", "xdg",
        "xml", "yum", "yum.repos.d", "dnf",
    )),
    *(f"/run/{name}" for name in (
        "NetworkManager", "agetty.reload", "avahi-daemon", "blkid", "chrony", "cloud-init", "console-setup",
        "containerd", "containers", "credentials", "crio", "cryptsetup", "dbus", "docker", "fungap-locks",
        "initramfs", "libvirt", "lock", "log", "lvm", "mount", "mysqld", "netns", "network", "nginx", "php", "plymouth",
        "podman", "postgresql", "redis", "resolvconf", "rpcbind", "runc", "samba", "screen", "secrets", "shm",
        "snapd", "sshd", "sudo", "systemd", "tmux", "tuned", "udev", "udisks2", "user", "xtables",
    )),
    *(f"/var/lib/{name}" for name in (
        "AccountsService", "NetworkManager", "PackageKit", "alternatives", "app-info", "apparmor", "apt", "aptitude",
        "authselect", "avahi", "bluetooth", "boot-state", "buildkit", "ca-certificates-java", "chrony", "cloud", "cni",
        "command-not-found", "containerd", "containers", "dbus", "dhcp", "dhcpcd", "dnf", "docker", "dpkg",
        "elasticsearch", "etcd", "exim4", "fail2ban", "fwupd", "git", "gitlab", "grafana", "grub", "influxdb",
        "initramfs-tools", "initscripts", "insserv", "iscsi", "jenkins", "kubelet", "letsencrypt", "libvirt",
        "locales", "logrotate", "lxc", "lxcfs", "lxd", "machines", "man-db", "misc", "mongodb", "mysql", "nfs", "nginx",
        "ntp", "ntpsec", "os-prober", "pam", "php", "plymouth", "polkit-1", "portables", "postfix", "postgresql",
        "private", "prometheus", "python", "rabbitmq", "rancher", "redis", "rpm", "rsyslog", "samba", "selinux",
        "sgml-base", "shim-signed", "shorewall", "snapd", "snmp", "squid", "ssl-cert", "sss", "sudo", "swcatalog",
        "systemd", "tftpboot", "tor", "tpm2-tss", "tuned", "ubuntu-advantage", "ubuntu-release-upgrader", "ucf",
        "udisks2", "unattended-upgrades", "update-manager", "update-notifier", "upower", "usb_modeswitch", "usbutils",
        "vim", "vmware", "xfonts", "xkb", "xml-core",
    )),
    *(f"/var/{kind}/{name}" for kind in ("cache", "log", "spool") for name in (
        "PackageKit", "adduser", "anacron", "apache2", "apparmor", "apt", "audit", "chrony", "cloud-init", "cron",
        "debconf", "dnf", "exim4", "fontconfig", "fwupd", "httpd", "installer", "journal", "ldconfig", "libvirt", "lpd",
        "man", "mail", "mysql", "nginx", "postfix", "postgresql", "private", "redis", "rsyslog", "samba", "squid",
        "sssd", "swcatalog", "unattended-upgrades", "yum",
    )),
    *(f"/opt/{name}" for name in ("cni", "containerd", "google", "vmware-tools")),
)  # fmt: skip
# Drop-in folders of some service or other (also of init: rc0.d), what has a version in its name, files of one, what
# programs hide in a home, and what is hidden where all may write.
OTHERS_PATTERN = re.compile(
    r"/(etc|run)/[^/]+\.(d|conf|sock|socket|pid|lock)(/|\Z)|/etc/(\.|cron\.|gtk-|java-|php|python)"
    r"|/(root|home/[^/]+)/\.(ansible|aws|azure|bash|cache|cargo|config|docker|git|gnupg|helm|kube|local|mozilla|netrc"
    r"|npm|pki|profile|ssh|terraform|vault|vim|zsh)|/(var/)?tmp/(\.|systemd-)"
)
# The engines' own place for a registry's CA.
_CERTIFICATES = re.compile(r"/etc/docker/certs\.d/[^/]+")


def why_no_path(text: str) -> str:
    """Why nothing can be at a path, so that a system call refuses it."""
    if "\0" in text:
        return "has a NUL in it"
    if any(len(part.encode(errors="replace")) > PART_MAX for part in text.split("/")):
        return f"has a part that is longer than {PART_MAX}"
    return f"is longer than {PATH_MAX}" if len(text.encode(errors="replace")) > PATH_MAX else ""


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
    return why_no_path(text)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def real_path(value: Any) -> str:
    """A folder's path as a machine has it, whichever way it is written."""
    path = posixpath.normpath(str(value))
    for alias, folder in ALIASES.items():
        if _is_below(path, alias):
            path = folder + path.removeprefix(alias)
    return path


def why_not_lasting(value: Any) -> str:
    """A folder that is there again after the next boot."""
    return "is gone after the next boot" if any(_is_below(real_path(value), one) for one in FLEETING) else ""


def why_not_own_folder(value: Any) -> str:
    """A folder that nothing but the platform uses."""
    why = why_no_folder(value)
    if why:
        return why
    path = real_path(value)
    if path in (*SHARED_FOLDERS, LOCAL_TREE) or path.count("/") < 2:
        return "is not a folder that the platform can own and remove: others use it too"
    if any(_is_below(path, tree) for tree in SYSTEM_TREES) and not _is_below(path, LOCAL_TREE):
        return "is the system's own"
    if any(_is_below(path, folder) for folder in OTHERS_FOLDERS) or OTHERS_PATTERN.match(path):
        return "belongs to something else on the machine"
    if posixpath.dirname(path) == "/home":
        return "is somebody's home"
    return ""


@dataclass(frozen=True)
class Mount:
    """A folder of the machine in a container that carries a platform's label."""

    container: str
    platform: str
    source: str
    target: str


@dataclass(frozen=True)
class SeenFolder:
    """What was found at a path. ``marker``: the text of its marker, None without one. ``names``: some that are in it.

    ``registry_logins``: the addresses of the registries that its ``registry-client/config.json`` has a login for.
    """

    kind: Literal["absent", "directory", "link", "other"] = "absent"
    marker: str | None = None
    names: Sequence[str] = ()
    registry_logins: Sequence[str] = ()


@dataclass(frozen=True)
class Belonging:
    """Whether a folder is the platform's, and why (not).

    ``missing`` and ``empty``: it may become the platform's. ``proved``: an older version made it, without a marker.
    ``older``: its marker has no ID yet, or one that the platform's replaces, and is to be written anew.
    ``unknown``: nothing shows that it is anybody's; refused, as long as nobody says that it is the platform's.
    ``id``: of another platform of the same name.
    """

    state: Literal["missing", "empty", "ours", "older", "proved", "unknown", "refused"]
    why: str = ""
    id: str = ""

    @property
    def is_ours(self) -> bool:
        return self.state in ("ours", "older", "proved")

    @property
    def is_refused(self) -> bool:
        return self.state in ("unknown", "refused")

    def cure(self, path: str, platform: str) -> str:
        """What to do about a folder that is refused."""
        if self.id:
            return cure_of_another(self.id)
        choose = "choose a folder that is empty or not there"
        if self.state == "refused":
            return choose
        marker = posixpath.join(path, MARKER)
        return f"{choose}. If this one is the platform's all the same, say so: echo 'platform: {platform}' > {marker}"


def marker_text(platform: str, platform_id: str = "") -> str:
    """The content of a marker. ``platform_id``: what tells the platform from another one of its name; '' for none."""
    return (
        "# Made by fungap.swarm for this platform. A reset of the platform removes the folder with what is in it.\n"
        f"platform: {platform}\n" + (f"id: {platform_id}\n" if platform_id else "")
    )


def marked_for(text: str) -> str:
    """The platform that a marker names; '' where it names none."""
    found = _MARKED.search(text)
    return found.group(1) if found else ""


def marked_id(text: str) -> str:
    """The ID of that platform; '' where the marker has none."""
    found = _MARKED_ID.search(text)
    return found.group(1) if found else ""


def own_id(ids: Sequence[str]) -> str:
    """The one that a platform's markers get: the first. The others are those that it replaces."""
    return next(iter(ids), "")


def cure_of_another(platform_id: str) -> str:
    """What to do where a platform of the same name, with this ID, is there already."""
    return (
        "run it where that platform's secrets are, or bring a copy of its folder platform_secrets_dir; where they are "
        f"lost, or this platform is to take that one's place, say so: -e {REPLACED}={platform_id}"
    )


def mounts_of(containers: Iterable[Mapping[str, Any]]) -> tuple[Mount, ...]:
    """The mounts of containers that carry a platform's label. ``containers``: of ``GET /containers/json``."""
    return tuple(
        Mount(
            (container.get("Names") or ["/"])[0].lstrip("/"), platform, mount["Source"], mount.get("Destination") or ""
        )
        for container in containers
        if (platform := (container.get("Labels") or {}).get(PLATFORM_LABEL))
        for mount in container.get("Mounts") or ()
        if mount.get("Source")
    )


def whose(
    path: str,
    platform: str,
    seen: SeenFolder,
    *,
    ids: Sequence[str] = (),
    mounts: Iterable[Mount] = (),
    registry: str = "",
    proof: str = "",
) -> Belonging:
    """Whether the folder at ``path`` is ``platform``'s. ``ids``: the platform's own, and those that it replaces.

    Without a marker, it is where one of the platform's containers mounts what our roles put there, where it holds the
    login for the platform's ``registry``, or where the caller has a ``proof`` of its own, in words.
    """
    path = posixpath.normpath(path)
    if seen.kind == "absent":
        return Belonging("missing")
    if seen.kind != "directory":
        return Belonging("refused", "is a symbolic link" if seen.kind == "link" else "is not a folder")
    if seen.marker is not None:
        return _by_marker(seen.marker, platform, ids)
    names = sorted(name for name in seen.names if not name.startswith(f".{MARKER}") and name not in OPERATORS)
    if not names:
        return Belonging("empty")
    ours = (platform, f"{platform}-jenkins")
    users = [mount for mount in mounts if _is_our_mount(path, mount)]
    for mount in users:
        if mount.platform not in ours:
            return Belonging("refused", f"is in use by container {mount.container} of platform {mount.platform}")
    if users:
        return Belonging("proved", f"container {users[0].container} mounts it")
    if registry and registry in seen.registry_logins:
        return Belonging("proved", f"it has the login for {registry}")
    if proof:
        return Belonging("proved", proof)
    shown = ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])
    return Belonging("unknown", f"is not empty ({shown}), and nothing shows that it is platform {platform}'s")


def _by_marker(marker: str, platform: str, ids: Sequence[str]) -> Belonging:
    name, platform_id = marked_for(marker), marked_id(marker)
    if name != platform:
        return Belonging("refused", f"belongs to platform {name}" if name else f"has a {MARKER} that names no platform")
    if platform_id == own_id(ids):
        return Belonging("ours", f"its {MARKER} says so")
    if not platform_id:
        return Belonging("older", f"its {MARKER} says so, without an ID")
    if platform_id in ids:
        return Belonging("older", f"its {MARKER} has the ID {platform_id}, which is replaced")
    mine = f"this one's is {own_id(ids)}" if own_id(ids) else "this one has none"
    return Belonging("refused", f"belongs to another platform {name}: its ID is {platform_id}, {mine}", platform_id)


def may_be_read(path: str, seen: SeenFolder, mounts: Iterable[Mount] = ()) -> bool:
    """Whether a folder may be read with all that is in it: it is a platform's, whichever, or there is nothing."""
    if seen.kind == "absent":
        return True
    if seen.kind != "directory" or why_not_own_folder(path):
        return False
    path = posixpath.normpath(path)
    return bool(marked_for(seen.marker or "") or seen.registry_logins) or any(
        _is_our_mount(path, mount) for mount in mounts
    )


def why_not_claimed(path: str) -> str:
    """Why a folder may not become a platform's; its name alone says it."""
    return "" if _CERTIFICATES.fullmatch(path) else why_not_own_folder(path)


def _is_our_mount(path: str, mount: Mount) -> bool:
    source = posixpath.normpath(mount.source)
    if source != path and not source.startswith(f"{path}/"):
        return False
    below = posixpath.relpath(source, path)
    return any(mount.target == target and place.fullmatch(below) for place, target in OUR_MOUNTS)
