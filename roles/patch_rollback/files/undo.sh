# shellcheck shell=sh
# Returns to the old versions, detached; a repeated call only waits again.
# shellcheck disable=SC2154  # set by read_input

# A run may undo work from long ago, after its claim ended. It claims the host again then.
claim_for_undo() {
  need_claim_lock
  take_claim undo || refuse "$claim_refusal"
  unlock_claim
}

# A failed undo is stored like any other result. A new attempt means that a person fixed the host and wants to
# try again.
forget_failed_undo() {
  [ "$(job_state undo)" = "done" ] && [ "$(result_word "$tx/undo/result")" = failed ] || return 0
  undo_attempt=$(cat "$tx/undo/attempt" 2>/dev/null)
  is_number "$undo_attempt" || undo_attempt=1
  if [ "$undo_attempt" -lt "$attempt" ]; then
    mv -f "$tx/undo/result" "$tx/undo/result.$undo_attempt" || cannot_write "$tx/undo/result"
    rm -f "$tx/undo/started" "$tx/undo/edited" "$tx/verify_undo.since" || cannot_write "$tx/undo/started"
  fi
}

main() {
  need_transaction
  forget_failed_undo
  if [ "$(job_state undo)" != "done" ]; then
    claim_for_undo
    case $(job_state apply) in
      running)
        say job "apply running"
        answer running "the transaction still runs; it is undone when it ends"
        return
        ;;
    esac
    if [ "$(job_state undo)" = none ] && [ -f "$tx/apply/started" ] && others_work; then
      answer_locked
      return
    fi
    need_folder "$tx/undo"
    must_keep "$tx/undo/attempt" "$attempt"
    start_once undo
  fi
  attach undo
}

stage "$@" </dev/null
