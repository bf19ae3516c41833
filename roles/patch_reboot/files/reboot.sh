# shellcheck shell=sh
# One reboot for one transaction: the boot's identity is written down before the reboot is issued,
# and it is issued again only while the identity is unchanged.
# shellcheck disable=SC2154  # set by read_input

issue_reboot() {
  now | keep "$tx/reboot/issued"
  sync
  if with_systemctl && have systemd-run; then
    # Later than this answer: the connection ends in order.
    systemd-run --quiet --collect --no-block --unit="patchctl-$transaction-reboot-$(now)" \
      /bin/sh -c 'sleep 2; exec systemctl reboot' >/dev/null 2>&1 </dev/null && return
    systemctl reboot >/dev/null 2>&1 </dev/null && return
  fi
  setsid /bin/sh -c 'sleep 2; reboot || shutdown -r now' >/dev/null 2>&1 </dev/null &
}

seconds_since_issue() {
  issued=0
  read -r issued 2>/dev/null <"$tx/reboot/issued"
  echo $(($(now) - issued))
}

is_up() { # the boot that replaced the old one has come to its end
  with_systemctl || return 0
  case $(systemctl is-system-running 2>/dev/null) in
    running | degraded | maintenance) return 0 ;;
  esac
  return 1
}

main() {
  need_transaction
  need_claim
  identity=$(boot_identity)
  own_folder "$tx/reboot" || refuse "$tx/reboot is not a folder of root alone"
  if [ ! -f "$tx/reboot/before" ]; then
    busy=$(running_job)
    if [ -n "$busy" ]; then refuse "transaction ${busy% *} (${busy#* }) runs on this host"; fi
    # The controller knows the boot that it began with: the host may have been rebooted meanwhile.
    printf '%s\n' "${boot:-$identity}" | keep "$tx/reboot/before"
  fi
  say_state
  if [ "$(cat "$tx/reboot/before")" != "$identity" ]; then
    if is_up; then
      check reboot ok "booted anew"
      answer ok
    else
      answer running "the host is starting"
    fi
  elif [ -f "$tx/reboot/issued" ] && [ "$(seconds_since_issue)" -lt 60 ]; then
    answer running "the reboot is under way"
  else
    issue_reboot
    answer running "the reboot is issued"
  fi
}

stage "$@" </dev/null
