# shellcheck shell=sh disable=SC2154  # $excluded: set by who calls
# Completes a transaction for any package manager, and finds packages that rules exclude. Needs PATCHCTL_INPUT.

# Takes as many of the wanted packages as are possible together. A batch that is not possible is halved, so one
# bad package among n costs about 2 log2(n) simulations, and the others stay. TAKE and LEAVE are functions: TAKE
# FIRST LAST is true if these lines are possible together with the earlier ones; LEAVE NUMBER prints why that one
# is not.
close_by_halves() { # COUNT TAKE LEAVE
  queue=1-$1
  while [ -n "$queue" ]; do
    range=${queue%% *}
    case $queue in *' '*) queue=${queue#* } ;; *) queue= ;; esac
    first=${range%-*}
    last=${range#*-}
    if "$2" "$first" "$last"; then
      :
    elif [ "$first" -eq "$last" ]; then
      "$3" "$first"
    else
      middle=$(((first + last) / 2))
      queue="$first-$middle $((middle + 1))-$last${queue:+ $queue}"
    fi
  done
}

excluding_patterns() {
  printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^exclude //p'
}

# Prints those of the lines `NAME SOURCE` that match a pattern, each name once.
fitting() {
  set -f # the patterns are for names, not for files
  while read -r name source; do
    for pattern in $excluded; do
      # shellcheck disable=SC2254
      case $name in $pattern) printf '%s/%s\n' "$name" "$source" ;; esac
      # shellcheck disable=SC2254
      case $source in $pattern) printf '%s/%s\n' "$name" "$source" ;; esac
    done
  done | awk -F / '!seen[$1]++' | tr '\n' ' '
}

# While another process changes packages, the answer of the package manager is worth nothing. False if one does, or
# if that cannot be found out.
print_locks() { # MANAGER COMMAND...: it lists the holders
  locked=$1
  shift
  if ! locks=$("$@"); then
    printf 'error whether others work with %s cannot be told\n' "$locked"
  elif [ -n "$locks" ]; then
    printf '%s\n' "$locks" | sed 's/^/lock /'
  else
    return 0
  fi
  return 1
}
