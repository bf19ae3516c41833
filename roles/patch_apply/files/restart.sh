# shellcheck shell=sh
# Restarts the services that run on replaced files, detached, and reports which processes still do.

main() {
  need_transaction
  if [ "$(job_state restart)" != "done" ]; then
    need_claim
    start_once restart
  fi
  attach restart
}

stage "$@" </dev/null
