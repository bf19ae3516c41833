# shellcheck shell=sh
# Reboots once for one transaction. The boot's identity is recorded before the reboot is requested, and the
# reboot is requested again only if the identity is unchanged.
# shellcheck disable=SC2154  # set by read_input

issue_reboot() {
  must_keep "$tx/reboot/issued" "$(time_mark)"
  sync
  if with_systemctl && have systemd-run; then
    # After this answer, so that the connection ends in order.
    bounded systemd-run --quiet --collect --no-block --unit="patchctl-$transaction-reboot-$(uptime_s)" \
      /bin/sh -c 'sleep 2; exec systemctl reboot' >/dev/null 2>&1 </dev/null && return
    bounded systemctl reboot >/dev/null 2>&1 </dev/null && return
  fi
  setsid /bin/sh -c 'sleep 2; reboot || shutdown -r now' >/dev/null 2>&1 </dev/null &
}

is_up() { # the boot that replaced the old one has come to its end
  with_systemctl || return 0
  case $(bounded systemctl is-system-running 2>/dev/null </dev/null) in
    running | degraded | maintenance) return 0 ;;
  esac
  return 1
}

main() {
  need_transaction
  need_claim
  identity=$(boot_identity)
  need_folder "$tx/reboot"
  if [ ! -f "$tx/reboot/before" ]; then
    busy=$(running_job)
    if [ -n "$busy" ]; then refuse "transaction ${busy% *} (${busy#* }) runs on this host"; fi
    # The controller knows the boot that the stage began in: the host may have been rebooted since then.
    must_keep "$tx/reboot/before" "${boot:-$identity}"
  fi
  say_state
  say_claim
  before=''
  read -r before <"$tx/reboot/before"
  case $before in
    *-*-*-*-*' '[0-9]*) ;;
    *) refuse "the boot of before is not known ($tx/reboot/before is damaged)" ;;
  esac
  since_issue=$(seconds_since "$tx/reboot/issued")
  if [ "$before" != "$identity" ]; then
    if is_up; then
      hold_again
      check reboot ok "booted anew"
      answer ok
    else
      answer running "the host is starting"
    fi
  elif [ -n "$since_issue" ] && [ "$since_issue" -lt 60 ]; then
    answer running "the reboot is under way"
  elif others_work; then # a reboot would cut it off
    answer_locked
  else
    issue_reboot
    answer running "the reboot is issued"
  fi
}

stage "$@" </dev/null
