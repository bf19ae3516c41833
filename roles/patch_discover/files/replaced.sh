#!/bin/sh
# Part of discover.sh: processes that still run files which were removed or replaced, the packages
# that these belonged to, and what those were before. Needs host_rules.sh. What it reads is set there:
# $TAB, $stale, $owners, and by clock $btime and $ticks.
# shellcheck disable=SC2154

# `PID FILE`, no more of them than an answer should hold.
stale() {
  # shellcheck disable=SC2046  # numbers
  found=$(printf '%s\n' "$LAST_REPLACED" | grep -H "$REPLACED" /proc/[0-9]*/maps - \
    | replaced_files $(own_processes))
  set -- "$?"
  if [ -n "$found" ]; then printf '%s\n' "$found" | head -n 2000; fi
  return "$1"
}

# Each with its start, as epoch seconds and as the local time that logs are written in.
stale_processes() {
  clock
  printf '%s\n' "$stale" | cut -f 1 | sort -u | while read -r pid; do
    comm='' cgroup='' stat='' since='' when=''
    read -r comm <"/proc/$pid/comm"
    while read -r line; do
      case $line in
        *:name=systemd:*) cgroup=$line ;;
        0::*) cgroup=${cgroup:-$line} ;;
      esac
    done <"/proc/$pid/cgroup"
    read -r stat <"/proc/$pid/stat"
    # Field 22 is the start in ticks; the command in field 2 may hold spaces and brackets.
    # shellcheck disable=SC2086 # numbers
    set -- ${stat##*) }
    case $btime:${20-}:$ticks in
      *::* | :* | *: | *[!0-9:]*) ;;
      *)
        since=$((btime + ${20} / ticks))
        when=$(date -d "@$since" '+%Y-%m-%d %H:%M:%S') ;;
    esac
    printf '%s\t%s\t%s\t%s\t%s\n' "$pid" "$comm" "$cgroup" "$since" "$when"
  done
}

# The names under which the package manager may know a file that is gone: itself, by the name of
# before /usr was merged, and, where a newer file of another name took its place, by the link that
# both belong to (libexpat.so.1.8.10 was libexpat.so.1's). Only plain names: some take patterns. What a
# transaction was about to remove may have been given a number first: `/usr/bin/x;5f3a2b1c`.
gone_names() {
  printf '%s\n' "$stale" | cut -f 2 | grep -E '^/[A-Za-z0-9_./+@:~-]+(;[0-9A-Fa-f]+)?$' | sort -u | head -n 200 | awk '
    function say(name) { print $0 "\t" name; if (name ~ /^\/usr\//) print $0 "\t" substr(name, 5) }
    {
      file = $0; sub(/;[0-9A-Fa-f]+$/, "", file)
      say(file)
      if (match(file, /\.so\.[0-9]+/) && RSTART + RLENGTH <= length(file))
        say(substr(file, 1, RSTART + RLENGTH - 1))
    }'
}
