# shellcheck shell=sh
# Starts the transaction once, detached, and attaches to it; asked again, attaches again.
# shellcheck disable=SC2154  # set by read_input and read_claim

main() {
  need_transaction
  if [ "$(job_state apply)" != "done" ]; then
    if [ "$look" = yes ] && [ "$(job_state apply)" = none ]; then
      say touched no
      refuse "the update had not begun on this host"
    fi
    need_claim
    if [ -f "$tx/undo/started" ]; then refuse "this transaction was undone already"; fi
    if [ "$(job_state apply)" = none ] && others_work; then
      say touched no
      answer_locked
      return
    fi
    start_once apply
  fi
  attach apply
}

stage "$@" </dev/null
