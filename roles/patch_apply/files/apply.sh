# shellcheck shell=sh
# Starts the transaction once, detached, and waits for it; a repeated call only waits again.
# shellcheck disable=SC2154  # set by read_input and read_claim

# A result is stored for good. A new attempt on a host that still has the failed update means that a person
# fixed the host and wants to go on: the failed step is finished, and all later steps are done anew.
go_on() {
  if [ ! -f "$tx/apply/started" ] || [ "$(job_state apply)" != "done" ]; then return; fi
  apply_attempt=$(cat "$tx/apply/attempt" 2>/dev/null)
  is_number "$apply_attempt" || apply_attempt=1
  if [ "$apply_attempt" -ge "$attempt" ]; then return; fi
  need_claim
  rm -rf "$tx/restart" "$tx/verify.since" "$tx/verify.untold" || cannot_write "$tx/restart"
  if [ "$(result_word "$tx/apply/result")" = failed ]; then
    must_keep "$tx/apply/started" "$(now)" # the next start is the second one, which repairs
    mv -f "$tx/apply/result" "$tx/apply/result.$apply_attempt" || cannot_write "$tx/apply/result"
  fi
  must_keep "$tx/apply/attempt" "$attempt"
}

main() {
  need_transaction
  if [ "$look" != yes ]; then go_on; fi
  apply_state=$(job_state apply)
  if [ "$apply_state" != "done" ]; then
    if [ "$look" = yes ] && [ "$apply_state" = none ]; then
      say touched no
      refuse "the update had not begun on this host"
    fi
    need_claim
    if [ -f "$tx/undo/started" ]; then refuse "this transaction was undone already"; fi
    if [ "$apply_state" = none ] && others_work; then
      say touched no
      answer_locked
      return
    fi
    start_once apply
  fi
  attach apply
}

stage "$@" </dev/null
