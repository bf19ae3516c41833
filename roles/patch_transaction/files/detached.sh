# shellcheck shell=sh
# The main part of a script that runs detached: `script JOB TRANSACTION`. It holds the host's lock
# while it lives; its answer becomes the job's result, whole or not at all.
# Needs lib.sh, job.sh, state.sh and the package manager's files.
# shellcheck disable=SC2154  # set by read_input

work() { # JOB
  quiet_packages
  case $1 in
    apply) apply_work ;;
    undo) undo_work ;;
    restart)
      restart_stale
      say_state
      ;;
  esac
}

concluded() { # JOB: the work, and its answer as the last line
  began=$(now)
  work "$1" >"$folder/answer"
  grep -v '^answer ' "$folder/answer"
  say seconds "$(($(now) - began))"
  if grep -q '^answer ' "$folder/answer"; then
    grep '^answer ' "$folder/answer" | tail -n 1
  elif grep -q '^check [^ ]* failed ' "$folder/answer"; then
    answer failed "$(sed -n 's/^check [^ ]* failed //p' "$folder/answer" | head -n 3 | tr '\n' ' ')"
  else
    answer ok
  fi
}

main() { # JOB TRANSACTION
  set -u
  umask 077
  cd / || exit 1
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
  export PATH LC_ALL
  unset LANG LANGUAGE
  job=$1
  tx=$BASE/$2
  folder=$tx/$job
  exec 2>>"$folder/log" >&2 </dev/null
  # A shutdown asks politely first: let the package manager finish. A handler, not `ignore`, which
  # every service that a maintainer script starts would inherit.
  trap : TERM INT HUP
  exec 9>>"$BASE/lock"
  flock -w 15 9 || exit 75
  if [ -f "$folder/result" ]; then exit 0; fi
  printf '%s %s\n' "$2" "$job" >"$BASE/running"
  read_input "$(cat "$tx/input")"
  # Children must not hold the lock: a daemon that a maintainer script starts would keep it.
  concluded "$job" 9>&- | keep "$folder/result"
  now >"$tx/ended"
}

main "$@" </dev/null
