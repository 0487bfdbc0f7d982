#!/bin/sh
# The proxy's first process. Serves with nginx what the managers' state says: asks for it, has nginx judge it, takes it up without closing
# a connection, and tells the managers what it serves. Private keys lie in its tmpfs alone.
set -u
umask 077
export LC_ALL=C
home=/run/proxy/state current=/run/proxy/current port=8444 answers=$home/answers
# Seconds after which the same answer of a few managers counts.
patience=30
# How many workers may be shutting down: they take memory. One that has no connections left is gone.
draining=${DRAINING:-16}
# So long after its last answer, a reload doesn't close a connection: its client may be about to ask again.
keeping='keepalive_min_timeout 5s;'
master='' serving='' refused='' reason='' report='' settled='' picture='' since=0 asked=0 rest=0
end='
' cr=$(printf '\r')

say() { echo "proxy: $*" >&2; }
nap() { sleep "$1" & wait $!; }
now() { read -r now _ </proc/uptime; now=${now%.*}; }

# Waits for so many seconds, and sees then which addresses the managers' tasks have. That is done all the time, so no program is started
# for it: one that runs is told the seconds, where the image has perl.
looker() {
    exec perl -MSocket=inet_ntoa -e '
        $| = 1;
        while (<STDIN>) {
            select undef, undef, undef, $_;
            my (undef, undef, undef, undef, @found) = gethostbyname "tasks.proxy_state";
            print join(" ", sort map { inet_ntoa $_ } @found), "\n";
        }'
}
look() {
    { echo "$1" >&3 && read -r addresses <&4; } 2>/dev/null && return
    nap "$1"
    addresses=$(getent ahostsv4 tasks.proxy_state | sed 's/ .*//' | sort -u | tr '\n' ' ')
}

# Sends its input to a manager's task, and writes the answer into a file. $3: after how many seconds it is given up.
send() {
    timeout "$3" openssl s_client -quiet -connect "$1:$port" -servername proxy-state -verify_hostname proxy-state -verify_return_error \
        -CAfile /srv/ca.crt -no-CApath -no-CAstore -cert /run/secrets/state.crt -key /run/secrets/state.key >"$2" 2>/dev/null
}
# The head of an answer; whether it is a good one.
read_head() {
    code='' version='' managers='' length=''
    while read -r key value _; do
        value=${value%"$cr"}
        case $key in
            HTTP/*) code=$value;;
            X-State-Version:) version=$value;;
            X-State-Managers:) managers=$value;;
            Content-Length:) length=$value;;
            "$cr") break;;
        esac
    done <"$1"
    case $code in 20*) ;; *) return 1;; esac
}

# Tells a manager's task what is served here, and hears what it would have served.
tell() {
    printf 'PUT /tasks/%s HTTP/1.0\r\nHost: proxy-state\r\nContent-Length: %s\r\n\r\n%s' "$TASK" ${#report} "$report" |
        send "$1" "$answers/$1" 3
}
ask_all() {
    rm -f $answers/*
    asking=''
    for address in $addresses; do tell "$address" & asking="$asking $!"; done
    for one in $asking; do wait "$one"; done
}
write_report() {
    report="node $NODE${end}serves $serving${end}refused $refused$end"
    [ -z "$reason" ] || report=$report$(printf '%s\n' "$reason" | head -c 4000 | sed 's/^/| /')$end
}

# A process's name, empty for one that has ended.
title() { name=''; { read -r name <"/proc/$1/cmdline"; } 2>/dev/null; }
# nginx's own workers that take connections, as ' pid pid '.
workers() {
    found=' '
    for process in /proc/[0-9]*; do
        title "${process#/proc/}"
        case $name in 'nginx: worker process is'*) ;; 'nginx: worker process'*) found="$found${process#/proc/} ";; esac
    done
    echo "$found"
}
lives() { title "$master"; [ -n "$name" ]; }
end_oldest() {
    old=$(grep -l '^nginx: worker process is shutting' /proc/[0-9]*/cmdline 2>/dev/null | tr -dc '0-9\n' | sort -n | head -n "-$draining")
    [ -z "$old" ] || { say "ended the oldest workers: more than $draining were shutting down"; kill -TERM $old; }
}
# By the new configuration, or not: nginx says so in its log alone.
reload() {
    before=$(workers)
    end_oldest
    kill -HUP "$master"
    tries=100
    while [ $tries -gt 0 ]; do
        tries=$((tries - 1))
        nap 0.2
        after=$(workers)
        [ "$after" = ' ' ] && continue
        for pid in $before; do case $after in *" $pid "*) continue 2;; esac; done
        return 0
    done
    return 1
}
point_to() { ln -s "$1" /run/proxy/next && mv -T /run/proxy/next $current; }
refuse() { refused=$1 reason=$2; say "refused $1, serves ${serving:-nothing}: $2"; write_report; }

