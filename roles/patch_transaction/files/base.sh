# shellcheck shell=sh
# The folder that patchctl keeps on a host: its owner, writing to it, and the claim of the run that works on
# this host. Needs lib.sh.
# shellcheck disable=SC2034,SC2154  # set by read_input; used by the stages' files

BASE=/var/lib/patchctl

# True if the folder is a real one and belongs to root alone. A folder that others can write to is not trusted:
# files in it are installed as root.
own_folder() { # PATH
  [ ! -h "$1" ] || return 1
  if [ ! -e "$1" ] && mkdir -m 0700 "$1" 2>/dev/null; then return; fi # it was made by this very process
  [ -d "$1" ] || mkdir -m 0700 "$1" 2>/dev/null || [ -d "$1" ] \
    || { use_reserve && mkdir -m 0700 "$1" 2>/dev/null; } || return 1
  own_folder_path=$1
  # shellcheck disable=SC2046  # mode links uid gid are words without spaces
  set -- $(ls -ldn "$1")
  [ "${3-}" = 0 ] || return 1
  case $1 in
    drwx------*) ;;
    *) chmod 0700 "$own_folder_path" ;;
  esac
}

need_folder() { # PATH
  if own_folder "$1"; then return; fi
  [ -d "$1" ] || [ -h "$1" ] || cannot_write "$1"
  refuse "$1 is not a folder of root alone; look at it, then remove it"
}

need_base() {
  need_tools
  need_folder "$BASE"
}

need_tools() {
  [ "$(id -u)" = 0 ] || refuse "not root on the host; become must give root"
  umask 077
  for needed in flock sha256sum awk sed timeout; do
    have "$needed" || refuse "$needed is missing on the host"
  done
  [ -r /proc/uptime ] || refuse "the host has no /proc/uptime"
  call_end=$(($(uptime_s) + call_s))
}

# For a check that changes nothing: the files of this call lie in memory, and BASE is only read.
open_check() {
  if [ -h "$BASE" ] || { [ -e "$BASE" ] && [ ! -d "$BASE" ]; } || [ "$(owner_of "$BASE")" != 0 ]; then
    refuse "$BASE is not a folder of root alone; look at it, then remove it"
  fi
  call=$(mktemp -d /run/patchctl-check.XXXXXX 2>/dev/null) || refuse "cannot write to /run"
  trap 'rm -rf "$call"' EXIT
}

owner_of() { # FOLDER; prints 0 if there is none
  if [ ! -e "$1" ]; then
    echo 0
    return
  fi
  # shellcheck disable=SC2046  # mode links uid gid are words without spaces
  set -- $(ls -ldn "$1")
  printf '%s' "${3-}"
}

