#!/bin/sh
# Part of discover.sh: apt's repositories, the time at which the lists of each were last confirmed, and fetching
# them anew. discover.sh sets $TAB and $REFRESH_S.
# shellcheck disable=SC2154

# How many seconds to wait for a lock of the lists, since apt does not wait for it.
LISTS_LOCK_S=30

# Prints `fetched<TAB>FILE` for each list whose time apt changed, then what apt fetched and its errors.
#
# apt's exit code proves nothing: it is 0 if every fetch failed and the old lists stay in use, and 100 if only a
# site's hook failed. Its errors are not complete either: the first repository without a Release file hides
# those of others. But apt changes the ctime of a repository's Release file when it has all of its lists, even if
# the server has nothing newer. It also does so if the file's key is no longer known; then it prints an error.
refresh_apt() {
  lists=$(lists_folder)
  before=$(list_times "$lists")
  said=$(update_lists)
  code=$?
  { printf '%s\n\n' "$before"; list_times "$lists"; } | awk '
    $0 == "" { after = 1; next }
    !after { known[$0]; next }
    !($0 in known) { sub(/^.*\//, ""); print "fetched\t" $0 }'
  printf '%s\n' "$said" | without_passwords | awk '
    /^(Hit|Get):[0-9]+ / { if (!($0 in known) && ++good <= 500) print; known[$0]; next }
    / is configured multiple times in / { next } # says nothing of a repository, and there may be many
    /^(Err:[0-9]+ |E: |W: |Error: |Warning: )/ { if (++told <= 100) print; reason = /^Err:/; next }
    reason && /^  / { if (told <= 100) print }
    { reason = 0 }
    END { if (told > 100) print "W: and " told - 100 " lines more" }'
  if [ "$code" -eq 124 ]; then echo "E: apt-get update did not end within $REFRESH_S s"; fi
  return "$code"
}

update_lists() {
  waited=0
  while :; do
    # A site's settings may make apt only print what it would do.
    told=$(limited "$REFRESH_S" apt-get -q -o DPkg::Lock::Timeout=30 -o Acquire::Retries=1 \
      -o APT::Get::Print-URIs=false -o APT::Get::Simulate=false -o APT::Get::Download=true update 2>&1)
    code=$?
    case $told in
      *'Could not get lock '*) if [ "$waited" -ge "$LISTS_LOCK_S" ]; then break; fi ;;
      *) break ;;
    esac
    sleep 2
    waited=$((waited + 2))
  done
  printf '%s\n' "$told"
  return "$code"
}

lists_folder() {
  folder=$(apt-config shell folder Dir::State::lists/d | sed -n "s/^folder='\(.*\)'\$/\1/p")
  printf '%s\n' "${folder:-/var/lib/apt/lists/}"
}

list_times() { # FOLDER
  find "$1" -maxdepth 1 -type f \( -name '*Release' -o -name '*Packages*' \) -printf '%C@ %p\n'
}

# Prints when each list was last fetched or confirmed; see refresh_apt.
lists_apt() {
  list_times "$(lists_folder)" | awk -v OFS="$TAB" '{
    moment = $1; sub(/\..*/, "", moment); sub(/^[^ ]* /, ""); sub(/^.*\//, ""); print moment, $0 }'
}

# Prints all configured repositories, also those without lists: the name that the list of its Release file has,
# and its address without user and password.
sources_apt() {
  if ! told=$(apt-get -q -o Debug::NoLocking=1 update --print-uris 2>&1); then
    printf '%s\n' "$told" | without_passwords | grep -E '^(E|Error): ' | head -n 5
    return 1
  fi
  printf '%s\n' "$told" | without_passwords \
    | sed -n "s|^'\(.*\)/InRelease' \([^ ]*InRelease\) .*|\2$TAB\1|p"
}

without_passwords() { sed 's|://[^/ ]*@|://|g'; }
