# shellcheck shell=sh
# The main part of a script that runs detached: `script JOB TRANSACTION`. It holds the host's lock as long as it
# runs; its answer becomes the job's result, whole or not at all.
# Needs lib.sh, base.sh, job.sh, state.sh and the package manager's files.
# shellcheck disable=SC2034,SC2154  # set by read_input, used by the other parts

work() { # JOB
  quiet_packages
  case $1 in
    apply) apply_work ;;
    undo) undo_work ;;
    restart)
      if restart_stale; then
        say_state
        say_claim
      else
        answer failed "processes on old files cannot be told: $save_error"
      fi
      ;;
  esac
}

# Does the work and prints its answer as the last line. The answer is kept in memory, not in a file: if the work
# has filled the disk, a file would be cut.
concluded() { # JOB
  began=$(uptime_s)
  told=$(work "$1")
  case $told in
    *'answer '*) printf '%s\n' "$told" | grep -v '^answer ' ;;
    *) printf '%s\n' "$told" ;;
  esac
  say seconds "$(($(uptime_s) - began))"
  case $told in
    *'
answer '*) printf '%s\n' "$told" | grep '^answer ' | tail -n 1 ;;
    *) concluded_from_checks ;;
  esac
}

# It went well only if a check says so: work that ended without an answer was interrupted.
concluded_from_checks() {
  concluded_failed=''
  case $told in
    *' failed '*)
      concluded_failed=$(printf '%s\n' "$told" | sed -n 's/^check [^ ]* failed //p' | head -n 3 | tr '\n' ' ')
      ;;
  esac
  if [ -n "$concluded_failed" ]; then
    answer failed "$concluded_failed"
  else
    case $told in
      *'check packages ok '* | *'asked processes '*) answer ok ;;
      *) answer failed "the work ended without saying how" ;;
    esac
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
  call=$folder
  exec 2>>"$folder/log" >&2 </dev/null
  # A shutdown sends a signal first: let the package manager finish. A handler, not `ignore`, since every service
  # that a maintainer script starts would inherit that.
  trap : TERM INT HUP
  exec 9>>"$BASE/lock"
  flock -w 15 9 || exit 75
  if has_result "$job"; then exit 0; fi
  put "$BASE/running" "$2 $job" || exit 75
  read_input "$(cat "$tx/input")"
  # Children must not inherit the lock: a daemon that a maintainer script starts would keep it.
  concluded_text=$(concluded "$job" 9>&-)
  case $concluded_text in
    *'
answer locked')
      keep "$folder/locked" "$concluded_text" && rm -f "$folder/started"
      exit 0
      ;;
  esac
  # Written before the result, so that whoever sees the result sees the mark. It need not survive a crash: after
  # a boot it means nothing.
  put "$tx/ended" "$(time_mark)"
  keep "$folder/result" "$concluded_text"
}

main "$@" </dev/null