# A folder for the files of this call. An earlier call whose connection broke may still run; the two calls must
# not change each other's files.
open_call() {
  read -r call_pid call_stat </proc/self/stat
  # shellcheck disable=SC2086  # numbers and letters
  set -- ${call_stat##*) }
  call=$tx/call.$call_pid.${20-0}
  for call_old in "$tx"/call.*; do
    if [ -d "$call_old" ] && [ ! -h "$call_old" ] && ! call_lives "$call_old"; then rm -rf "$call_old"; fi
  done
  need_folder "$call"
  trap 'rm -rf "$call"' EXIT
}

call_lives() { # FOLDER: `call.PID.START`
  call_name=${1##*/call.}
  read -r call_stat 2>/dev/null <"/proc/${call_name%%.*}/stat" || return 1
  # shellcheck disable=SC2086
  set -- ${call_stat##*) }
  [ "${20-}" = "${call_name#*.}" ]
}

need_transaction() { # the folder of this transaction, prepared before
  need_base
  if [ ! -d "$tx" ] || [ -h "$tx" ]; then refuse "the host has no transaction $transaction"; fi
  [ -f "$tx/prepared" ] || refuse "transaction $transaction was not prepared on this host"
  same_packages
  open_call
}

same_packages() { # without the newline at their ends, both
  [ "$(cat "$tx/packages")" = "$(printf '%s' "$packages")" ] \
    || refuse "transaction $transaction was prepared for other packages"
}

# --- what is written -----------------------------------------------------------------------------

# A step that cannot write a file must not go on with an empty or a short one, which would be read as "nothing is
# wrong". So every write uses one of these functions, or checks its result itself.

cannot_write() { # PATH
  refuse "cannot write to ${1%/*}: $(why_unwritable)"
}

why_unwritable() { # of the file system that BASE is on
  why_mount=$(df -Pk "$BASE" 2>/dev/null | awk 'NR > 1 { print $NF; exit }')
  if [ -z "$why_mount" ]; then
    printf 'its file system cannot be read'
  elif awk -v mount="$why_mount" '$2 == mount { state = $4 } END { exit (state !~ /(^|,)ro(,|$)/) }' /proc/mounts; then
    printf '%s is mounted read-only' "$why_mount"
  elif [ "$(df -Pk "$BASE" 2>/dev/null | awk 'NR > 1 { print $4 + 0 }')" -lt 64 ] 2>/dev/null; then
    printf 'No space left on device (%s is full)' "$why_mount"
  elif [ "$(df -Pi "$BASE" 2>/dev/null | awk 'NR > 1 { print ($2 + 0 > 0 && $4 + 0 == 0) ? "none" : "" }')" = none ]; then
    printf 'No space left on device (%s has no inodes left)' "$why_mount"
  else
    printf 'the system refuses it'
  fi
}

make_reserve() {
  if [ -f "$BASE/reserve" ] && [ "$(bytes_of "$BASE/reserve")" -ge $((RESERVE_KIB * 1024)) ]; then return; fi
  # fallocate reserves the blocks even if the file system compresses zeros to nothing.
  fallocate -l $((RESERVE_KIB * 1024)) "$BASE/reserve" 2>/dev/null \
    || head -c $((RESERVE_KIB * 1024)) /dev/zero >"$BASE/reserve" \
    || { rm -f "$BASE/reserve"; cannot_write "$BASE/reserve"; }
}

bytes_of() { # FILE
  bytes_count=$(wc -c <"$1") && printf '%s' "$((bytes_count))"
}

reserve_used=no
use_reserve() { # true where it gave room
  [ "${only_check-no}" = no ] && [ -f "$BASE/reserve" ] && rm -f "$BASE/reserve" && reserve_used=yes
}

# Saves the whole standard output of a command as the file's content. Output that was cut off or could not be
# written fails. The shell keeps it in memory, with a mark at its end; so it sees the exit codes of the command
# and of the writing without a process for either.
save_error=
try_save() { # FILE COMMAND...; true where both went well, else `save_error` says why not
  save_file=$1
  shift
  save_text=$("$@"; save_code=$?; echo end; exit "$save_code")
  save_code=$?
  case $save_text in
    *end) ;;
    *) save_code="${save_code}, cut off" ;; # the command ended the shell
  esac
  save_unwritten=''
  printf '%s' "${save_text%end}" 2>/dev/null >"$save_file" || save_unwritten=yes
  save_text=''
  case $save_code$save_unwritten in
    0) return 0 ;;
    124 | 137) save_error="$(question "$@") does not answer in time" ;;
    *) save_error="$(question "$@") failed (exit code $save_code)" ;;
  esac
  # The command itself may have found no room for files that it writes.
  if has_room && [ -z "$save_unwritten" ]; then return 1; fi
  if use_reserve; then
    try_save "$save_file" "$@"
    return
  fi
  save_error="cannot write to ${save_file%/*}: $(why_unwritable)"
  return 1
}

has_room() {
  room_folder=$BASE
  if [ "${only_check-no}" = yes ]; then room_folder=$call; fi
  printf '%8192s' '' 2>/dev/null >"$room_folder/room"
  room_code=$?
  rm -f "$room_folder/room"
  return "$room_code"
}

