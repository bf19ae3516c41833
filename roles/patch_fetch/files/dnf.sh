#!/bin/sh
# Prints pieces of package files; see pieces.sh. dnf downloads each file with the host's repositories, proxies and
# credentials. The file's signature is checked here: it must be by a key that rpm has on this host and that the
# repository names, unless the repository requires no signatures.
# Needs manager_dnf_cause.sh, manager_dnf_settings.sh and pieces.sh.
set -u
LC_ALL=C
DNF_DISABLE_ALIASES=1
export LC_ALL DNF_DISABLE_ALIASES

# shellcheck disable=SC2154  # $work: set by pieces.sh
bring_with_dnf() { # NAME PACKAGE ARCH VERSION SHA256 REPOSITORY
  file=$work/$1
  if is "$file" "$5"; then
    return 0
  fi
  case $4 in *:*) spec=$2-$4.$3 ;; *) spec=$2-0:$4.$3 ;; esac
  rm -rf "$work/new" && mkdir -m 0700 "$work/new"
  # With -q dnf does not say why a file could not be fetched.
  said=$(dnf -y -c "$settings" --destdir "$work/new" download "$spec" 2>&1)
  # A repository may choose any names for its files.
  why=$(printf '%s\n' "$said" | cause_in)
  why=${why:-its repository gives another file now}
  for brought in "$work/new"/*.rpm; do
    if is "$brought" "$5" && is_signed "$brought" "$6"; then
      mv "$brought" "$file"
    fi
  done
  rm -rf "$work/new"
  is "$file" "$5"
}

# By default rpm accepts a file without a signature if its digests are right.
is_signed() { # FILE REPOSITORY; sets `why`
  if checked=$(rpmkeys --define '_pkgverify_level all' --define '_pkgverify_flags 0x0' --checksig "$1" 2>&1); then
    why=$(dnf_signed_for "$work/keys" "$2" "$1")
    return
  fi
  # rpm rejects a file that was changed, or that was signed with an unknown key.
  case $(rpmkeys --define '_pkgverify_level digest' --checksig "$1" 2>&1) in
    *': digests OK')
      if dnf_gpgchecks | grep -qxF "$2 no"; then return 0; fi
      why='it is not signed, and its repository wants signatures (gpgcheck)'
      ;;
    *) why="its signature does not hold: $(printf '%s\n' "$checked" | tail -n 1 | sed 's/^[^:]*: //')" ;;
  esac
  return 1
}

main() {
  printf 'fetch 1\n'
  folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && trap 'exit 1' HUP INT TERM PIPE
  settings=$folder/dnf.conf
  if [ -z "$folder" ] || ! dnf_settings repositories "$settings"; then settings=/etc/dnf/dnf.conf; fi
  print_pieces bring_with_dnf
  printf 'end\n'
}

main "$@" </dev/null
