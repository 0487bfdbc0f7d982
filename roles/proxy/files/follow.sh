#!/bin/sh
# The proxy's first process. Serves with nginx what the managers' state says: asks for it, has nginx judge it, takes it up without closing
# a connection, and tells the managers what it serves. Private keys lie in its tmpfs alone.
set -u
umask 077
export LC_ALL=C
home=/run/proxy/state current=/run/proxy/current port=8444 answers=$home/answers
# By authorities, an app each; where there are none, a host has the platform's own certificate.
leaves=$home/leaves
# Seconds after which the same answer of a few managers counts.
patience=30
# The same managers are asked again after so long.
often=${ASK_SECONDS:-30}
# How many workers may be shutting down: they take memory. One that has no connections left is gone.
draining=${DRAINING:-16}
# So long after its last answer, a reload doesn't close a connection: its client may be about to ask again.
keeping='keepalive_min_timeout 5s;'
master='' serving='' refused='' reason='' report='' settled='' picture='' since=0 asked=0 rest=0
# The folder that is in force; and which leaves it has, and which nginx has refused: when they were written, then their size.
folder='' has='' unfit=''
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
# What a good answer says in its head, and in that of a second one beside it; and a bad one: nothing.
read_head() {
    code='' version='' managers='' length='' etag='' heads=0
    while read -r key value _; do
        value=${value%"$cr"}
        case $key in
            HTTP/*) heads=$((heads + 1)); [ $heads -gt 1 ] || code=$value;;
            X-State-Version:) version=$value;;
            X-State-Managers:) managers=$value;;
            Content-Length:) [ $heads -gt 1 ] || length=$value;;
            ETag:) etag=${value#\"} etag=${etag%\"}; case $etag in *[!0-9a-f-]*) etag='';; esac;;
            "$cr") [ $heads -lt "${2:-1}" ] || break;;
        esac
    done <"$1"
    case $code in 20*) ;; *) return 1;; esac
}

# Tells a manager's task what is served here, and hears what it would have served, and which leaves there are.
tell() {
    {
        printf 'PUT /tasks/%s HTTP/1.1\r\nHost: proxy-state\r\nContent-Length: %s\r\n\r\n%s' "$TASK" ${#report} "$report"
        printf 'HEAD /acme/leaves HTTP/1.0\r\nHost: proxy-state\r\n\r\n'
    } | send "$1" "$answers/$1" 3
}
ask_all() {
    rm -f $answers/*
    asking=''
    for address in $addresses; do tell "$address" & asking="$asking $!"; done
    for one in $asking; do wait "$one"; done
}
write_report() {
    report="node $NODE${end}serves $serving${end}refused $refused${end}leaves $has$end"
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

# Fetches an archive from a manager's task, and unpacks it into a folder of its own: 0 if it is whole, and is that version, or has that ETag.
fetch() {
    rm -rf "$4"; mkdir -m 711 "$4" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: proxy-state\r\n\r\n' "$2" | send "$1" $home/answer 10
    read_head $home/answer && { [ "$version" = "$3" ] || [ "$etag" = "$3" ]; } &&
        sed '1,/^.$/d' $home/answer >$home/state.tar &&
        [ "$(wc -c <$home/state.tar)" = "$length" ] &&
        tar -xpf $home/state.tar -C "$4"
    code=$?
    rm -f $home/answer $home/state.tar
    return $code
}
# Which of two leaves was written later, by their ETags: the time in hexadecimal digits, then the size.
is_newer() { [ -n "$1" ] && [ $((0x${1%-*})) -gt $((0x0${2%-*})) ]; }
# Puts the authorities' certificates into a folder, where its configuration looks for them.
add_leaves() {
    rm -rf "$1/acme"; mkdir -m 711 "$1/acme"
    for one in $leaves/*.crt; do
        [ -e "$one" ] || continue
        name=${one##*/} name=${name%.crt}
        cp -p "$leaves/$name.crt" "$leaves/$name.key" "$1/acme/"
        printf 'ssl_certificate acme/%s.crt;\nssl_certificate_key acme/%s.key;\n' "$name" "$name" >"$1/acme/$name.conf"
    done
    :
}
# A new proxy, which has no earlier ones, is to serve without them.
drop_leaves() { [ -n "$has" ] && unfit=$has has='' && rm -rf $leaves "$1/acme"; }
is_fit() { said=$(nginx -t -c "$1/nginx.conf" 2>&1); }
# Has nginx serve what is in a folder: 0 if it does. If not, it serves what it did before.
switch() {
    point_to "$1"
    if [ -z "$master" ]; then
        nginx -c $current/nginx.conf -g 'daemon off;' 3>&- 4<&- &
        master=$!
    elif ! reload; then
        point_to "$folder"
        # It may be slow, and on its way to the new one.
        kill -HUP "$master"
        rm -rf "$1"
        return 1
    fi
    folder=$1
    for one in "$home"/*/; do
        case $one in "$folder/"|"$answers/"|"$leaves/") ;; *) rm -rf "$one";; esac
    done
}
take() {
    new=$home/$1
    if ! fetch "$2" /state.tar "$1" "$new"; then say "could not fetch $1 from $2"; return 1; fi
    [ -z "$keeping" ] || echo "$keeping" >"$new/keeping.conf"
    add_leaves "$new"
    if ! is_fit "$new" && ! { [ -z "$serving" ] && drop_leaves "$new" && is_fit "$new"; }; then rm -rf "$new"; refuse "$1" "$said"; return 0; fi
    if ! switch "$new"; then refuse "$1" "nginx did not take it up; its log says why"; return 0; fi
    serving=$1 refused='' reason=''
    say "serves $1"
    write_report
}
# A file of another owner's gets its mode when it is made, or never: cp would need a further capability.
copy() { mkdir -m 711 "$2" && tar -cf - -C "$1" . | tar -xpf - -C "$2"; }
# The newest of the authorities' certificates, from a manager's task: beside the version that is in force, or the first one to come.
take_leaves() {
    [ -n "$1" ] && [ "$1" != "$unfit" ] && is_newer "$1" "$has" || return 1
    if ! fetch "$2" /acme/leaves "$1" $home/new-leaves; then say "could not fetch certificates from $2"; return 1; fi
    rm -rf $home/old-leaves
    [ ! -d $leaves ] || mv $leaves $home/old-leaves
    mv $home/new-leaves $leaves
    new=$home/$serving+$1
    if [ -n "$serving" ]; then
        said=''
        if ! { copy "$folder" "$new" && add_leaves "$new" && is_fit "$new" && switch "$new"; }; then
            rm -rf "$new" $leaves; unfit=$1
            [ ! -d $home/old-leaves ] || mv $home/old-leaves $leaves
            say "took no certificates of $1: $said"
            return 1
        fi
    fi
    has=$1
    say "has certificates of $1"
    write_report
}

take_newest() { take_leaves "$newest" "$holder"; }
# What those who answer agree on comes into force, if they are most of the managers, or have said the same for a while.
decide() {
    ask_all
    now; asked=$now
    versions='' count=0 of=0 most=1 source='' newest='' holder=''
    for answer in $answers/*; do
        read_head "$answer" 2 || continue
        count=$((count + 1)) source=${answer##*/}
        case " $versions " in *" $version "*) ;; *) versions="$versions${versions:+ }$version";; esac
        [ "${managers:-1}" -le "$most" ] || most=$managers
        ! is_newer "$etag" "$newest" || { newest=$etag holder=${answer##*/}; }
    done
    # Nobody, or managers of two minds.
    case $versions in ''|*[!0-9a-f]*) settled='' picture=''; return;; esac
    [ "$picture" = "$versions $count" ] || { picture="$versions $count"; since=$asked; }
    if [ "$versions" != "$serving" ] && [ "$versions" != "$refused" ]; then
        settled=''
        [ $((2 * count)) -gt "$most" ] || [ $((asked - since)) -ge $patience ] || return
        [ -n "$serving" ] || take_newest
        take "$versions" "$source" && ask_all
        return
    fi
    if take_newest; then ask_all; fi
    # What was refused, and is wanted no longer.
    [ -z "$refused" ] || [ "$versions" = "$refused" ] || { refused='' reason=''; write_report; ask_all; }
    # Others than these are asked at once, the same again after a while: one may have been silent.
    settled=$addresses
    for _ in $addresses; do of=$((of + 1)); done
    if [ $count = $of ]; then rest=$often; else rest=3; fi
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