question() { # COMMAND...: for people
  if [ "$1" = bounded ]; then shift; fi
  plain "$1${2:+ $2}"
}

save() { # FILE COMMAND...: or the stage ends here
  try_save "$@" || refuse "$save_error"
}

put() { # FILE TEXT
  printf '%s\n' "$2" 2>/dev/null >"$1" && return
  use_reserve && printf '%s\n' "$2" 2>/dev/null >"$1"
}

# Writes a file whole or not at all, and safe from a crash before anybody relies on it. Old coreutils and busybox
# can only `sync` everything.
keep() { # FILE TEXT
  put "$1.part" "$2" && { sync "$1.part" 2>/dev/null || sync; } && mv -f "$1.part" "$1" \
    && { sync "${1%/*}" 2>/dev/null || sync; }
}

must_keep() { # FILE TEXT
  keep "$1" "$2" || cannot_write "$1"
}

# Replaces a file, or a link in its place, whole or not at all: writing into the file would cut it if the disk is
# full, and a link would lead to another file. The temporary name beside it is one that no program reads.
put_back() { # COPY PATH
  put_beside=${2%/*}/.${2##*/}.patchctl
  cp -a "$1" "$put_beside" >&2 && mv -f "$put_beside" "$2" >&2 && return
  rm -f "$put_beside"
  return 1
}

# --- the claim: which run works on this host -----------------------------------------------------

# sh exits if `exec` cannot open a file, so it is opened in a trial before.
lock_claim() {
  true 2>/dev/null >>"$BASE/claim.lock" || { use_reserve && true 2>/dev/null >>"$BASE/claim.lock"; } || return 1
  exec 8>>"$BASE/claim.lock"
  flock -w 10 8
}

need_claim_lock() {
  lock_claim || refuse "another patchctl is busy with the claim of this host; try again"
  in_call
}

unlock_claim() { exec 8>&-; }

read_claim() {
  claim_state=none claim_run='' claim_fence=0 claim_since=0 claim_transaction=''
  [ -e "$BASE/claim" ] || return 0
  claim_state=''
  while read -r word rest; do
    case $word in
      state) claim_state=$rest ;;
      run) claim_run=$rest ;;
      fence) claim_fence=$rest ;;
      since) claim_since=$rest ;;
      transaction) claim_transaction=$rest ;;
    esac
  done <"$BASE/claim"
  case $claim_state in active | ended) ;; *) claim_fence='' ;; esac
  [ -n "$claim_run" ] && is_number "$claim_fence" && is_number "$claim_since"
}

need_read_claim() {
  read_claim || refuse "the claim on this host is damaged; patchctl host clean frees it"
}

write_claim() { # active|ended
  keep "$BASE/claim" "state $1
run $run
fence $fence
transaction $transaction
since ${claim_since:-$(now)}"
}

when() { # EPOCH: for people
  date -u -d "@$1" '+%Y-%m-%d %H:%M UTC' 2>/dev/null || printf 'epoch %s' "$1"
}

old_fence() {
  [ "$claim_run" = "$run" ] && [ "$fence" -lt "$claim_fence" ]
}

say_old_fence() {
  printf 'another controller of run %s took over (fence %s, this one has %s)' "$run" "$claim_fence" "$fence"
}

foreign_claim() { # another run works here; an undo of the very transaction that it began may go on
  [ "$claim_state" = active ] && [ "$claim_run" != "$run" ] || return 1
  # The controller knows that this run is over: its claim may be replaced, unless its job still runs.
  case "$over " in *" $claim_run "*) [ -n "$(running_job)" ] || return 1 ;; esac
  [ "${1-}" != undo ] || [ "$claim_transaction" != "$transaction" ]
}

say_foreign() {
  plain "run $claim_run works on this host since $(when "$claim_since");" \
    "patchctl host clean frees it"
}

