# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The health check of an app's replicas: it asks a replica as the proxy will ask it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What stands in no request line as it is; %XX is left alone.
_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})|[^!$&-;=?-\[\]_a-z~%]")

# Runs in the replica, with a shell and one of bash, curl, wget and node. Arguments, which no shell reads: port, path
# (empty: a connection is enough), seconds, Host header; and of an env file that not everybody may read: its path, the
# user and the group who may (empty: nobody), owner and mode in words.
#
# It asks every address that /etc/hosts has for the replica: which of them the proxy comes to can't be known there.
# /proc/net/tcp lists what listens first. 127.0.0.11 is Docker's own resolver.
_SCRIPT = """\
set -f
port=$1 path=$2 seconds=$3 host=$4 file=$5 reader=$6 group=$7 words=$8
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY NODE_OPTIONS BASH_ENV
export LC_ALL=C

fail() { echo "$*"; exit 1; }

ipv4() {
  b=${1%??} c=${1%????}
  echo "$((0x${1#??????})).$((0x${b#????})).$((0x${c#??})).$((0x${c%??}))"
}

look() {
  bound='' others='' user='' hex=$(printf %04X "$port")
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    while read -r _ local _ state _ _ _ uid _; do
      case $state in st) continue ;; 0A) ;; *) break ;; esac
      case $local in
        0B00007F:*) ;;
        *:"$hex")
          user=$uid at=${local%:*}
          case $at in
            0000000000000000FFFF0000*) at=$(ipv4 "${at#????????????????????????}") ;;
            00000000000000000000000000000000) at=:: ;;
            00000000000000000000000001000000) at=::1 ;;
            ????????) at=$(ipv4 "$at") ;;
            *) at=IPv6 ;;
          esac
          bound="$bound $at" ;;
        *) others="$others $((0x${local##*:}))" ;;
      esac
    done <"$table"
  done
}

ask() {
  if command -v bash >/dev/null; then
    bash -c '{ exec 3<>"/dev/tcp/$1/$2"; } 2>/dev/null || { echo refused; exit; }
[ "$3" ] || { echo 200; exit; }
printf "GET %s HTTP/1.1\\r\\nHost: %s\\r\\nX-Forwarded-Proto: https\\r\\nConnection: close\\r\\n\\r\\n" "$3" "$4" >&3
while read -r -t "$5" version code _ <&3; do
[[ $version != HTTP/* || $code == 1* ]] || { echo "${code:0:3}"; exit; }
done' bash "$1" "$port" "$path" "$host" "$seconds"
  elif [ -z "$path" ]; then
    look
    case " $bound " in
      *" 0.0.0.0 "*|*" $1 "*) echo 200 ;;
      # Whether it takes IPv4, too, is not seen there.
      *" :: "*) path=/ seconds=1; case $(ask "$1") in *refused*) echo refused ;; *) echo 200 ;; esac ;;
      *) echo refused ;;
    esac
  elif command -v curl >/dev/null; then
    curl -q -gsS --path-as-is -m "$seconds" -o /dev/null -w '%{http_code}' -H "Host: $host" \\
      -H 'X-Forwarded-Proto: https' "http://$1:$port$path" 2>/dev/null
    [ $? != 7 ] || echo refused
  elif command -v wget >/dev/null; then
    # GNU's says with -q not even that it was refused; not every busybox knows a time limit.
    case $(wget --help 2>&1) in
      *--tries*) options="-t 1 -T $seconds" ;;
      *'-T SEC'*) options="-q -T $seconds" ;;
      *) options=-q ;;
    esac
    # The first status counts. wget would follow a redirect, so it is ended.
    set -- -S $options -O /dev/null --header "Host: $host" --header 'X-Forwarded-Proto: https' "http://$1:$port$path"
    /bin/sh -c 'echo $$; exec wget "$@"' sh "$@" 2>&1 | {
      read -r pid
      while read -r first code rest; do
        case "$first $code $rest" in
          HTTP/*) echo "$code"; kill -s PIPE "$pid" 2>/dev/null; break ;;
          *refused*) echo refused ;;
        esac
      done
    }
  elif command -v node >/dev/null; then
    node -e 'const [host, port, path, name, seconds] = process.argv.slice(1)
const end = word => { console.log(word); process.exit() }
require("http").get({host, port, path, headers: {host: name, "x-forwarded-proto": "https"}}, r => end(r.statusCode))
.on("error", e => end(e.code === "ECONNREFUSED" ? "refused" : "")).setTimeout(seconds * 1000, () => end(""))' \\
      "$1" "$port" "$path" "$host" "$seconds"
  else
    echo no tool
  fi
}

# Whether only root and the reader run anything here: then one of them listens. To tell who does, the kernel reads
# through its table of all connections, which costs more than all else of a check.
all_may_read() {
  set -- /proc/[0-9]*/status
  [ $# -le 30 ] || return 1
  for status do
    while read -r key ids; do
      [ "$key" = Uid: ] || continue
      for id in $ids; do
        case $id in 0|"$reader") ;; *) return 1 ;; esac
      done
      break
    done <"$status"
  done 2>/dev/null
}

own='' name=''
read -r name </proc/sys/kernel/hostname
while read -r address names; do
  case $address in 127.*|*:*|'#'*) continue ;; esac
  for one in $names; do
    [ "$one" != "$name" ] || own="$own $address"
  done
done </etc/hosts

for address in ${own:-127.0.0.1}; do
  code=$(ask "$address")
  asked="$address answered GET $path of host $host, port $port,"
  case $code in
    [23][0-9][0-9]) continue ;;
    'no tool') fail "the image has none of bash, curl, wget and node: set health.test, or health.path to ''" ;;
    000*|[!0-9]*|'') ;;
    *) fail "$asked with $code" ;;
  esac
  look
  [ "$bound" ] || fail "nothing listens on port $port${others:+; the app listens on$others}"
  case "$code $bound " in
    *' 0.0.0.0 '*|*" $address "*) fail "$asked with nothing in $seconds s" ;;
    *refused*' :: '*) fail "the app listens on IPv6 only, port $port: it has to listen on 0.0.0.0" ;;
    *' :: '*) fail "$asked with nothing in $seconds s" ;;
    *) fail "the app listens on$bound only, port $port: it has to listen on 0.0.0.0, the proxy comes to $address" ;;
  esac
done

[ "$file" ] || exit 0
set +f
! all_may_read || exit 0
look
case $user in ''|0|"$reader") exit 0 ;; esac
[ -z "$group" ] || for status in /proc/[0-9]*/status; do
  while read -r key list; do
    case "$key $list " in
      "Uid: "*) case "$list " in "$user"[!0-9]*) ;; *) break ;; esac ;;
      "Gid: "*|"Groups: "*) case " $list " in *[!0-9]"$group"[!0-9]*) exit 0 ;; esac ;;
    esac
  done <"$status"
done 2>/dev/null
fail "user $user listens on port $port and may not read $file ($words): set env_owner to '$user'"
"""


@dataclass(frozen=True)
class EnvFile:
    """An env file as the replica sees it. ``owner``: uid:gid. ``mode``: octal, as 0600."""

    path: str
    owner: str
    mode: str

    def readers(self) -> tuple[str, str] | None:
        """The user and the group who may read it, empty for nobody; None: everybody may."""
        uid, _colon, gid = self.owner.partition(":")
        mode = int(self.mode, 8)
        if mode & 0o004:
            return None
        return uid if mode & 0o400 else "", gid if mode & 0o040 else ""


def request_path(path: str) -> str:
    """A path as it stands in a request: what may not stand there is encoded."""
    return _ENCODED.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), path)


def replica_check(
    port: int, path: str, *, host: str, timeout_seconds: float, env_file: EnvFile | None = None
) -> list[str]:
    """The check in Docker's form. ``path``: empty where a connection is enough. ``host``: of the Host header."""
    arguments = [str(port), request_path(path), str(max(int(timeout_seconds), 1)), host]
    readers = env_file.readers() if env_file else None
    if env_file and readers:
        arguments += [env_file.path, *readers, f"owner {env_file.owner}, mode {env_file.mode}"]
    return ["CMD", "/bin/sh", "-c", _SCRIPT, "sh", *arguments]
