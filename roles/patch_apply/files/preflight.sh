# shellcheck shell=sh
# Checks that this is the host of the plan and that it may be changed now. Changes only the claim, as last step; with
# `only-check` nothing at all.
# shellcheck disable=SC2154  # set by read_input, open_call

check_identity() {
  if [ -z "$machine_id" ]; then
    check identity note "the plan knows no machine-id of this host"
    return
  fi
  found_id=$(cat /etc/machine-id 2>/dev/null)
  if [ "$found_id" = "$machine_id" ]; then
    check identity ok "machine-id is the plan's"
  else
    check identity failed "another machine than planned (machine-id $(plain "$found_id")); discover it again"
  fi
}

check_clock() {
  here=$(now)
  if ! is_number "$here" || ! is_number "$sent_at"; then
    check clock failed "the clock cannot be read"
    return
  fi
  skew=$((here - sent_at))
  if [ "$skew" -lt 0 ]; then skew=$((0 - skew)); fi
  if [ "$skew" -gt 86400 ]; then
    check clock failed "the clock is $skew s away from the controller's"
  elif [ "$skew" -gt 300 ]; then
    check clock note "the clock is $skew s away from the controller's"
  else
    check clock ok ""
  fi
}

check_shutdown() {
  if [ -e /run/systemd/shutdown/scheduled ]; then
    check shutdown failed "a shutdown is scheduled on the host"
    return
  fi
  if with_systemctl; then
    # Its exit code is not 0 on a host with a failed unit.
    case $(bounded systemctl is-system-running 2>/dev/null </dev/null) in
      stopping)
        check shutdown failed "the host is shutting down"
        return
        ;;
      '')
        check shutdown failed "systemd does not tell its state"
        return
        ;;
    esac
  fi
  if reboot_wanted; then
    check shutdown note "the host waits for a reboot since before this run"
  else
    check shutdown ok ""
  fi
}

check_other_transaction() {
  busy=$(running_job)
  if [ -n "$busy" ] && [ "${busy% *}" != "$transaction" ]; then
    check transaction failed "transaction ${busy% *} (${busy#* }) runs on this host"
  fi
}

claim_host() {
  need_claim_lock
  if take_claim; then
    check claim ok "run $run, fence $fence"
    if [ -f "$BASE/updaters" ] && [ "$updaters" != hold-for-run ]; then release_updaters; fi
    if ! hold_updaters; then
      check updaters failed "an updater could not be stopped for the run: $(tr '\n' ' ' <"$call/competing")"
    fi
  else
    check claim failed "$claim_refusal"
  fi
  unlock_claim
  if [ -n "$failures" ]; then release_claim; fi
}

# The claim as it would be taken: nothing is written.
could_claim() {
  if ! read_claim; then
    check claim failed "the claim on this host is damaged; patchctl host clean frees it"
  elif foreign_claim; then
    check claim failed "$(say_foreign)"
  else
    check claim ok "free"
  fi
}

put_off() {
  answer_locked
  if [ "$only_check" = yes ]; then return; fi
  if [ ! -f "$tx/created" ]; then rm -rf "$tx"; fi
}

# Commands that later stages need: without this check the stage's error would not name the missing command.
need_programs() {
  for needed in md5sum tar find grep xargs; do
    have "$needed" || refuse "$needed is missing on the host"
  done
}

main() {
  if [ "$only_check" = yes ]; then need_tools; else need_base; fi
  need_programs
  check_manager
  if [ "$only_check" = yes ]; then
    open_check
  else
    need_folder "$tx"
    open_call
  fi
  if [ -f "$tx/apply/started" ]; then
    check transaction note "this transaction was begun before"
    try_save "$call/competing" list_competing_updaters || refuse "other updaters cannot be told: $save_error"
    claim_host
  else
    check_identity
    check_clock
    check_shutdown
    check_other_transaction
    unfit=$failures
    if [ -z "$failures" ] && others_work; then
      put_off
      return
    fi
    look
    check_no_package_operation
    check_versions
    check_space
    check_updaters
    if [ -n "$failures" ] && [ -z "$unfit" ] && others_disturb; then
      put_off
      return
    fi
    if [ "$only_check" = yes ]; then
      could_claim
    elif [ -z "$failures" ]; then
      claim_host
    fi
  fi
  say_state
  say_claim
  conclude
  if [ "$only_check" = no ] && [ -n "$failures" ] && [ ! -f "$tx/created" ]; then rm -rf "$tx"; fi
}

stage "$@" </dev/null
