#!/bin/sh
# Prints the advisories (updateinfo) that the enabled repositories of a dnf host publish, from dnf's own cache,
# after dnf has updated it. Changes nothing else on the host.
#
# Answer:   advisories 1
#           repository ID REVISION BASE64      one line a repository; REVISION may be `-`
#           without ID                         the repository publishes none
#           failed ID TEXT                     ID `-`: the host as a whole
#           end
# Needs host_rules.sh and host_dnf.sh.
set -u
LC_ALL=C
export LC_ALL

# A host may send 64 MiB. base64 is applied twice, and each time makes 4 bytes of 3.
room=$((40 * 1024 * 1024))

# yum marks IDs with `!` and `*` and appends release and architecture: `!base/7/x86_64`.
enabled() {
  "$dnf" -C -q repolist 2>/dev/null | awk '
    /^repo id/ { on = 1; next }
    /^repolist:/ { exit }
    on && NF { sub(/^[!*]+/, "", $1); sub(/\/.*/, "", $1); print $1 }'
}

# The newest folder of the repository: a change of its address gives it a new folder.
index_of() {
  for file in "$(dnf_cache)/$1"-????????????????/repodata/repomd.xml \
    "/var/cache/libdnf5/$1"-????????????????/repodata/repomd.xml \
    /var/cache/yum/*/*/"$1"/repomd.xml; do
    if [ -f "$file" ]; then
      printf '%s\t%s\n' "$(stat -c %Y "$file")" "$file"
    fi
  done | sort -rn | head -n 1 | cut -f 2
}

# The names of the updateinfo files in repomd.xml, which may be written on one line.
files_of() {
  tr '>' '\n' <"$1" | awk '
    /<data / { on = /type=.updateinfo(_zck)?["\047]/ }
    on && /<location / && match($0, /href=["\047][^"\047]*/) {
      name = substr($0, RSTART + 6, RLENGTH - 6)
      sub(/.*\//, "", name)
      print name
    }'
}

# The controller unpacks gzip, xz, bzip2 and plain files; others are packed anew.
content() {
  case $1 in
    *.zck) unzck --stdout "$1" | gzip -c ;;
    *.zst) zstd -dcq "$1" | gzip -c ;;
    *) cat "$1" ;;
  esac
}

# Prints why the file cannot be sent, or nothing.
unfit() {
  case $1 in
    *.zck) command -v unzck >/dev/null || printf 'its updateinfo is zchunk: install zchunk there' ;;
    *.zst) command -v zstd >/dev/null || printf 'its updateinfo is zstd: install zstd there' ;;
  esac
}

# dnf goes on without a repository that may be missing (skip_if_unavailable), and keeps its old copy. With -q
# dnf would print nothing about it.
skipped() {
  printf '%s\n' "$said" | awk -v id="$1" '
    /^Ignoring repositories: / {
      gsub(/,/, " ")
      for (at = 3; at <= NF; at++) if ($at == id) found = 1
    }
    index($0, "repository \"" id "\"") { found = 1 }
    END { exit !found }'
}

print_repository() {
  id=$1
  if skipped "$id"; then
    printf 'failed %s dnf could not bring it up to date\n' "$id"
    return
  fi
  index=$(index_of "$id")
  if [ -z "$index" ]; then
    printf 'failed %s dnf has no copy of its index\n' "$id"
    return
  fi
  names=$(files_of "$index")
  if [ -z "$names" ]; then
    printf 'without %s\n' "$id"
    return
  fi
  why='dnf did not fetch its updateinfo'
  for name in $names; do
    file=${index%/*}/$name
    [ -f "$file" ] || continue
    why=$(unfit "$file")
    [ -z "$why" ] || continue
    size=$(content "$file" | wc -c)
    if [ "$size" -gt "$room" ]; then
      why="its updateinfo has $size bytes, more than one answer can hold"
      continue
    fi
    room=$((room - size))
    revision=$(sed -n 's|.*<revision>\([0-9]\{1,12\}\)</revision>.*|\1|p' "$index" | head -n 1)
    printf 'repository %s %s ' "$id" "${revision:--}"
    content "$file" | base64 | tr -d '\n'
    printf '\n'
    return
  done
  printf 'failed %s %s\n' "$id" "$why"
}

main() {
  printf 'advisories 1\n'
  dnf=$(command -v dnf || command -v yum)
  if [ -z "$dnf" ]; then
    printf 'failed - there is no dnf\nend\n'
    return
  fi
  if ! command -v base64 >/dev/null; then
    printf 'failed - base64 is missing on the host\nend\n'
    return
  fi
  refresh=--refresh
  case $dnf in */yum) refresh='' ;; esac
  # shellcheck disable=SC2086  # no word where there is no option
  if ! said=$(timeout 240 "$dnf" $refresh makecache 2>&1 >/dev/null); then
    printf 'failed - dnf makecache: %s\nend\n' "$(printf '%s\n' "$said" | tail -n 1)"
    return
  fi
  # Not a pipe, since each repository that is sent leaves less room for the next.
  for id in $(enabled); do
    case $id in
      *[!A-Za-z0-9._:-]*) ;;
      *) print_repository "$id" ;;
    esac
  done
  printf 'end\n'
}

main "$@" </dev/null
