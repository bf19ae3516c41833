# shellcheck shell=sh
# Functions for every script that works on a transaction: answer, input, time, and questions to the system that
# need a complete answer. Needs host_rules.sh. A script is made of this file, other parts, and a stage's file with
# `main`.
#
# Answer, on standard output: lines `KEY TEXT`, the last one `answer ok|failed|running|missing|locked`.
# Each check prints how many things it looked at (`asked KEY COUNT`): the controller accepts an answer only if
# nothing is missing. So an empty file or list never means that all is well.
# shellcheck disable=SC2034  # variables set here are used by the stages' files

# --- answer --------------------------------------------------------------------------------------

plain() { # TEXT: one line without control characters, bounded
  if is_plain "$*" 400; then
    printf '%s' "$*"
  else
    printf '%s' "$*" | tr '\001-\037\177' ' ' | cut -c1-400
  fi
}

# True for most texts; then no process is needed to clean them.
is_plain() { # TEXT MOST
  case $1 in *[![:print:]]*) return 1 ;; esac
  [ "${#1}" -le "$2" ]
}

say() { # KEY TEXT
  if is_plain "$2" 400; then
    printf '%s %s\n' "$1" "$2"
  else
    printf '%s %s\n' "$1" "$(plain "$2")"
  fi
}

# Prints two paths of at most 900 characters each, so that both fit a line of an answer.
say_paths() { # KEY PATH PATH|-
  printf '%s %s %s\n' "$1" "$(path_line "$2")" "$(path_line "$3")"
}

path_line() { # PATH
  if is_plain "$1" 900; then
    printf '%s' "$1"
    return
  fi
  printf '%s' "$1" | tr '\001-\037\177' '?' | cut -c1-900
}

failures=

check() { # NAME ok|note|failed DETAIL
  say check "$1 $2 ${3-}"
  if [ "$2" = failed ]; then
    failures="${failures:+$failures; }${3:-$1}"
  fi
}

answer() { # ok|failed|running|missing|locked [REASON]
  if [ -n "${2-}" ]; then say reason "$2"; fi
  printf 'answer %s\n' "$1"
  answered "$1"
}

# With this exit code a plain playbook stops at the first stage that fails.
answer_code=1
answered() { # ok|failed|running|missing|locked
  case $1 in ok | running) answer_code=0 ;; *) answer_code=1 ;; esac
}

# The first line tells the controller which question this answer belongs to.
stage() { # ARGUMENTS: how every stage's file ends
  set -u
  read_input "${PATCHCTL_INPUT:-}"
  printf 'question %s %s\n' "$stage_name" "$transaction"
  main "$@"
  exit "$answer_code"
}

refuse() { # REASON: the stage ends here
  answer failed "$1"
  exit "$answer_code"
}

conclude() { # the last line of a stage that collected checks
  if [ -n "$failures" ]; then answer failed "$failures"; else answer ok; fi
}

# --- time ----------------------------------------------------------------------------------------

now() { date +%s; } # for people and for the check of the clock; never to measure how long

# Prints seconds since the kernel's start. A wall clock may be set back during a wait.
uptime_s() {
  read -r uptime_whole _ </proc/uptime
  printf '%s' "${uptime_whole%%.*}"
}

