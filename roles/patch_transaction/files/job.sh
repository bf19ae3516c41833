# shellcheck shell=sh
# Work that outlives the connection: a script in the transaction's folder, started detached once,
# attached to ever after. Needs lib.sh and base.sh.
# shellcheck disable=SC2154  # set by read_input
#
# TRANSACTION/JOB/started  a line for each start       TRANSACTION/JOB/result  the answer, whole
# TRANSACTION/JOB/script   what runs                    TRANSACTION/JOB/log     what it printed
# BASE/lock is held by the job's shell while it lives, BASE/running says whose it is. The kernel
# drops the lock when the shell dies, whatever it died of, so "running" is never a guess.
# A job that could not begin, since somebody else held the package manager, takes its start back and
# leaves why: the next start is as good as the first.

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

# A result without its last line is none: whatever wrote it did not come to its end.
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

# PATCHCTL_CARRIED is the text of the script that is to run, sent beside this one.
launch() { # JOB
  launch_folder=$tx/$1
  need_folder "$launch_folder"
  # Each start brings its own, so it need not outlive a crash; the one before may still be read.
  if ! put "$launch_folder/script.part" "${PATCHCTL_CARRIED:?}" \
    || ! mv -f "$launch_folder/script.part" "$launch_folder/script"; then cannot_write "$launch_folder/script"; fi
  rm -f "$launch_folder/locked"
  launch_starts=''
  if [ -f "$launch_folder/started" ]; then launch_starts=$(cat "$launch_folder/started"); fi
  must_keep "$launch_folder/started" "${launch_starts:+$launch_starts
}$(now)"
  set -- /bin/sh "$launch_folder/script" "$1" "$transaction"
  if has_systemd; then
    # KillMode=mixed and the long stop: at a shutdown systemd waits for the package manager
    # instead of killing it between unpacking and configuring. Each start has a name of its own: the
    # unit of one that was killed may still be on its way out.
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

# Has the job's shell neither the lock yet, nor ended? Whoever takes the lock says so in a file, which
# costs no process to read; many hosts that start at once on one machine are looked at often.
is_unbegun() { # JOB
  if [ ! -f "$tx/$1/started" ]; then return 1; fi
  begun_line=''
  read -r begun_line 2>/dev/null <"$BASE/running"
  [ "$begun_line" != "$transaction $1" ] || [ "$(job_state "$1")" = interrupted ]
}

# Waits until the job's shell holds the lock (or has ended), so that nobody who looks next takes a
# job that is about to start for one that was interrupted.
await_start() { # JOB
  await_tries=0
  while is_unbegun "$1" && [ "$await_tries" -lt 100 ]; do
    sleep 0.1 2>/dev/null || sleep 1
    await_tries=$((await_tries + 1))
  done
}

STARTS_MAX=3

start_once() { # JOB: starts it, or starts it again to repair what was interrupted
  true 2>/dev/null >>"$BASE/start.lock" || { use_reserve && true 2>/dev/null >>"$BASE/start.lock"; } \
    || cannot_write "$BASE/start.lock"
  exec 7>>"$BASE/start.lock"
  flock -w 20 7 || refuse "another patchctl starts a transaction on this host; try again"
  # Whoever waited here may have waited long: for a lock, or because the whole host stood still.
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

# The kernel wakes us when the job's shell lets go of the lock: a host that installs has better to
# do than to answer questions.
await_end() { # SECONDS
  flock -s -w "$1" 6 6<"$BASE/lock" || [ $? -eq 1 ] || sleep 1 # 1: it is still held
}

attach() { # JOB: prints the recorded result, or says that it still runs
  attach_end=$(($(uptime_s) + attach))
  while :; do
    attach_state=$(job_state "$1")
    case $attach_state in
      done)
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
