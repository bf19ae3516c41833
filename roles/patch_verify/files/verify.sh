# shellcheck shell=sh
# Is the host as planned (verify), or as it was before (verify_undo)? Compares it with the state before the update,
# and runs the operator's probes. A service may need a moment: a failure that may still end is checked again, in
# later calls too, until its time is over. Needs before.sh and probes.sh.
# A missing or incomplete result is a failure.
# shellcheck disable=SC2154  # set by read_input, open_call

# How long the list of installed packages may be missing before the host counts as failed.
UNTOLD_S=60

# A question without an answer may be answered later; a file that cannot be written stays a failure.
not_now() {
  case $save_error in 'cannot write'*) refuse "$save_error" ;; esac
  untold_since=$tx/$stage_name.untold
  untold=$(seconds_since "$untold_since")
  if [ -z "$untold" ]; then must_keep "$untold_since" "$(time_mark)"; fi
  if [ "${untold:-0}" -ge "$UNTOLD_S" ]; then refuse "$save_error"; fi
  say_state
  say_claim
  answer running "$save_error"
  exit "$answer_code"
}

check_packages() { # forward|back
  try_look || not_now
  say_packages
  place=to
  if [ "$1" = back ]; then place=from; fi
  if [ -n "$(not_at "$place")" ]; then
    check versions failed "not at the expected version: $(not_at "$place")"
  else
    check versions ok "$(planned) packages as expected"
  fi
  half=$(audit)
  if [ -n "$half" ]; then
    check installed failed "not fully installed: $half"
  else
    check installed ok ""
  fi
  look_at_marks "$tx/before/auto" "$1" || not_now
  rm -f "$tx/$stage_name.untold"
  say asked "marks $marks_asked"
  if [ -s "$call/marks.wrong" ]; then
    check marks failed "auto/manual: $(awk '{ printf "%s is %s, not %s;", $1, $4, $3 }' "$call/marks.wrong")"
  else
    check marks ok ""
  fi
}

# --- what may need a moment ------------------------------------------------------------------------

# Prints a line `NAME ok|failed|note|skipped SECONDS DETAIL` for each question; SECONDS is how long after the first
# call a failure may still become a success. Lines `asked KEY COUNT` say how many things were checked for it.
list_round() {
  ask_units && ask_services && ask_listeners && list_probes
}

round_names() {
  printf 'units services listeners '
  probe_names
}

not_told() { # NAME: the question after it was not answered; it may be later
  printf '%s failed %s %s\n' "$1" "$settle" "$(plain "$save_error")"
}

ask_units() {
  if ! had_units; then
    echo "units note 0 the host has no systemd"
    return
  fi
  if ! try_save "$call/units" list_units || ! try_save "$call/failed" list_failed "$call/units" \
    || ! try_save "$call/newly" list_new_failures; then
    not_told units
    return
  fi
  printf 'asked units %s\n' "$(lines_of "$call/units")"
  if [ -s "$call/newly" ]; then
    echo "units failed $settle failed since the update: $(tr '\n' ' ' <"$call/newly")"
  else
    echo "units ok 0"
  fi
}

list_new_failures() {
  awk -v before="$tx/before/failed" '
    BEGIN { while ((getline line < before) > 0) known[line] }
    !($0 in known)' "$call/failed"
}

ask_services() {
  if ! had_units; then
    echo "services note 0 the host has no systemd"
    return
  fi
  if ! try_save "$call/services" list_ended "$tx/before/services"; then
    not_told services
    return
  fi
  services_asked=$(sed -n 's/^asked //p' "$call/services")
  printf 'asked services %s\n' "$services_asked"
  ended=$(sed -n 's/^ended //p' "$call/services" | tr '\n' ' ')
  if [ "$services_asked" != "$(lines_of "$tx/before/services")" ]; then
    echo "services failed $settle systemd tells of $services_asked services, not of all that ran before"
  elif [ -n "$ended" ]; then
    echo "services failed $settle ran before and do not run now: $ended"
  else
    echo "services ok 0"
  fi
}

