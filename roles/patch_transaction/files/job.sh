# shellcheck shell=sh
# Work that goes on without the connection: a script in the transaction's folder, started detached once; later
# calls wait for it. Needs lib.sh and base.sh.
# shellcheck disable=SC2154  # set by read_input
#
# TRANSACTION/JOB/started  a line for each start       TRANSACTION/JOB/result  the answer, whole
# TRANSACTION/JOB/script   what runs                    TRANSACTION/JOB/log     what it printed
# The job's shell holds BASE/lock as long as it lives; BASE/running says which job that is. The kernel releases the
# lock when the shell ends for any reason, so "running" is always certain.
# A job that could not begin because another process used the package manager removes its start and records the
# reason: the next start counts as the first one.

lock_is_held() {
  [ -f "$BASE/lock" ] || return 1
  ! flock -s -n 6 6<"$BASE/lock" # shared: two who look do not take each other for the job
}

running_job() { # prints `TRANSACTION JOB` of what runs now, nothing otherwise
  if lock_is_held; then
    running_line=''
    read -r running_line 2>/dev/null <"$BASE/running"
    printf '%s' "${running_line:-unknown unknown}"
  fi
}

# A result without its last line is incomplete: the process that wrote it was interrupted.
has_result() { # JOB
  [ -f "$tx/$1/result" ] && [ -n "$(result_word "$tx/$1/result")" ]
}

result_word() { # FILE: ok|failed, or nothing
  result_last=$(tail -n 1 "$1")
  case $result_last in 'answer ok' | 'answer failed') printf '%s' "${result_last#answer }" ;; esac
}

job_state() { # JOB: prints none|running|done|interrupted
  if has_result "$1"; then
    echo "done"
  elif [ "$(running_job)" = "$transaction $1" ]; then
    echo running
  elif has_result "$1"; then # it ended between the two looks
    echo "done"
  elif [ -f "$tx/$1/started" ]; then
    echo interrupted
  else
    echo none
  fi
}

has_systemd() { [ -d /run/systemd/system ] && have systemd-run; }

# PATCHCTL_CARRIED is the text of the script to run, sent together with this one.
launch() { # JOB
  launch_folder=$tx/$1
  need_folder "$launch_folder"
  # Each start writes the script anew, so it need not survive a crash; a running job may still read the old one.
  if ! put "$launch_folder/script.part" "${PATCHCTL_CARRIED:?}" \
    || ! mv -f "$launch_folder/script.part" "$launch_folder/script"; then cannot_write "$launch_folder/script"; fi
  rm -f "$launch_folder/locked"
  launch_starts=''
  if [ -f "$launch_folder/started" ]; then launch_starts=$(cat "$launch_folder/started"); fi
  must_keep "$launch_folder/started" "${launch_starts:+$launch_starts
}$(now)"
  set -- /bin/sh "$launch_folder/script" "$1" "$transaction"
  if has_systemd; then
    # KillMode=mixed and the long stop timeout: at a shutdown systemd waits for the package manager instead of
    # killing it between unpacking and configuring. Each start has a unit name of its own: the unit of a killed
    # start may not be gone yet.
    launch_unit="patchctl-$transaction-$3-$(lines_of "$launch_folder/started")"
    bounded systemd-run --quiet --collect --no-block --unit="$launch_unit" \
      -p KillMode=mixed -p TimeoutStopSec=900 "$@" >/dev/null 2>&1 </dev/null \
      || bounded systemd-run --quiet --no-block --unit="$launch_unit" \
        -p KillMode=mixed -p TimeoutStopSec=900 "$@" >/dev/null 2>&1 </dev/null \
      || bounded systemctl is-active --quiet "$launch_unit"
  else
    setsid "$@" >/dev/null 2>&1 </dev/null &
  fi
}

