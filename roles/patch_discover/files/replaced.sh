#!/bin/sh
# Part of discover.sh: processes that still run removed or replaced files, the packages that these files belonged
# to, and the old versions of the packages. Needs host_rules.sh. discover.sh sets $TAB, $stale and $owners, and
# `clock` sets $btime and $ticks.
# shellcheck disable=SC2154

# Prints `PID FILE`, at most as many as an answer may contain.
stale() {
  # shellcheck disable=SC2046  # numbers
  found=$(printf '%s\n' "$LAST_REPLACED" | grep -H "$REPLACED" /proc/[0-9]*/maps - \
    | replaced_files $(own_processes))
  set -- "$?"
  if [ -n "$found" ]; then printf '%s\n' "$found" | head -n 2000; fi
  return "$1"
}

# Prints each process with its start in epoch seconds and in local time, which logs use.
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
    # Field 22 is the start in ticks; the command in field 2 may contain spaces and brackets.
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

# Prints the names that the package manager may have for a file that is gone: its path, its path before /usr was
# merged, and, if a newer file with another name replaced it, the link to both (libexpat.so.1 for
# libexpat.so.1.8.10). Only plain names, since some tools read patterns. A transaction may have renamed a file
# before it removed it: `/usr/bin/x;5f3a2b1c`.
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
