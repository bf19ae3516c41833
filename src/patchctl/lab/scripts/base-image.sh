#!/bin/sh
# Turns a registry's image of Debian into the lab's base. $1: mirror, $2: release, then the packages.
# A registry's image holds security updates: take them back to what the main archive has, so that
# they are pending again.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

say() { echo "lab: base image: $*" >&2; }

main() {
    mirror=$1 release=$2
    shift 2
    rm -rf /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/docker-*
    echo "deb $mirror $release main" >/etc/apt/sources.list
    printf 'Package: *\nPin: release n=%s\nPin-Priority: 1001\n' "$release" >/etc/apt/preferences.d/lab
    say "taking security updates back"
    apt-get update -qq
    apt-get -y -qq --allow-downgrades dist-upgrade >/dev/null
    say "installing $*"
    apt-get -y -qq --no-install-recommends install "$@" >/dev/null
    rm -f /etc/apt/preferences.d/lab /etc/dpkg/dpkg.cfg.d/docker* /usr/sbin/policy-rc.d
    apt-get clean
    rm -rf /var/lib/apt/lists/*
}

main "$@" </dev/null
