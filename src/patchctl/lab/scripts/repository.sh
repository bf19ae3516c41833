#!/bin/sh
# The lab's apt repository, in a container of the tools image.
#   repository reset            the state at the start of a lab
#   repository add CHANNEL...   publish updates
#   repository drop CHANNEL...  take them away, as a mirror does with old versions
#   repository feed             print what its packages say of CVEs: tar of changelogs, in base64
# LAB is the folder that hosts see as /srv/patchlab.
set -eu
export LC_ALL=C GNUPGHOME=/srv/tools/gnupg
: "${LAB:=/srv/lab}"
apt=$LAB/apt

link() { # hard links where the file system allows, else copies
    cp -l "$@" 2>/dev/null || cp "$@"
}

put() { # channel; one that is for other hosts is not there
    [ -d "/srv/tools/store/channels/$1" ] || return 0
    for from in "/srv/tools/store/channels/$1"/*; do
        link "$from"/*.deb "$apt/pool/${from##*/}/"
    done
}

take() { # channel
    for file in "/srv/tools/store/channels/$1"/*/*.deb; do
        rm -f "$apt/pool"/*/"${file##*/}"
    done
}

reset() {
    for codename in bookworm bookworm-security; do
        mkdir -p "$apt/pool/$codename"
        find "$apt/pool/$codename" -name '*.deb' -delete
        for file in "/srv/tools/real/$codename"/*.deb; do
            [ ! -e "$file" ] || link "$file" "$apt/pool/$codename/"
        done
    done
    while read -r file; do
        link "/srv/tools/store/base/$file" "$apt/pool/bookworm/"
    done </srv/tools/store/kept
    while read -r channel; do put "$channel"; done </srv/tools/store/initial
    mkdir -p "$LAB/keys"
    cp /srv/tools/archive.gpg "$LAB/keys/archive.gpg"
}

# Only compressed indexes lie in the repository: of an uncompressed one apt's `file:` method keeps a
# link instead of a copy, and a host would see updates before its `apt-get update`.
# By-hash and a rename at the end let a host read while this writes.
index() { # codename suite label
    release=$apt/dists/$1
    arch=$(dpkg --print-architecture)
    packages=$release/main/binary-$arch
    mkdir -p "$packages/by-hash/SHA256"
    cd "$apt"
    apt-ftparchive --db "/srv/tools/$1.db" packages "pool/$1" >"$packages/Packages"
    gzip -9nc "$packages/Packages" >"$packages/Packages.gz"
    hash=$(sha256sum <"$packages/Packages.gz")
    cp "$packages/Packages.gz" "$packages/by-hash/SHA256/${hash%% *}"
    apt-ftparchive -o APT::FTPArchive::Release::Origin=Debian \
        -o APT::FTPArchive::Release::Label="$3" \
        -o APT::FTPArchive::Release::Suite="$2" \
        -o APT::FTPArchive::Release::Codename="$1" \
        -o APT::FTPArchive::Release::Architectures="$arch" \
        -o APT::FTPArchive::Release::Components=main \
        -o APT::FTPArchive::Release::Acquire-By-Hash=yes \
        release "dists/$1" >"/tmp/Release.$1"
    rm -f "$packages/Packages"
    gpg --batch --yes --quiet --clearsign -o "$release/InRelease.new" "/tmp/Release.$1"
    mv -f "$release/InRelease.new" "$release/InRelease"
}

# Of each source the changelog of its newest version, which holds those before it too.
feed() {
    new=$(mktemp -d)
    while read -r file source version; do
        for there in "$apt/pool"/*/"$file"; do
            [ -e "$there" ] || continue
            if [ -e "$new/$source" ]; then
                read -r known <"$new/$source"
                dpkg --compare-versions "$version" gt "$known" || continue
            fi
            echo "$version" >"$new/$source"
            cp "/srv/tools/changelogs/$file.gz" "$new/$source.changelog.gz"
        done
    done </srv/tools/changelogs/index
    (cd "$new" && tar -cf - ./*.changelog.gz) | base64 -w0
    rm -rf "$new"
}

main() {
    command=$1
    shift
    case $command in
    feed) feed && return ;;
    reset) reset ;;
    add) for channel; do put "$channel"; done ;;
    drop) for channel; do take "$channel"; done ;;
    *) echo "repository: unknown command $command" >&2 && exit 2 ;;
    esac
    index bookworm oldstable Debian
    index bookworm-security oldstable-security Debian-Security
    [ ! -x /srv/tools/bin/repository-rpm ] || /srv/tools/bin/repository-rpm "$command" "$@"
    gpgconf --kill all
}

main "$@"
