# shellcheck shell=sh
# Shared by every script that works on a transaction: input, answer, the host's own folder, the
# claim. Functions only. A script is this file, other parts, and a stage's file with `main`.
#
# Answer, on standard output: lines `KEY TEXT`, the last one `answer ok|failed|running|missing`.
# shellcheck disable=SC2034  # variables set here are used by the stages' files

BASE=/var/lib/patchctl

# --- answer --------------------------------------------------------------------------------------

plain() { # TEXT: one line without control characters, bounded
  printf '%s' "$*" | tr '\001-\037\177' ' ' | cut -c1-400
}

say() { # KEY TEXT
  printf '%s %s\n' "$1" "$(plain "$2")"
}

failures=

check() { # NAME ok|note|failed DETAIL
  say check "$1 $2 ${3-}"
  if [ "$2" = failed ]; then
    failures="${failures:+$failures; }${3:-$1}"
  fi
}

answer() { # ok|failed|running|missing [REASON]
  if [ -n "${2-}" ]; then say reason "$2"; fi
  printf 'answer %s\n' "$1"
  answered "$1"
}

# The exit code stops a plain playbook at the first stage that fails.
answer_code=1
answered() { # ok|failed|running|missing
  case $1 in ok | running) answer_code=0 ;; *) answer_code=1 ;; esac
}

# The first line proves to the controller which question this is the answer to.
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

have() { command -v "$1" >/dev/null 2>&1; }

now() { date +%s; }

is_number() { # TEXT
  case ${1-} in '' | *[!0-9]*) return 1 ;; *) return 0 ;; esac
}

# --- input ---------------------------------------------------------------------------------------

# Lines `KEY VALUE...`, written by the controller, each value checked by grammar there; `-` stands
# for "none". `end` proves that nothing is missing.
read_input() { # TEXT
  stage_name='' manager='' run='' transaction='' fence='' machine_id='' sent_at='' boot=''
  attach=12 lock_wait=60 limit=3600 settle=20 updaters=warn rollback_ready=require pushed=no
  packages='' stored='' probes='' over='' attempt=1 complete=no
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
      lock-wait) lock_wait=$rest ;;
      limit) limit=$rest ;;
      settle) settle=$rest ;;
      updaters) updaters=$rest ;;
      rollback-ready) rollback_ready=$rest ;;
      pushed) pushed=$rest ;;
      attempt) attempt=$rest ;;
      over) over="$over $rest" ;;
      package) packages="$packages$rest
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
  done <<EOF
$1
EOF
  [ "$complete" = yes ] || refuse "the input is not complete"
  case $transaction in
    '' | .* | *[!A-Za-z0-9._-]*) refuse "the input names no transaction" ;;
  esac
  tx=$BASE/$transaction
}


# --- the folder that patchctl keeps on a host ----------------------------------------------------

# True for a folder that is a real one and root's own. What somebody else could write is not
# trusted: the files in it are installed as root.
own_folder() { # PATH
  [ ! -h "$1" ] || return 1
  [ -d "$1" ] || mkdir -m 0700 "$1" 2>/dev/null || [ -d "$1" ] || return 1
  own_folder_path=$1
  # shellcheck disable=SC2046  # mode links uid gid are words without spaces
  set -- $(ls -ldn "$1")
  [ "${3-}" = 0 ] || return 1
  case $1 in
    drwx------*) ;;
    *) chmod 0700 "$own_folder_path" ;;
  esac
}

need_base() {
  [ "$(id -u)" = 0 ] || refuse "not root on the host; become must give root"
  umask 077
  for needed in flock sha256sum awk sed timeout; do
    have "$needed" || refuse "$needed is missing on the host"
  done
  own_folder /var/lib/patchctl || refuse "$BASE is not a folder of root alone; look at it, then remove it"
}

need_transaction() { # the folder of this transaction, prepared before
  need_base
  if [ ! -d "$tx" ] || [ -h "$tx" ]; then refuse "the host has no transaction $transaction"; fi
  [ -f "$tx/prepared" ] || refuse "transaction $transaction was not prepared on this host"
  printf '%s' "$packages" >"$tx/packages.sent"
  cmp -s "$tx/packages.sent" "$tx/packages" \
    || refuse "transaction $transaction was prepared for other packages"
}