ask_listeners() {
  if ! try_save "$call/listeners" list_listeners \
    || ! try_save "$call/lost" list_lost_listeners "$tx/before/listeners" "$call/listeners"; then
    not_told listeners
    return
  fi
  printf 'asked listeners %s\n' "$(lines_of "$tx/before/listeners")"
  if [ -s "$call/lost" ]; then
    echo "listeners failed $settle nothing listens any more on $(tr '\n' ' ' <"$call/lost")"
  else
    echo "listeners ok 0"
  fi
}

# --- the call --------------------------------------------------------------------------------------

# A service that ends soon after its start would still be seen running: so verify looks for this long after the last
# change.
WATCH_S=4

watched_enough() { # SECONDS-SINCE-FIRST-CALL: counts where nobody knows when the change ended
  watched=$(seconds_since "$tx/ended")
  [ "${watched:-$1}" -ge "$WATCH_S" ]
}

ask_until_clear() {
  since_file=$tx/$stage_name.since
  if [ -z "$(seconds_since "$since_file")" ]; then
    if [ -f "$since_file" ]; then say note "the host was booted meanwhile, its time begins anew"; fi
    must_keep "$since_file" "$(time_mark)"
  fi
  attach_end=$(($(uptime_s) + attach))
  while :; do
    passed=$(seconds_since "$since_file")
    save "$call/round" list_round
    outcome=$(verdict "$call/round" "${passed:-0}" "$(round_names)")
    if [ "$outcome" = well ] && ! watched_enough "${passed:-0}"; then
      sleep 1
      continue
    fi
    if [ "$outcome" != wait ] || [ "$(uptime_s)" -ge "$attach_end" ]; then return; fi
    sleep 2
  done
}

say_round() {
  while read -r name status rest; do
    case $name in
      asked) say asked "$status $rest" ;;
      *) check "$name" "$status" "${rest#* }" ;;
    esac
  done <"$call/round"
}

# No reason for an undo: files are new, but some process still has the old ones in memory.
note_effect() {
  if ! try_save "$call/stale" list_stale; then
    check effective failed "processes on old files cannot be told: $save_error"
    return
  fi
  say_stale "$call/stale"
  old_users=$(awk '$1 != "asked" { print ($2 == "-" ? $3 : $2) }' "$call/stale" | sort -u | tr '\n' ' ')
  if [ -z "$old_users" ]; then
    check effective ok ""
  else
    check effective note "installed, not effective yet: $old_users"
  fi
  check_kernel
}

# Compares the running kernel with the one that the next boot starts. In a container none of its own runs, but the
# kernel in /boot must still be able to boot (the container may be an image for a machine).
check_kernel() {
  next_kernel=$(of_manager next_kernel)
  # shellcheck disable=SC2046,SC2086  # versions, or none
  unbootable=$(why_unbootable $next_kernel $(waiting_kernel))
  if [ -n "$unbootable" ]; then
    check kernel failed "$unbootable"
  elif in_container; then
    check kernel note "not managed in a container"
  elif [ -z "$next_kernel" ]; then
    check kernel note "$(uname -r) runs; which one a boot would bring is not known"
  else
    check kernel ok "$(uname -r) runs, a boot brings $next_kernel"
  fi
}

main() {
  need_transaction
  say_before
  way=forward
  if [ "$stage_name" = verify_undo ]; then way=back; fi
  check_packages "$way"
  if [ -z "$failures" ]; then
    ask_until_clear
    say_round
    note_effect
  fi
  say_state
  if [ -n "$failures" ] && [ "${outcome:-lost}" = wait ]; then
    say_claim
    answer running "$failures"
    return
  fi
  if [ -n "$failures" ] && others_disturb; then
    answer_locked "$failures"
    return
  fi
  if [ -z "$failures" ]; then
    # Nothing to undo, or undone: the controller asks again where the claim stays.
    release_claim || say note "the claim could not be given back"
  fi
  say_claim
  conclude
}

stage "$@" </dev/null
