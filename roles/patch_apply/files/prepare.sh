# shellcheck shell=sh
# Brings new and old package files to the host, and records the host's state before the update. Changes no
# package. Needs before.sh and probes.sh.
# Answer `missing`: lines `missing new|old FILE SHA256 SIZE` name the files that the controller must push into
# the folder `pushed`; then it calls again with `pushed yes`.
# shellcheck disable=SC2154  # set by read_input, open_call and the manager's file

# An earlier call whose connection broke may still fetch files. Two calls must not write to the same files.
prepare_alone() {
  true 2>/dev/null >>"$tx/prepare.lock" || cannot_write "$tx/prepare.lock"
  exec 6>>"$tx/prepare.lock"
  if ! flock -w "$attach" 6; then
    say_state
    answer running "another call prepares this transaction"
    exit "$answer_code"
  fi
  in_call
}

# The number tells which transaction is older, even if the clock was changed.
number_transaction() {
  if [ -f "$tx/created" ]; then return; fi
  newest=0
  for folder in "$BASE"/*/; do
    number=$(number_of "${folder%/}")
    if [ "$number" -gt "$newest" ]; then newest=$number; fi
  done
  must_keep "$tx/created" "$(now) $((newest + 1))"
}

number_of() { # FOLDER of a transaction
  number_read=0
  if [ -f "$1/created" ] && [ ! -h "$1" ]; then read -r _ number_read <"$1/created"; fi
  is_number "$number_read" || number_read=0 # of a patchctl that knew no numbers
  printf '%s' "$number_read"
}

# The two newest transactions stay, so that a person can look into them. Transactions with copies of files that
# somebody edited after the update stay until `host clean`.
remove_old_transactions() {
  runs_now=$(running_job)
  for folder in "$BASE"/*/; do
    folder=${folder%/}
    if [ "$folder" = "$tx" ] || [ -h "$folder" ] || [ ! -f "$folder/created" ]; then continue; fi
    if [ "${folder##*/}" = "${runs_now% *}" ] || [ -d "$folder/kept" ]; then continue; fi
    printf '%s %s\n' "$(number_of "$folder")" "$folder"
  done | sort -rn | tail -n +2 | while read -r _ folder; do rm -rf "$folder"; done
}

check_simulations() {
  if ! simulate forward "$call/places"; then
    check simulation failed "$MANAGER refuses the planned transaction: $(simulation_error)"
  elif ! compare_simulation forward "$call/places"; then
    check simulation failed "$MANAGER would not do what the plan says: $differs"
  else
    check simulation ok "$MANAGER would do exactly what the plan says"
  fi
}

check_undo() {
  lacking=$(cut -d ' ' -f 1,3 "$call/need" | tr '\n' ' ')
  if [ -s "$call/need" ]; then
    undo_problem "old versions cannot be had: $lacking$(fetch_error)"
    return
  fi
  if simulate_undo; then
    check undo ok "the old versions are here and $MANAGER can go back to them"
  else
    undo_problem "$undo_refusal"
  fi
}

undo_problem() { # REASON
  if [ "$rollback_ready" = require ]; then
    check undo failed "$1 (rollback_ready: require)"
  else
    check undo note "$1"
  fi
}

main() {
  need_base
  need_claim
  need_folder "$tx"
  open_call
  prepare_alone
  if [ -f "$tx/prepared" ]; then
    same_packages
    say_old_ways
    say_before
    check prepared ok "was prepared before"
    say_state
    say_claim
    conclude
    return
  fi
  if others_work; then
    answer_locked
    return
  fi
  number_transaction
  must_keep "$tx/packages" "$(printf '%s' "$packages")"
  must_keep "$tx/input" "${PATCHCTL_INPUT:-}"
  make_reserve
  look
  record_before
  collect_new || incomplete=yes
  collect_old
  if [ "$pushed" = no ] && { [ "${incomplete:-no}" = yes ] || [ -s "$call/asked" ]; }; then
    answer missing
    return
  fi
  if [ "${incomplete:-no}" = yes ]; then
    check files failed "these files cannot be had: $(cut -d ' ' -f 4 "$call/need.new" | tr '\n' ' ')$(fetch_error)"
  else
    check files ok "$(find "$tx/new" -type f | grep -c .) files checked"
    check_simulations
    check_undo
    if [ -z "$failures" ]; then probes_before; fi
    if [ -n "$failures" ] && others_disturb; then
      answer_locked
      return
    fi
  fi
  say_old_ways
  say_before
  say_state
  if [ -z "$failures" ]; then
    rm -rf "$tx/pushed"
    must_keep "$tx/prepared" "$(now) $(lines_of "$tx/before/probes")"
    remove_old_transactions
  else
    release_claim || say note "the claim could not be given back"
  fi
  say_claim
  conclude
}

say_old_ways() { # which way each old version was had
  awk '{ print "old " $1 " " $2 " " $3 " " $4 }' "$tx/old.ways"
}

stage "$@" </dev/null
