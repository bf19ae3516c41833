# shellcheck shell=sh
# What state a transaction is in. Changes nothing.
# shellcheck disable=SC2154  # set by read_input

main() {
  need_base
  say_state
  if [ ! -d "$tx" ] || [ -h "$tx" ]; then
    say state none
    answer ok
    return
  fi
  tx_state=none
  if [ -f "$tx/prepared" ]; then tx_state=prepared; fi
  say state "$tx_state"
  for job in apply restart undo; do
    job_is=$(job_state "$job")
    case $job_is in
      done) say job "$job done $(sed -n 's/^answer //p' "$tx/$job/result" | tail -n 1)" ;;
      none) ;;
      *) say job "$job $job_is" ;;
    esac
  done
  if [ -f "$tx/packages" ]; then
    packages=$(cat "$tx/packages")
    packages="$packages
"
    say_packages
  fi
  answer ok
}

stage "$@" </dev/null