# Has the job's shell neither taken the lock nor ended? It writes a file when it has the lock, and reading that
# costs no process; many hosts on one machine that start at once are asked often.
is_unbegun() { # JOB
  if [ ! -f "$tx/$1/started" ]; then return 1; fi
  begun_line=''
  read -r begun_line 2>/dev/null <"$BASE/running"
  [ "$begun_line" != "$transaction $1" ] || [ "$(job_state "$1")" = interrupted ]
}

# Waits until the job's shell has the lock (or has ended), so that the next call does not take a job that is about
# to start for an interrupted one.
await_start() { # JOB
  await_tries=0
  while is_unbegun "$1" && [ "$await_tries" -lt 100 ]; do
    sleep 0.1 2>/dev/null || sleep 1
    await_tries=$((await_tries + 1))
  done
}

STARTS_MAX=3
OUTPUT_BYTES=16384

start_once() { # JOB: starts it, or starts it again to repair what was interrupted
  true 2>/dev/null >>"$BASE/start.lock" || { use_reserve && true 2>/dev/null >>"$BASE/start.lock"; } \
    || cannot_write "$BASE/start.lock"
  exec 7>>"$BASE/start.lock"
  flock -w 20 7 || refuse "another patchctl starts a transaction on this host; try again"
  # This call may have waited long: for a lock, or because the whole host was suspended.
  in_call
  need_own_claim
  if [ "$1" = apply ] && [ -f "$tx/undo/started" ]; then refuse "this transaction was undone already"; fi
  case $(job_state "$1") in
    done | running) ;;
    *)
      start_other=$(running_job)
      if [ -n "$start_other" ]; then
        refuse "transaction ${start_other% *} (${start_other#* }) runs on this host; wait for its end"
      fi
      if [ -f "$tx/$1/started" ] && [ "$(lines_of "$tx/$1/started")" -ge "$STARTS_MAX" ]; then
        start_answer="log see $tx/$1/log on the host
reason the transaction was interrupted $STARTS_MAX times and is not tried again
answer failed"
        if ! keep "$tx/$1/result" "$start_answer"; then
          refuse "the transaction was interrupted $STARTS_MAX times; cannot write to $tx/$1: $(why_unwritable)"
        fi
      else
        launch "$1" 7>&- || refuse "the transaction could not be started on the host (systemd-run failed)"
        await_start "$1"
      fi
      ;;
  esac
  exec 7>&-
}

# The kernel wakes this process when the job's shell releases the lock, so a host that installs packages spends no
# time on polling.
await_end() { # SECONDS
  flock -s -w "$1" 6 6<"$BASE/lock" || [ $? -eq 1 ] || sleep 1 # 1: it is still held
}

# The end of what the job printed, for `patchctl rollout logs`. A carriage return begins a line: progress bars.
say_output() { # JOB
  [ -f "$tx/$1/log" ] || return 0
  tail -c "$OUTPUT_BYTES" "$tx/$1/log" | tr '\r' '\n' | tr '\000-\011\013-\037\177' ' ' | cut -c1-400 \
    | sed -n 's/^./output &/p'
}

attach() { # JOB: prints the recorded result, or says that it still runs
  attach_end=$(($(uptime_s) + attach))
  while :; do
    attach_state=$(job_state "$1")
    case $attach_state in
      done)
        say_output "$1"
        cat "$tx/$1/result"
        answered "$(result_word "$tx/$1/result")"
        return
        ;;
      interrupted | none)
        if [ "$attach_state" = none ] && [ -f "$tx/$1/locked" ]; then
          cat "$tx/$1/locked"
          answered locked
          return
        fi
        say job "$1 interrupted"
        answer running "the transaction was interrupted on the host; the next call repairs it"
        return
        ;;
    esac
    attach_left=$((attach_end - $(uptime_s)))
    if [ "$attach_left" -le 0 ]; then
      say job "$1 running"
      say progress "$(tail -n 1 "$tx/$1/log" 2>/dev/null)"
      answer running
      return
    fi
    await_end "$attach_left"
  done
}
