# shellcheck shell=sh
# The state of a host: units, listening ports, processes on old files. Needs lib.sh and base.sh.
# A function whose name begins with `list_` prints a whole list or fails; `save` checks both.
# shellcheck disable=SC2154  # set by read_input, open_call

# --- units ---------------------------------------------------------------------------------------

# Prints `UNIT STATE SUB` of every unit that systemd has loaded. Only a complete list shows that no unit failed.
list_units() {
  bounded systemctl list-units --all --full --plain --no-legend --no-pager >"$call/units.told" || return
  sed 's/^[^A-Za-z0-9-]*//' "$call/units.told" | awk 'NF >= 4 { print $1, $3, $4; n++ } END { exit n == 0 }'
}

list_failed() { # UNITS-FILE of list_units
  awk '$2 == "failed" && $1 !~ /^patchctl-/ { print $1 }' "$1"
}

# Prints the units whose property has one of the values; fails if systemd does not print all units that are asked
# for. One call for all, since each call costs a process and a request to PID 1.
list_units_with() { # PROPERTY VALUE|VALUE... UNIT...
  units_property=$1 units_values=$2
  shift 2
  if [ $# -eq 0 ]; then return; fi
  bounded systemctl show --property=Id --property="$units_property" -- "$@" >"$call/units.shown" || return
  awk -F= -v property="$units_property" -v values="^($units_values)\$" -v asked=$# '
    function out() { if (id != "") told++; if (id != "" && value ~ values) print id; id = value = "" }
    $1 == "Id" { id = $2 } $1 == property { value = $2 } /^$/ { out() } END { out(); exit told < asked }' \
    "$call/units.shown"
}

# Prints services that run because somebody enabled them. Services that D-Bus starts on demand end by themselves,
# so their later absence means nothing.
list_services() { # UNITS-FILE of list_units
  services_running=$(awk '$3 == "running" && $1 ~ /[.]service$/ \
    && $1 !~ /^(patchctl-|user@|getty@|serial-getty@)/ { print $1 }' "$1") || return
  # shellcheck disable=SC2086  # names of units are words
  list_units_with UnitFileState 'enabled|enabled-runtime|generated|alias|indirect' $services_running
}

# Prints `ended NAME` for each service in the file that does not run, and `asked COUNT`: how many systemd printed.
# Compares all names of a unit: an update may make the old name an alias.
list_ended() { # SERVICES-FILE
  services_file=$1
  # shellcheck disable=SC2046  # names of units are words
  set -- $(cat "$services_file")
  if [ $# -eq 0 ]; then
    echo "asked 0"
    return
  fi
  bounded systemctl show --property=Id --property=Names --property=ActiveState -- "$@" >"$call/ended.shown" \
    || return
  awk -v file="$services_file" '
    function out(  n, i, each, runs) {
      runs = state ~ /^(active|reloading|refreshing)$/
      n = split(names == "" ? id : names, each, " ")
      for (i = 1; i <= n; i++) if (each[i] in asked) { told[each[i]]; if (runs) delete ended[each[i]] }
      id = names = state = ""
    }
    BEGIN { while ((getline line < file) > 0) { asked[line]; ended[line] } }
    /^Id=/ { id = substr($0, 4) }
    /^Names=/ { names = substr($0, 7) } /^ActiveState=/ { state = substr($0, 13) } /^$/ { out() }
    END {
      out()
      for (name in told) number++
      for (name in ended) print "ended", name
      print "asked", number + 0
    }' "$call/ended.shown" >"$call/ended.lines" && sort "$call/ended.lines"
}

# --- listening ports -----------------------------------------------------------------------------

# Prints `tcp PORT all|local`, and `table NAME` for each table that was read. Ports in the range for outgoing
# connections change all the time, so they are left out.
list_listeners() {
  read -r first_outgoing _ 2>/dev/null </proc/sys/net/ipv4/ip_local_port_range || first_outgoing=32768
  for table in tcp tcp6 udp udp6; do
    [ -r "/proc/net/$table" ] || continue
    cat "/proc/net/$table" >"$call/table" || return
    rows=0
    while read -r _ local remote state _; do
      rows=$((rows + 1))
      case $table/$state/$remote in
        tcp*/0A/* | udp*/07/*:0000) ;;
        *) continue ;;
      esac
      port=$((0x${local##*:}))
      [ "$port" -lt "$first_outgoing" ] || continue
      case ${local%:*} in
        ??????7F | 00000000000000000000000001000000) reach=local ;;
        *) reach=all ;;
      esac
      printf '%s %s %s\n' "${table%6}" "$port" "$reach"
    done <"$call/table"
    [ "$rows" -ge 1 ] || return # not even its heading
    printf 'table %s\n' "$table"
  done >"$call/listening"
  sort -u "$call/listening"
}

# Prints lines of the first file without an equal in the second one; `all` there covers `local`, too.
list_lost_listeners() { # BEFORE AFTER
  awk -v after="$2" '
    BEGIN { while ((getline line < after) > 0) { there[line]; n++ } if (n == 0) { failed = 1; exit } }
    $1 == "table" { next }
    !(($1 " " $2 " " $3) in there) && !(($1 " " $2 " all") in there) { print $1 "/" $2 }
    END { exit failed }' "$1"
}

# --- processes on old files ----------------------------------------------------------------------

unit_of() { # PID: prints its system service, or nothing
  sed -n 's|.*system\.slice/\(.*/\)*\([^/]*\.service\).*|\2|p' \
    "/proc/$1/cgroup" 2>/dev/null | head -n 1
}

# Prints `PID UNIT|- COMMAND` of processes that run on replaced files, and `asked COUNT`: how many processes were
# checked.
list_stale() {
  set -- /proc/[0-9]*/maps
  # shellcheck disable=SC2046  # numbers
  printf '%s\n' "$LAST_REPLACED" | bounded grep -H "$REPLACED" "$@" - 2>/dev/null \
    | replaced_files $(own_processes) >"$call/replaced" || return
  cut -f 1 "$call/replaced" | sort -un >"$call/replaced.pids" || return
  while read -r pid; do
    command=$(plain "$(cat "/proc/$pid/comm" 2>/dev/null)")
    [ -n "$command" ] || continue
    unit=$(unit_of "$pid")
    if [ "$pid" = 1 ]; then unit=init; fi
    printf '%s %s %s\n' "$pid" "${unit:--}" "$command"
  done <"$call/replaced.pids"
  printf 'asked %s\n' "$#"
}

keeps_running() { # UNIT: it is not restarted
  case $1 in patchctl-*) return 0 ;; esac
  is_one_of "$1" "$WAITS_FOR_REBOOT" || is_one_of "$1" "$LOGINS"
}

