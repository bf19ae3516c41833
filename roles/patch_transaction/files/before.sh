# shellcheck shell=sh
# The host's state before the transaction, and a check that its record is complete: a comparison with a list
# that was cut short would find nothing. Needs lib.sh, base.sh, state.sh and the package manager's files.
# shellcheck disable=SC2154  # set by read_input, open_call

# The lists are in `before`, and `before/whole` has the number of lines of each.
BEFORE_LISTS='installed auto failed services listeners'

record_before() { # after `look`
  if [ -f "$tx/before/whole" ]; then return; fi
  need_folder "$tx/before"
  save "$tx/before/installed" cat "$call/installed.now"
  save "$tx/before/auto" list_auto
  save "$tx/before/listeners" list_listeners
  if with_systemctl; then
    save "$call/units" list_units
    save "$tx/before/failed" list_failed "$call/units"
    save "$tx/before/services" list_services "$call/units"
    units_before=$(lines_of "$call/units")
  else
    save "$tx/before/failed" true
    save "$tx/before/services" true
    units_before=0
  fi
  save "$tx/before/boot" boot_identity
  save "$tx/before/kernel" uname -r
  must_keep "$tx/before/whole" "units $units_before
$(for list in $BEFORE_LISTS; do printf '%s %s\n' "$list" "$(lines_of "$tx/before/$list")"; done)"
}

# Each list must have as many lines as were written. The controller compares the numbers with those in prepare's
# answer. A transaction that an older patchctl prepared has no numbers.
say_before() {
  read -r whole_first _ 2>/dev/null <"$tx/before/whole"
  case ${whole_first:-} in
    units | [0-9]*) ;; # a number alone: of a patchctl that did not count
    *) refuse "what was written down of the host before the update is damaged ($tx/before/whole)" ;;
  esac
  while read -r list count; do
    if [ -z "$count" ]; then continue; fi
    if [ "$list" != units ] && [ "$(lines_of "$tx/before/$list")" != "$count" ]; then
      refuse "what was written down of the host before the update is damaged ($tx/before/$list)"
    fi
    say before "$list $count"
  done <"$tx/before/whole"
  passed_before=''
  if [ -f "$tx/prepared" ]; then read -r _ passed_before <"$tx/prepared"; fi
  if [ -n "$passed_before" ] && [ "$(lines_of "$tx/before/probes")" != "$passed_before" ]; then
    refuse "what was written down of the host before the update is damaged ($tx/before/probes)"
  fi
}

# Did units run before the update? Yes, if nothing was recorded.
had_units() {
  ! grep -qx 'units 0' "$tx/before/whole"
}
