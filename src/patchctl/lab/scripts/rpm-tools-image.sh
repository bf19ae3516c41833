#!/bin/sh
# Adds the rpm side to the tools image; needs the network. On stdin: tar of package trees, specs,
# advisories and lists. $1: Debian mirror.
#
# Leaves in /srv/tools: rpm/base (versions 1.0-1 and modules.yaml), rpm/channels/NAME (packages,
# update.xml and, where one is modular, modules.yaml), rpm/initial, rpm/kept, archive.asc,
# bin/repository-rpm; in /srv/lab the first state.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive GNUPGHOME=/srv/tools/gnupg

say() { echo "lab: rpm archive: $*" >&2; }

tools() {
    say "installing rpm and createrepo_c"
    echo "deb $1 bookworm main" >/etc/apt/sources.list
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends rpm createrepo-c >/dev/null
    apt-get clean
    rm -rf /var/lib/apt/lists/*
}

pack() {
    say "packing the lab's own packages"
    for file in /tmp/in/specs/*.spec; do
        tree=/tmp/in/$(basename "$file" .spec)
        rpmbuild --quiet -bb -D "_topdir /tmp/rpm" -D "tree $tree" "$file" >/tmp/log 2>&1 ||
            { tail -n 5 /tmp/log && exit 1; }
    done
    # A program's interpreter must be provided by a package, and no other package is an rpm here.
    rpmbuild --quiet -bb -D "_topdir /tmp/rpm" /tmp/in/patchlab-base.spec >/tmp/log 2>&1
    mkdir -p /tmp/rpms
    find /tmp/rpm/RPMS -name '*.rpm' -exec mv {} /tmp/rpms/ \;
}

add_signature() { # address of the key, FILES...
    address=$1
    shift
    rpmsign -D '__gpg /usr/bin/gpg' -D "_gpg_name $address" --addsign "$@" >/tmp/log 2>&1 ||
        { tail -n 5 /tmp/log && exit 1; }
}

# Nobody has a key of the second kind: hosts cannot know it.
sign() {
    cd /tmp/rpms
    find . -name '*.rpm' | cut -c 3- | sort | grep -vxF -f /tmp/in/unsigned -f /tmp/in/unknown >/tmp/good
    # shellcheck disable=SC2046
    add_signature lab@patchctl.invalid $(cat /tmp/good)
    (
        export GNUPGHOME=/tmp/stranger
        mkdir -m 0700 "$GNUPGHOME"
        gpg --batch --quiet --passphrase '' --quick-generate-key \
            'a stranger <stranger@patchctl.invalid>' ed25519 sign never 2>/dev/null
        # shellcheck disable=SC2046
        add_signature stranger@patchctl.invalid $(cat /tmp/in/unknown)
        gpgconf --kill all
    )
    while read -r file; do printf changed >>"$file"; done </tmp/in/changed
    cd /
}

store() {
    mkdir -p /srv/tools/rpm/base
    cp /tmp/rpms/patchlab-base-*.rpm /srv/tools/rpm/base/
    while read -r file; do
        cp "/tmp/rpms/$file" /srv/tools/rpm/base/
    done </tmp/in/base
    cat /tmp/in/modules/base/*.yaml >/srv/tools/rpm/base/modules.yaml
    while read -r channel file; do
        mkdir -p "/srv/tools/rpm/channels/$channel"
        cp "/tmp/rpms/$file" "/srv/tools/rpm/channels/$channel/"
        cp "/tmp/in/advisories/$channel.xml" "/srv/tools/rpm/channels/$channel/update.xml"
    done </tmp/in/channels
    for modules in /tmp/in/modules/*; do
        channel=${modules##*/}
        [ "$channel" = base ] || cat "$modules"/*.yaml >"/srv/tools/rpm/channels/$channel/modules.yaml"
    done
    cp /tmp/in/kept /tmp/in/initial /srv/tools/rpm/
    gpg --batch --export --armor >/srv/tools/archive.asc
    install -m 0755 /tmp/in/repository-rpm.sh /srv/tools/bin/repository-rpm
}

main() {
    mkdir -p /tmp/in
    tar -xf - -C /tmp/in
    tools "$1"
    pack
    sign
    store
    say "signing the repository"
    LAB=/srv/lab /srv/tools/bin/repository-rpm reset
    gpgconf --kill all
    rm -rf /tmp/*
}

main "$@"