# Restarts services that run on old files and prints which processes still do; fails if that cannot be found out.
restart_stale() {
  try_save "$call/stale" list_stale || return
  if with_systemctl; then
    if grep -q '^1 ' "$call/stale" && bounded systemctl daemon-reexec >&2 </dev/null; then say restarted init; fi
    awk '$2 ~ /[.]service$/ { print $2 }' "$call/stale" | sort -u >"$call/stale.services"
    while read -r service; do
      if keeps_running "$service"; then continue; fi
      if timeout 120 systemctl try-restart "$service" >&2 </dev/null; then
        say restarted "$service"
      else
        say restart-failed "$service"
      fi
    done <"$call/stale.services"
    if [ "$(lines_of "$call/stale")" -gt 1 ]; then
      sleep 1
      try_save "$call/stale" list_stale || return
    fi
  fi
  say_stale "$call/stale"
}

say_stale() { # FILE of list_stale
  while read -r line; do
    case $line in
      'asked '*) say asked "processes ${line#asked }" ;;
      *) say stale "$line" ;;
    esac
  done <"$1"
}

# --- for every answer ----------------------------------------------------------------------------

say_state() {
  say boot "$(boot_identity)"
  if reboot_wanted; then say reboot-required yes; else say reboot-required no; fi
  if [ "$reserve_used" = yes ]; then say note "the disk was full: what prepare had laid aside was used"; fi
}
