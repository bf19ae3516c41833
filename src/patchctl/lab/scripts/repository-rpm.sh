#!/bin/sh
# The lab's rpm repository: the same words as `repository`, which calls this one where it is.
set -eu
export LC_ALL=C GNUPGHOME=/srv/tools/gnupg
: "${LAB:=/srv/lab}"
rpm=$LAB/rpm

put() { # channel
    cp "/srv/tools/rpm/channels/$1"/*.rpm "$rpm/packages/"
    cp "/srv/tools/rpm/channels/$1/update.xml" "$rpm/advisories/$1.xml"
    [ ! -e "/srv/tools/rpm/channels/$1/modules.yaml" ] ||
        cp "/srv/tools/rpm/channels/$1/modules.yaml" "$rpm/modules/$1.yaml"
}

take() { # channel
    for file in "/srv/tools/rpm/channels/$1"/*.rpm; do
        rm -f "$rpm/packages/${file##*/}"
    done
    rm -f "$rpm/advisories/$1.xml" "$rpm/modules/$1.yaml"
}

reset() {
    mkdir -p "$rpm/packages" "$rpm/advisories" "$rpm/modules" "$LAB/keys"
    find "$rpm/packages" "$rpm/advisories" "$rpm/modules" -type f -delete
    while read -r file; do
        cp "/srv/tools/rpm/base/$file" "$rpm/packages/"
    done </srv/tools/rpm/kept
    cp /srv/tools/rpm/base/modules.yaml "$rpm/modules/base.yaml"
    while read -r channel; do put "$channel"; done </srv/tools/rpm/initial
    cp /srv/tools/archive.asc "$LAB/keys/archive.asc"
}

advisories() { # one document of many
    echo '<?xml version="1.0" encoding="UTF-8"?>'
    echo '<updates>'
    for file in "$rpm/advisories"/*.xml; do
        [ ! -e "$file" ] || sed -n 's,^<updates>\(.*\)</updates>$,\1,p' "$file"
    done
    echo '</updates>'
}

# Names of metadata carry their checksum, so that renaming repomd.xml at last changes all at once.
index() {
    new=$(mktemp -d)
    createrepo_c -q --outputdir "$new" "$rpm"
    advisories >"$new/updateinfo.xml"
    modifyrepo_c --mdtype=updateinfo "$new/updateinfo.xml" "$new/repodata" >/dev/null
    cat "$rpm/modules"/*.yaml >"$new/modules.yaml"
    modifyrepo_c --mdtype=modules "$new/modules.yaml" "$new/repodata" >/dev/null
    gpg --batch --yes --quiet --detach-sign --armor "$new/repodata/repomd.xml"
    mkdir -p "$rpm/repodata"
    for file in "$new/repodata"/*; do
        case $file in
        */repomd.xml*) ;;
        *) cp "$file" "$rpm/repodata/" ;;
        esac
    done
    for name in repomd.xml.asc repomd.xml; do
        cp "$new/repodata/$name" "$rpm/repodata/$name.new"
        mv -f "$rpm/repodata/$name.new" "$rpm/repodata/$name"
    done
    rm -rf "$new"
}

main() {
    command=$1
    shift
    case $command in
    reset) reset ;;
    add) for channel; do put "$channel"; done ;;
    drop) for channel; do take "$channel"; done ;;
    esac
    index
}

main "$@"