# Fetches a version from a manager's task into a folder of its own: 0 if it is whole.
fetch() {
    new=$home/$1
    rm -rf "$new"; mkdir -m 711 "$new" || return 1
    printf 'GET /state.tar HTTP/1.0\r\nHost: proxy-state\r\n\r\n' | send "$2" $home/answer 10
    read_head $home/answer && [ "$version" = "$1" ] &&
        sed '1,/^.$/d' $home/answer >$home/state.tar &&
        [ "$(wc -c <$home/state.tar)" = "$length" ] &&
        tar -xpf $home/state.tar -C "$new" && { [ -z "$keeping" ] || echo "$keeping" >"$new/keeping.conf"; }
    code=$?
    rm -f $home/answer $home/state.tar
    return $code
}
take() {
    if ! fetch "$1" "$2"; then say "could not fetch $1 from $2"; return 1; fi
    if ! said=$(nginx -t -c "$home/$1/nginx.conf" 2>&1); then
        rm -rf "${home:?}/$1"; refuse "$1" "$said"; return 0
    fi
    point_to "$home/$1"
    if [ -z "$master" ]; then
        nginx -c $current/nginx.conf -g 'daemon off;' 3>&- 4<&- &
        master=$!
    elif ! reload; then
        point_to "$home/$serving"
        # It may be slow, and on its way to the new one.
        kill -HUP "$master"
        rm -rf "${home:?}/$1"; refuse "$1" "nginx did not take it up; its log says why"; return 0
    fi
    for folder in "$home"/*/; do
        case $folder in "$home/$1/"|"$home/$serving/"|"$answers/") ;; *) rm -rf "$folder";; esac
    done
    serving=$1 refused='' reason=''
    say "serves $1"
    write_report
}

# What those who answer agree on comes into force, if they are most of the managers, or have said the same for a while.
decide() {
    ask_all
    now; asked=$now
    versions='' count=0 of=0 most=1 source=''
    for answer in $answers/*; do
        read_head "$answer" || continue
        count=$((count + 1)) source=${answer##*/}
        case " $versions " in *" $version "*) ;; *) versions="$versions${versions:+ }$version";; esac
        [ "${managers:-1}" -le "$most" ] || most=$managers
    done
    # Nobody, or managers of two minds.
    case $versions in ''|*[!0-9a-f]*) settled='' picture=''; return;; esac
    [ "$picture" = "$versions $count" ] || { picture="$versions $count"; since=$asked; }
    if [ "$versions" != "$serving" ] && [ "$versions" != "$refused" ]; then
        settled=''
        [ $((2 * count)) -gt "$most" ] || [ $((asked - since)) -ge $patience ] || return
        take "$versions" "$source" && ask_all
        return
    fi
    # What was refused, and is wanted no longer.
    [ -z "$refused" ] || [ "$versions" = "$refused" ] || { refused='' reason=''; write_report; ask_all; }
    # Others than these are asked at once, the same again after a while: one may have been silent.
    settled=$addresses
    for _ in $addresses; do of=$((of + 1)); done
    if [ $count = $of ]; then rest=30; else rest=3; fi
}

stop() {
    trap '' QUIT TERM INT
    [ -n "$master" ] && lives || exit 0
    kill -QUIT "$master"
    left=$((STOP_SECONDS * 5))
    while lives && [ $left -gt 0 ]; do left=$((left - 1)); sleep 0.2; done
    lives && kill -TERM "$master"
    wait "$master"
    exit 0
}

trap stop QUIT TERM INT
mkdir -m 711 $home
mkdir $answers
mkfifo $home/seconds $home/addresses
looker <$home/seconds >$home/addresses 2>/dev/null &
exec 3>$home/seconds 4<$home/addresses
rm $home/seconds $home/addresses
# nginx knows that from 1.27.4 on.
version=$(nginx -v 2>&1 | sed 's/.*nginx.//')
[ "$(printf '1.27.4\n%s\n' "$version" | sort -V | head -n 1)" = 1.27.4 ] || keeping=''
write_report
pause=0
while :; do
    look $pause
    now
    if [ -n "$addresses" ] && { [ "$addresses" != "$settled" ] || [ $((now - asked)) -ge $rest ]; }; then
        decide
    fi
    [ -z "$master" ] || lives || { say "nginx has ended"; exit 1; }
    if [ -z "$master" ]; then pause=0.3; else pause=1; fi
done