boot_identity() { # BOOT_ID START: boot_id alone does not change in a container
  read -r boot_id </proc/sys/kernel/random/boot_id
  # The command name in /proc/1/stat may contain spaces and parentheses, so fields are counted from the last.
  read -r boot_stat </proc/1/stat
  # shellcheck disable=SC2086  # numbers and letters
  set -- ${boot_stat##*) }
  printf '%s %s' "$boot_id" "${20-}"
}

time_mark() { # the boot's identity and the seconds since the kernel's start
  printf '%s %s' "$(boot_identity)" "$(uptime_s)"
}

# Prints the seconds since the mark was written. Prints nothing if it is missing or from another boot, since such
# times cannot be compared.
seconds_since() { # FILE
  mark_line=''
  if [ -f "$1" ]; then read -r mark_line <"$1"; fi
  mark_then=${mark_line##* }
  if [ "${mark_line% *}" = "$(boot_identity)" ] && is_number "$mark_then"; then
    mark_passed=$(($(uptime_s) - mark_then))
    if [ "$mark_passed" -ge 0 ]; then printf '%s' "$mark_passed"; fi
  fi
}

# --- questions to the system ---------------------------------------------------------------------

QUESTION_S=60
call_end=''

# A question must not run longer than the call that asks it: an abandoned script would run at the same time as the
# next call's.
bounded() { # COMMAND...
  bounded_s=$QUESTION_S
  if [ -n "$call_end" ]; then
    bounded_left=$((call_end - $(uptime_s)))
    if [ "$bounded_left" -lt "$bounded_s" ]; then bounded_s=$bounded_left; fi
  fi
  if [ "$bounded_s" -le 0 ]; then return 124; fi
  timeout -k 2 "$bounded_s" "$@"
}

# --- input ---------------------------------------------------------------------------------------

# Reads lines `KEY VALUE...` of the controller, which checked each value by a grammar; `-` stands for "none".
# The last line `end` proves that nothing is missing.
read_input() { # TEXT
  stage_name='' manager='' run='' transaction='' fence='' machine_id='' sent_at='' boot=''
  attach=12 lock_wait=120 limit=3600 settle=20 updaters=warn rollback_ready=require pushed=no
  packages='' planned_count=0 repositories='' unsigned='' stored='' probes='' over='' attempt=1 look=no only_check=no call_s=900 complete=no
  while read -r word rest; do
    case $word in
      stage) stage_name=$rest ;;
      manager) manager=$rest ;;
      run) run=$rest ;;
      transaction) transaction=$rest ;;
      fence) fence=$rest ;;
      machine-id) machine_id=$rest ;;
      now) sent_at=$rest ;;
      boot) boot=$rest ;;
      attach) attach=$rest ;;
      call) call_s=$rest ;;
      lock-wait) lock_wait=$rest ;;
      limit) limit=$rest ;;
      settle) settle=$rest ;;
      updaters) updaters=$rest ;;
      rollback-ready) rollback_ready=$rest ;;
      pushed) pushed=$rest ;;
      attempt) attempt=$rest ;;
      look) look=$rest ;;
      only-check) only_check=$rest ;;
      over) over="$over $rest" ;;
      package) packages="$packages$rest
" planned_count=$((planned_count + 1)) ;;
      repository) repositories="$repositories$rest
" ;;
      unsigned) unsigned="$unsigned$rest
" ;;
      stored) stored="$stored$rest
" ;;
      probe) probes="$probes$rest
" ;;
      end) complete=yes ;;
      patchctl) [ "$rest" = 1 ] || refuse "the input has format $rest, this script knows 1" ;;
      '') ;;
      *) refuse "the input has an unknown line: $word" ;;
    esac
  done <<END_OF_INPUT
$1
END_OF_INPUT
  [ "$complete" = yes ] || refuse "the input is not complete"
  case $transaction in
    '' | .* | *[!A-Za-z0-9._-]*) refuse "the input names no transaction" ;;
  esac
  tx=$BASE/$transaction
}

planned() { # the number of packages of the transaction
  printf '%s' "$planned_count"
}

# Ends a stage whose call is over. Long steps call it in between.
in_call() {
  if [ -z "$call_end" ] || [ "$(uptime_s)" -lt "$call_end" ]; then return; fi
  refuse "the host did not get ready within $call_s s"
}

# md5sum doubles a backslash in a name, and puts one before the line.
plain_sums() { # FILE with what it printed
  awk '
    /^[\\]/ {
      line = substr($0, 2); whole = ""
      while ((at = index(line, "\\\\")) > 0) { whole = whole substr(line, 1, at); line = substr(line, at + 2) }
      $0 = whole line
    }
    { print }' "$1"
}

lines_of() { # FILE: how many lines it has
  lines_count=$(wc -l <"$1") && printf '%s' "$((lines_count))"
}
