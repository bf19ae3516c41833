# shellcheck shell=sh disable=SC2154  # $file: set by BRING
# Prints pieces of package files, each only if its SHA-256 is right, for any package manager.
#
# Payload:  patchctl-fetch 1
#           work ID            names the folder that files lie in between two calls
#           keep yes|no        does another call with this ID follow?
#           piece NAME PACKAGE ARCH VERSION SHA256 OFFSET LENGTH REPOSITORY|-     one line a piece
# Answer:   fetch 1 | piece SHA256 OFFSET LENGTH, base64 lines, `.` | failed SHA256 TEXT | end
# Needs PATCHCTL_INPUT.

# The folder is in /var/cache, not in patchctl's own folder: apt's downloader drops its privileges and must be
# able to write there.
base=/var/cache/patchctl

is() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ "$(sha256sum <"$1")" = "$2  -" ]
}

print_piece() {
  printf 'piece %s %s %s\n' "$1" "$2" "$3"
  tail -c +"$(($2 + 1))" "$file" | head -c "$3" | base64
  printf '.\n'
}

# Without one of these programs a piece would be too short, or empty.
lacking_tool() {
  for tool in base64 sha256sum head tail; do
    command -v "$tool" >/dev/null 2>&1 || printf '%s' "$tool"
  done
}

# BRING NAME PACKAGE ARCH VERSION SHA256 REPOSITORY is a function that sets `file` to a copy with that content, or
# fails and sets `why`. It may write to $work.
print_pieces() { # BRING
  id=$(printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^work \([0-9a-f]*\)$/\1/p')
  work=$base/fetch-$id
  [ -d "$base" ] || mkdir -m 0755 "$base"
  # Remove files of a call whose connection broke.
  find "$base" -mindepth 1 -maxdepth 1 -name 'fetch-*' -mmin +1440 -exec rm -rf {} +
  [ -d "$work" ] || mkdir -m 0700 "$work"
  lacking=$(lacking_tool)
  printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^piece //p' \
    | while read -r name package arch version sha256 offset length repository; do
      why="$lacking is missing on the host"
      if [ -z "$lacking" ] && "$1" "$name" "$package" "$arch" "$version" "$sha256" "$repository" </dev/null; then
        print_piece "$sha256" "$offset" "$length"
      else
        printf 'failed %s %s\n' "$sha256" "$why"
        # The caller may end here and ask for nothing more.
        rm -rf "$work" && mkdir -m 0700 "$work"
      fi
    done
  case $PATCHCTL_INPUT in
    *'keep yes'*) ;;
    *) rm -rf "$work" ;;
  esac
  rmdir "$work" "$base" 2>/dev/null
}
