#!/bin/sh
# Makes the lab's archive inside a container of the base image; needs the network.
# $1: Debian mirror, $2: its security archive. On stdin: tar of package trees and channels.
#
# Leaves in /srv/tools: store/base (versions 1.0-1), store/channels/NAME/CODENAME, real/CODENAME
# (Debian's own files), changelogs (one a package file, and their index `FILE SOURCE VERSION`), gnupg
# (the lab's key), bin/repository, and in /srv/lab the first state of a lab's repository.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
main_uri=$1 security_uri=$2

# Sources whose old version stays in the repository; for the others an undo must find another way.
kept_sources='openssl perl python3.11 tzdata ca-certificates'

say() { echo "lab: archive: $*" >&2; }

unpack() {
    mkdir -p /srv/tools/bin /srv/tools/trees /srv/tools/store /srv/tools/real/bookworm \
        /srv/tools/real/bookworm-security
    tar -xf - -C /srv/tools/trees
    mv /srv/tools/trees/repository.sh /srv/tools/bin/repository
    chmod 0755 /srv/tools/bin/repository
}

use_debian() {
    rm -rf /etc/apt/sources.list.d/*
    cat >/etc/apt/sources.list <<EOF
deb $main_uri bookworm main
deb $security_uri bookworm-security main
EOF
    apt-get update -qq
}

fetch_updates() {
    apt-get -qq --print-uris dist-upgrade | sed -n "s/^'\([^']*\)' \([^ ]*\) .*/\1 \2/p" >/tmp/uris
    say "$(wc -l </tmp/uris) real updates are pending, fetching them"
    apt-get -y -qq --download-only dist-upgrade >/dev/null
    while read -r uri file; do
        case $uri in
        "$security_uri"/*) archive=bookworm-security ;;
        *) archive=bookworm ;;
        esac
        # In a pool a file's name has no epoch; apt would look for the decoded %3a.
        plain=$(printf %s "$file" | sed 's/_[0-9]*%3a/_/')
        cp "/var/cache/apt/archives/$file" "/srv/tools/real/$archive/$plain"
    done </tmp/uris
}

fetch_old_versions() {
    cd /srv/tools/real/bookworm
    for file in /srv/tools/real/bookworm-security/*.deb; do
        [ -e "$file" ] || break
        name=$(dpkg-deb -f "$file" Package)
        installed=$(dpkg-query -W -f '${source:Package} ${Version}' "$name" 2>/dev/null) || continue
        case " $kept_sources " in
        *" ${installed%% *} "*) apt-get -qq download "$name=${installed#* }" 2>/dev/null || true ;;
        esac
    done
    for file in *%3a*; do
        [ ! -e "$file" ] || mv "$file" "$(printf %s "$file" | sed 's/_[0-9]*%3a/_/')"
    done
    cd /
}

pack() {
    say "packing the lab's own packages"
    mkdir -p /srv/tools/debs
    for tree in /srv/tools/trees/*_*_*; do
        if [ -e "$tree/BUILD" ]; then
            mv "$tree/BUILD" /tmp/build.sh
            (cd "$tree" && sh /tmp/build.sh)
        fi
        dpkg-deb --root-owner-group -Zgzip -z1 -b "$tree" /srv/tools/debs >/dev/null
    done
    # trees/channels: "CHANNEL CODENAME FILE" a line, trees/base: "FILE" a line
    mkdir -p /srv/tools/store/base
    while read -r file; do
        cp "/srv/tools/debs/$file" /srv/tools/store/base/
    done </srv/tools/trees/base
    while read -r channel codename file; do
        mkdir -p "/srv/tools/store/channels/$channel/$codename"
        cp "/srv/tools/debs/$file" "/srv/tools/store/channels/$channel/$codename/"
    done </srv/tools/trees/channels
    cp /srv/tools/trees/initial /srv/tools/trees/kept /srv/tools/store/
    rm -rf /srv/tools/debs /srv/tools/trees
}

# Debian policy 12.7: a native package's changelog has no "Debian" in its name. Where a binary's
# folder is a link, another binary of its source has the changelog.
changelog_of() { # FILE NAME
    for log in changelog.Debian.gz changelog.gz; do
        dpkg-deb --fsys-tarfile "$1" | tar -xOf - "./usr/share/doc/$2/$log" 2>/dev/null && return
    done
    return 1
}

changelogs() {
    say "taking out changelogs, which name the CVEs that are fixed"
    mkdir /srv/tools/changelogs
    for file in /srv/tools/real/*/*.deb /srv/tools/store/base/*.deb /srv/tools/store/channels/*/*/*.deb; do
        name=${file##*/}
        # shellcheck disable=SC2016
        about=$(dpkg-deb -W --showformat='${Package} ${source:Package} ${source:Version}' "$file")
        if changelog_of "$file" "${about%% *}" >"/srv/tools/changelogs/$name.gz"; then
            echo "$name ${about#* }" >>/srv/tools/changelogs/index
        else
            rm "/srv/tools/changelogs/$name.gz"
        fi
    done
}

make_key() {
    say "making the archive's key"
    export GNUPGHOME=/srv/tools/gnupg
    mkdir -m 0700 "$GNUPGHOME"
    gpg --batch --quiet --passphrase '' --quick-generate-key \
        'patchctl lab archive <lab@patchctl.invalid>' ed25519 sign never 2>/dev/null
    gpg --batch --export >/srv/tools/archive.gpg
    gpgconf --kill all
}

main() {
    unpack
    use_debian
    fetch_updates
    fetch_old_versions
    pack
    changelogs
    say "installing apt-utils and gpg"
    apt-get install -y -qq --no-install-recommends apt-utils gpg gpg-agent >/dev/null
    make_key
    say "signing the repository"
    LAB=/srv/lab /srv/tools/bin/repository reset
    apt-get clean
    rm -rf /var/lib/apt/lists/* /tmp/*
}

main "$@"
