#!/bin/sh
# A CA, a certificate for the registry (by address) and one for the site, and the registry's password file: certificates.sh DIR REGISTRY_IP
set -eu
umask 077
mkdir -p "$1" && cd "$1"
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
signed() { # NAME SUBJECT-ALTERNATIVE-NAMES
  key "$1"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$2" > "$1.ext"
  openssl req -new -key "$1.key" -subj "/CN=$1" |
    openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile "$1.ext" -out "$1.pem" 2> "$1.log"
}
key ca
openssl req -x509 -new -key ca.key -subj "/CN=bench peer CA" -days 365 -out ca.pem
signed registry "IP:$2"
signed site "DNS:web.localhost,IP:127.0.0.1"
openssl rand -hex 16 > password
perl -e 'open F, "<", "password"; chomp(my $p = <F>); open R, "<", "/dev/urandom"; read R, my $s, 16;
  (my $t = join "", map { ("a".."z", "A".."Z", 0..9)[ord($_) % 62] } split //, $s . "xxxxxx") =~ s/^(.{21}).*/$1e/;
  print "platform:", crypt($p, "\$2y\$08\$$t"), "\n"' > htpasswd
printf 'GREETING=hello\nDB_PASSWORD=%s\n' "$(openssl rand -hex 8)" > env
chmod 0644 ca.pem