# Claims the host, or sets `claim_refusal` to the reason. Call between need_claim_lock and unlock_claim.
take_claim() { # [undo]
  need_read_claim
  claim_refusal=''
  if foreign_claim "${1-}"; then
    claim_refusal=$(say_foreign)
  elif old_fence; then
    claim_refusal=$(say_old_fence)
  else
    if [ "$claim_state" != active ] || [ "$claim_run" != "$run" ]; then claim_since=$(now); fi
    write_claim active || cannot_write "$BASE/claim"
  fi
  [ -z "$claim_refusal" ]
}

# For stages after preflight: the claim must belong to this run. Records a newer fence.
need_claim() {
  need_claim_lock
  need_own_claim
  if [ "$fence" -gt "$claim_fence" ] || [ "$claim_transaction" != "$transaction" ]; then
    write_claim active || cannot_write "$BASE/claim"
  fi
  unlock_claim
}

need_own_claim() {
  need_read_claim
  if foreign_claim; then refuse "$(say_foreign)"; fi
  if old_fence; then refuse "$(say_old_fence)"; fi
  if [ "$claim_state" != active ] || [ "$claim_run" != "$run" ]; then
    refuse "run $run has no claim on this host; preflight takes it"
  fi
}

# Releases what the run took on this host. Fails if that is not complete; then the claim stays, and a repeated call
# goes on. The fence stays recorded, so that a replaced controller is refused later, too. Never ends the stage: an
# update is not bad because its claim could not be released.
release_claim() {
  # Nobody ever claimed this host; a look at it must leave nothing behind.
  if [ ! -e "$BASE/claim.lock" ] && [ ! -e "$BASE/claim" ]; then return 0; fi
  lock_claim || return 1
  if ! read_claim; then
    unlock_claim
    return 1
  fi
  if [ "$claim_state" = active ] && [ "$claim_run" = "$run" ] && ! old_fence; then
    release_updaters && write_claim ended && rm -f "$BASE/reserve"
  fi
  released=$?
  unlock_claim
  return "$released"
}

# Does the claim belong to this run now, at the end of the stage? Every answer says so.
say_claim() {
  if ! read_claim || { [ "$claim_state" = active ] && [ "$claim_run" = "$run" ]; }; then
    say holds yes
  else
    say holds no
  fi
}

# --- other updaters ------------------------------------------------------------------------------

release_updaters() { # what hold-for-run stopped
  [ -f "$BASE/updaters" ] || return 0
  updaters_back=yes
  updaters_idle=''
  if [ -f "$BASE/updaters.idle" ]; then updaters_idle=$(cat "$BASE/updaters.idle"); fi
  while read -r unit; do
    case $unit in '' | -* | *[!A-Za-z0-9@._:-]*) continue ;; esac
    bounded systemctl unmask --runtime "$unit" >/dev/null 2>&1 </dev/null || updaters_back=no
    case " $updaters_idle " in *" $unit "*) continue ;; esac # it did not run before either
    # A unit that an update took away cannot be started, and need not be.
    bounded systemctl start "$unit" >/dev/null 2>&1 </dev/null \
      || say note "$unit, which was stopped for the run, does not start"
  done <"$BASE/updaters"
  [ "$updaters_back" = yes ] && rm -f "$BASE/updaters" "$BASE/updaters.idle"
}

# The next boot starts these units again: they are only stopped until then, so a host never keeps them off for
# good.
hold_again() {
  [ -f "$BASE/updaters" ] || return 0
  rm -f "$BASE/updaters.idle" # what is enabled ran since the boot
  while read -r unit; do
    case $unit in '' | -* | *[!A-Za-z0-9@._:-]*) continue ;; esac
    bounded systemctl stop "$unit" >/dev/null 2>&1 </dev/null
    bounded systemctl mask --runtime "$unit" >/dev/null 2>&1 </dev/null
  done <"$BASE/updaters"
}
