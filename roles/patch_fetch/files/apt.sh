#!/bin/sh
# Prints pieces of package files. Each comes from apt's own cache or is downloaded by apt, with the
# host's repositories, proxies and credentials, and is printed only if its SHA-256 is the right one.
#
# Payload:  patchctl-fetch 1
#           work ID            names the folder that files lie in between two calls
#           keep yes|no        does another call with this ID follow?
#           piece NAME PACKAGE ARCH VERSION SHA256 OFFSET LENGTH      one line a piece
# Answer:   fetch 1 | piece SHA256 OFFSET LENGTH, base64 lines, `.` | failed SHA256 TEXT | end
# Needs manager_apt_cause.sh and manager_apt_settings.sh.
set -u
LC_ALL=C
export LC_ALL

# Under /var/cache, not in patchctl's own folder: apt's downloader drops its privileges and must
# be able to write there.
base=/var/cache/patchctl

is() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ "$(sha256sum <"$1")" = "$2  -" ]
}

# Sets `file` to a copy with the right content, or `why`.
find_file() {
  name=$1 package=$2 arch=$3 version=$4 sha256=$5
  if [ -n "$lacking" ]; then
    why="$lacking is missing on the host"
    return 1
  fi
  for file in "$work/$name" "/var/cache/apt/archives/$name"; do
    if is "$file" "$sha256"; then
      return 0
    fi
  done
  spec=$package:$arch=$version
  if [ "$arch" = all ]; then
    spec=$package=$version
  fi
  # apt's downloader runs as _apt where there is such a user; the folder is taken back after it.
  chown _apt "$work" 2>/dev/null
  said=$(cd "$work" && apt-get -c "$settings" -qq -o Debug::NoLocking=1 download "$spec" 2>&1)
  chown root "$work"
  file=$work/$name
  if is "$file" "$sha256"; then
    return 0
  fi
  why=$(printf '%s\n' "$said" | cause_in)
  if [ -z "$why" ]; then
    why='its repository gives another file now'
  fi
  return 1
}

print_piece() {
  printf 'piece %s %s %s\n' "$1" "$2" "$3"
  tail -c +"$(($2 + 1))" "$file" | head -c "$3" | base64
  printf '.\n'
}

# Without one of them a piece would be short, or empty.
lacking=
for tool in base64 sha256sum head tail; do
  command -v "$tool" >/dev/null 2>&1 || lacking=$tool
done

main() {
  printf 'fetch 1\n'
  id=$(printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^work \([0-9a-f]*\)$/\1/p')
  work=$base/fetch-$id
  [ -d "$base" ] || mkdir -m 0755 "$base"
  # What a lost connection left behind.
  find "$base" -mindepth 1 -maxdepth 1 -name 'fetch-*' -mmin +1440 -exec rm -rf {} +
  [ -d "$work" ] || mkdir -m 0700 "$work"
  folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && trap 'exit 1' HUP INT TERM PIPE
  settings=$folder/apt.conf
  if [ -z "$folder" ] || ! apt_settings repositories "$folder/own" >"$settings"; then settings=/dev/null; fi
  printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^piece //p' \
    | while read -r name package arch version sha256 offset length; do
      if find_file "$name" "$package" "$arch" "$version" "$sha256" </dev/null; then
        print_piece "$sha256" "$offset" "$length"
      else
        printf 'failed %s %s\n' "$sha256" "$why"
        # The caller may ask for nothing more now.
        rm -rf "$work" && mkdir -m 0700 "$work"
      fi
    done
  case $PATCHCTL_INPUT in
    *'keep yes'*) ;;
    *) rm -rf "$work" ;;
  esac
  rmdir "$work" "$base" 2>/dev/null
  printf 'end\n'
}

main "$@" </dev/null
