# shellcheck shell=sh
# What state a transaction is in. Changes nothing.
# shellcheck disable=SC2154  # set by read_input

main() {
  need_base
  if [ ! -d "$tx" ] || [ -h "$tx" ]; then
    say_state
    say state none
    answer ok
    return
  fi
  open_call
  tx_state=none
  if [ -f "$tx/prepared" ]; then tx_state=prepared; fi
  say state "$tx_state"
  for job in apply restart undo; do
    job_is=$(job_state "$job")
    case $job_is in
      done) say job "$job done $(result_word "$tx/$job/result")" ;;
      none) ;;
      *) say job "$job $job_is" ;;
    esac
  done
  if [ -f "$tx/packages" ]; then
    packages=$(cat "$tx/packages")
    packages="$packages
"
    look
    say_packages
  fi
  say_state
  say_claim
  answer ok
}

stage "$@" </dev/null
