# shellcheck shell=sh
# The run is over for this host, however it ended: what it took here is given back. Asked again, does
# again what is left of it.
# shellcheck disable=SC2154  # set by read_input and read_claim

# What is of no use to an undo, or to whoever looks into what happened.
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
