# shellcheck shell=sh
# Is the host as planned (verify), or as it was before (verify_undo)? Compared with the state from
# before, and asked by the operator's probes. A service may need a moment: what can still become
# well is asked again, in later calls too, until its time is over. Needs probes.sh.
# shellcheck disable=SC2154  # set by read_input

check_packages() { # forward|back
  look
  place=to
  if [ "$1" = back ]; then place=from; fi
  if [ -n "$(not_at "$place")" ]; then
    check versions failed "not at the expected version: $(not_at "$place")"
  else
    check versions ok "$(grep -c . "$tx/places") packages as expected"
  fi
  half=$(audit)
  if [ -n "$half" ]; then
    check installed failed "not fully installed: $half"
  else
    check installed ok ""
  fi
  marks=$(changed_marks "$tx/before/auto" "$1" | tr '\n' ';')
  if [ -n "$marks" ]; then check marks failed "auto/manual: $marks"; else check marks ok ""; fi
}

# --- what may need a moment ------------------------------------------------------------------------

# Prints a line `NAME ok|failed|note SECONDS DETAIL` for each question; SECONDS is how long after
# the first call a failure may still turn into success.
ask_all() {
  ask_units
  ask_services
  ask_listeners
  ask_probes
}

ask_units() {
  failed_units >"$tx/failed.now"
  newly=$(awk 'FILENAME == ARGV[1] { before[$0] = 1; next } !($0 in before)' "$tx/before/failed" "$tx/failed.now" | tr '\n' ' ')
  if [ -n "$newly" ]; then
    echo "units failed $settle failed since the update: $newly"
  else
    echo "units ok 0"
  fi
}

ask_services() {
  with_systemctl || return 0
  ended=$(ended_services "$tx/before/services" | tr '\n' ' ')
  if [ -n "$ended" ]; then
    echo "services failed $settle ran before and do not run now: $ended"
  else
    echo "services ok 0"
  fi
}

ask_listeners() {
  listeners >"$tx/listeners.now"
  lost=$(lost_listeners "$tx/before/listeners" "$tx/listeners.now" | tr '\n' ' ')
  if [ -n "$lost" ]; then
    echo "listeners failed $settle nothing listens any more on $lost"
  else
    echo "listeners ok 0"
  fi
}

# --- the call --------------------------------------------------------------------------------------

# A service that dies soon after its start would be seen alive: look for so long after the last
# change, too.
WATCH_S=4

watched_enough() {
  ended=0
  if [ -f "$tx/ended" ]; then read -r ended <"$tx/ended"; fi
  [ $(($(now) - ended)) -ge "$WATCH_S" ]
}

ask_until_clear() { # JOB
  if [ ! -f "$tx/$1.since" ]; then now | keep "$tx/$1.since"; fi
  read -r since <"$tx/$1.since"
  call_end=$(($(now) + attach))
  while :; do
    passed=$(($(now) - since))
    ask_all >"$tx/round"
    outcome=$(verdict "$tx/round" "$passed")
    if [ "$outcome" = well ] && ! watched_enough; then
      sleep 1
      continue
    fi
    if [ "$outcome" != wait ] || [ "$(now)" -ge "$call_end" ]; then return; fi
    sleep 2
  done
}

say_round() {
  while read -r name status _ detail; do check "$name" "$status" "$detail"; done <"$tx/round"
}

# What is no reason to undo: files are new, some process still has the old ones in memory.
note_effect() {
  old_users=$(stale_processes)
  if [ -z "$old_users" ]; then
    check effective ok ""
  else
    check effective note "installed, not effective yet: $(printf '%s\n' "$old_users" | awk '{ print ($2 == "-" ? $3 : $2) }' | sort -u | tr '\n' ' ')"
    printf '%s\n' "$old_users" | while read -r line; do say stale "$line"; done
  fi
  case $(systemd-detect-virt --container 2>/dev/null) in
    none | '') check kernel ok "$(uname -r) runs" ;;
    *) check kernel note "not managed in a container" ;;
  esac
}

main() {
  need_transaction
  way=forward
  if [ "$stage_name" = verify_undo ]; then way=back; fi
  check_packages "$way"
  if [ -z "$failures" ]; then
    ask_until_clear "$stage_name"
    say_round
    note_effect
  fi
  say_state
  if [ -n "$failures" ] && [ "${outcome:-lost}" = wait ]; then
    answer running "$failures"
    return
  fi
  if [ -z "$failures" ]; then release_claim; fi
  conclude
}

stage "$@" </dev/null
