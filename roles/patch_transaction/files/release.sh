# shellcheck shell=sh
# Ends the run on this host, whatever its result: releases what the run took. A repeated call does what is still
# left to do.
# shellcheck disable=SC2154  # set by read_input and read_claim

# Files that neither an undo nor a person who looks into a failure needs.
remove_leftovers() {
  if [ ! -d "$tx" ] || [ -h "$tx" ]; then return 0; fi
  if [ -f "$tx/apply/started" ]; then
    rm -rf "$tx/pushed"
  else
    rm -rf "$tx" # no package was changed
  fi
}

main() {
  if [ ! -e "$BASE" ] && [ ! -h "$BASE" ]; then
    say holds no # the run never came so far here
    answer ok
    return
  fi
  need_base
  busy=$(running_job)
  if [ "${busy% *}" = "$transaction" ]; then
    say job "${busy#* } running"
    say_claim
    answer running "transaction $busy still runs"
    return
  fi
  if [ -f "$tx/prepare.lock" ] && ! flock -n "$tx/prepare.lock" true; then
    say_claim
    answer running "transaction $transaction is being prepared"
    return
  fi
  need_read_claim
  if [ "$claim_state" = active ] && old_fence; then refuse "$(say_old_fence)"; fi
  if remove_leftovers && release_claim; then
    say_claim
    answer ok
  else
    say_claim
    answer failed "what the run took on this host could not all be given back; patchctl host clean does it"
  fi
}

stage "$@" </dev/null
