#!/bin/sh
# Prints pieces of package files; see pieces.sh. Each file comes from apt's cache, or apt downloads it with the
# host's repositories, proxies and credentials.
# Needs manager_apt_cause.sh, manager_apt_settings.sh and pieces.sh.
set -u
LC_ALL=C
export LC_ALL

# shellcheck disable=SC2154  # $work: set by pieces.sh
bring_with_apt() { # NAME PACKAGE ARCH VERSION SHA256
  for file in "$work/$1" "/var/cache/apt/archives/$1"; do
    if is "$file" "$5"; then
      return 0
    fi
  done
  spec=$2:$3=$4
  if [ "$3" = all ]; then
    spec=$2=$4
  fi
  # apt's downloader runs as _apt if that user exists; afterwards the folder becomes root's again.
  chown _apt "$work" 2>/dev/null
  said=$(cd "$work" && apt-get -c "$settings" -qq -o Debug::NoLocking=1 download "$spec" 2>&1)
  chown root "$work"
  file=$work/$1
  if is "$file" "$5"; then
    return 0
  fi
  why=$(printf '%s\n' "$said" | cause_in)
  if [ -z "$why" ]; then
    why='its repository gives another file now'
  fi
  return 1
}

main() {
  printf 'fetch 1\n'
  folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && trap 'exit 1' HUP INT TERM PIPE
  settings=$folder/apt.conf
  if [ -z "$folder" ] || ! apt_settings repositories "$folder/own" >"$settings"; then settings=/dev/null; fi
  print_pieces bring_with_apt
  printf 'end\n'
}

main "$@" </dev/null