# Durable before it is relied on. Old coreutils and busybox know only the whole `sync`.
keep() { # FILE: standard input becomes its content, whole or not at all
  cat >"$1.part" && { sync "$1.part" 2>/dev/null || sync; } && mv -f "$1.part" "$1" \
    && { sync "${1%/*}" 2>/dev/null || sync; }
}

# --- the claim: which run works on this host -----------------------------------------------------

lock_claim() {
  exec 8>>"$BASE/claim.lock"
  flock -w 10 8 || refuse "another patchctl is busy with the claim of this host; try again"
}

unlock_claim() { exec 8>&-; }

read_claim() {
  claim_state=none claim_run='' claim_fence=0 claim_since=0 claim_transaction=''
  [ -f "$BASE/claim" ] || return 0
  while read -r word rest; do
    case $word in
      state) claim_state=$rest ;;
      run) claim_run=$rest ;;
      fence) claim_fence=$rest ;;
      since) claim_since=$rest ;;
      transaction) claim_transaction=$rest ;;
    esac
  done <"$BASE/claim"
  if ! is_number "$claim_fence" || ! is_number "$claim_since"; then
    refuse "the claim on this host is damaged; patchctl host clean frees it"
  fi
}

write_claim() { # active|ended
  printf 'state %s\nrun %s\nfence %s\ntransaction %s\nsince %s\n' \
    "$1" "$run" "$fence" "$transaction" "${claim_since:-$(now)}" | keep "$BASE/claim"
}

when() { # EPOCH: for people
  date -u -d "@$1" '+%Y-%m-%d %H:%M UTC' 2>/dev/null || printf 'epoch %s' "$1"
}

old_fence() {
  [ "$claim_run" = "$run" ] && [ "$fence" -lt "$claim_fence" ]
}

foreign_claim() { # another run works here; an undo of the very transaction that it began may go on
  [ "$claim_state" = active ] && [ "$claim_run" != "$run" ] || return 1
  # The controller knows that this run is over; what it left behind may go, unless it still works.
  case "$over " in *" $claim_run "*) [ -n "$(running_job)" ] || return 1 ;; esac
  [ "${1-}" != undo ] || [ "$claim_transaction" != "$transaction" ]
}

say_foreign() {
  plain "run $claim_run works on this host since $(when "$claim_since");" \
    "patchctl host clean frees it"
}

# Takes the claim, or says in `claim_refusal` why not. Call between lock_claim and unlock_claim.
take_claim() { # [undo]
  read_claim
  claim_refusal=''
  if foreign_claim "${1-}"; then
    claim_refusal=$(say_foreign)
  elif old_fence; then
    claim_refusal="another controller of run $run took over (fence $claim_fence, this one has $fence)"
  else
    if [ "$claim_state" != active ] || [ "$claim_run" != "$run" ]; then claim_since=$(now); fi
    write_claim active || refuse "cannot write to $BASE; is its file system full?"
  fi
  [ -z "$claim_refusal" ]
}

# For stages after preflight: the claim must be this run's. A newer fence is written down.
need_claim() {
  lock_claim
  read_claim
  if foreign_claim; then refuse "$(say_foreign)"; fi
  if old_fence; then
    refuse "another controller of run $run took over (fence $claim_fence, this one has $fence)"
  fi
  if [ "$claim_state" != active ] || [ "$claim_run" != "$run" ]; then
    refuse "run $run has no claim on this host; preflight takes it"
  fi
  if [ "$fence" -gt "$claim_fence" ] || [ "$claim_transaction" != "$transaction" ]; then
    write_claim active || refuse "cannot write to $BASE; is its file system full?"
  fi
  unlock_claim
}

# The fence stays written, so a controller that was replaced is refused later too.
release_claim() {
  lock_claim
  read_claim
  if [ "$claim_state" = active ] && [ "$claim_run" = "$run" ] && ! old_fence; then
    write_claim ended
    release_updaters
  fi
  unlock_claim
}

# --- other updaters ------------------------------------------------------------------------------

release_updaters() { # what hold-for-run stopped
  [ -f "$BASE/updaters" ] || return 0
  while read -r unit; do
    case $unit in '' | -* | *[!A-Za-z0-9@._:-]*) continue ;; esac
    systemctl unmask --runtime "$unit" >/dev/null 2>&1
    systemctl start "$unit" >/dev/null 2>&1
  done <"$BASE/updaters"
  rm -f "$BASE/updaters"
}
