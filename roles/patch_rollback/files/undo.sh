# shellcheck shell=sh
# Back to the versions from before, detached; asked again, attaches again.
# shellcheck disable=SC2154  # set by read_input

# A run may undo what it began long ago, when its claim has ended: the claim is taken anew.
claim_for_undo() {
  lock_claim
  take_claim undo || refuse "$claim_refusal"
  unlock_claim
}

main() {
  need_transaction
  if [ "$(job_state undo)" != "done" ]; then
    claim_for_undo
    case $(job_state apply) in
      running)
        say job "apply running"
        answer running "the transaction still runs; it is undone when it ends"
        return
        ;;
    esac
    start_once undo
  fi
  attach undo
}

stage "$@" </dev/null
