# shellcheck shell=sh
# What a host is like: boot, units, listening ports, processes on old files. Needs lib.sh.

boot_identity() { # BOOT_ID START: boot_id alone does not change in a container
  # The command name in /proc/1/stat may hold spaces and parentheses: fields count from the last.
  boot_start=$(sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20)
  printf '%s %s' "$(cat /proc/sys/kernel/random/boot_id)" "$boot_start"
}

with_systemctl() { [ -d /run/systemd/system ] && have systemctl; }

failed_units() {
  with_systemctl || return 0
  systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null \
    | sed 's/^[^A-Za-z0-9]*//; s/ .*//' | grep -v '^patchctl-' | sort -u
}

# The units whose property is one of the values. All are asked for in one call: each call costs a
# process and a question to PID 1.
units_with() { # PROPERTY VALUE|VALUE... UNIT...
  units_property=$1 units_values=$2
  shift 2
  if [ $# -eq 0 ]; then return; fi
  systemctl show --property=Id --property="$units_property" -- "$@" 2>/dev/null \
    | awk -F= -v property="$units_property" -v values="^($units_values)\$" '
      function out() { if (value ~ values) print id; id = value = "" }
      $1 == "Id" { id = $2 } $1 == property { value = $2 } /^$/ { out() } END { out() }'
}

# Services that run because somebody enabled them. Those that D-Bus starts on demand end by
# themselves, so their absence later means nothing.
running_services() {
  with_systemctl || return 0
  # shellcheck disable=SC2046  # names of units are words
  units_with UnitFileState 'enabled|enabled-runtime|generated|alias|indirect' \
    $(systemctl list-units --type=service --state=running --plain --no-legend --no-pager 2>/dev/null \
      | sed 's/^[^A-Za-z0-9]*//; s/ .*//' | grep -Ev '^(patchctl-|user@|getty@|serial-getty@)' | sort -u) \
    | sort -u
}

# Those of the services named in the file that do not run. By all their names: an update may make
# the old one an alias.
ended_services() { # FILE
  services_file=$1
  # shellcheck disable=SC2046  # names of units are words
  set -- $(cat "$1")
  if [ $# -eq 0 ]; then return; fi
  systemctl show --property=Names --property=ActiveState -- "$@" 2>/dev/null | awk '
    function out(  n, i, each) {
      if (state ~ /^(active|reloading|refreshing)$/) {
        n = split(names, each, " ")
        for (i = 1; i <= n; i++) delete asked[each[i]]
      }
      names = state = ""
    }
    FILENAME == ARGV[1] { asked[$0]; next }
    /^Names=/ { names = substr($0, 7) } /^ActiveState=/ { state = substr($0, 13) } /^$/ { out() }
    END { out(); for (name in asked) print name }' "$services_file" - | sort
}

# `tcp PORT all|local`. Ports from the range for outgoing connections come and go, so they are left
# out.
listeners() {
  read -r first_outgoing _ 2>/dev/null </proc/sys/net/ipv4/ip_local_port_range || first_outgoing=32768
  for table in tcp tcp6 udp udp6; do
    [ -r "/proc/net/$table" ] || continue
    while read -r _ local remote state _; do
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
    done <"/proc/net/$table"
  done | sort -u
}

# Lines of the first file that no line of the second one answers; `all` answers `local` too.
lost_listeners() { # BEFORE AFTER
  awk 'FILENAME == ARGV[1] { after[$1 " " $2 " " $3] = 1; next }
    !(($1 " " $2 " " $3) in after) && !(($1 " " $2 " all") in after) { print $1 "/" $2 }' "$2" "$1"
}

own_processes() { # this shell and its ancestors: the connection that carries us
  ancestor=$$
  while is_number "$ancestor" && [ "$ancestor" -gt 1 ]; do
    printf ' %s ' "$ancestor"
    ancestor=$(sed 's/.*) //' "/proc/$ancestor/stat" 2>/dev/null | cut -d ' ' -f 2)
  done
}

unit_of() { # PID: prints its system service, or nothing
  sed -n 's|.*system\.slice/\(.*/\)*\([^/]*\.service\).*|\2|p' \
    "/proc/$1/cgroup" 2>/dev/null | head -n 1
}

# `PID UNIT|- COMMAND` of processes that map files of the system which were replaced or deleted.
stale_processes() {
  ours=$(own_processes)
  grep -lE ' /(usr|lib|lib32|lib64|bin|sbin|opt)/.* \(deleted\)$' /proc/[0-9]*/maps 2>/dev/null \
    | while IFS=/ read -r _ _ pid _; do
      case $ours in *" $pid "*) continue ;; esac
      command=$(plain "$(cat "/proc/$pid/comm" 2>/dev/null)")
      [ -n "$command" ] || continue
      unit=$(unit_of "$pid")
      if [ "$pid" = 1 ]; then unit=init; fi
      printf '%s %s %s\n' "$pid" "${unit:--}" "$command"
    done
}

# Restarting these ends sessions, desktops, containers or the network; they wait for a reboot.
keeps_running() { # UNIT
  case $1 in
    dbus.service | dbus-broker.service | systemd-logind.service | user@* | getty@* | serial-getty@* | \
      console-getty.service | container-getty@* | emergency.service | rescue.service | gdm*.service | \
      sddm.service | lightdm.service | docker.service | podman*.service | libvirtd.service | \
      virtlogd.service | virtlockd.service | networking.service | NetworkManager.service | \
      wpa_supplicant.service | systemd-networkd.service | openvpn* | patchctl-*) return 0 ;;
  esac
  return 1
}

restart_stale() { # restarts what runs on old files and says what still does
  stale_before=$(stale_processes)
  if ! with_systemctl; then
    printf '%s\n' "$stale_before" | grep . | while read -r line; do say stale "$line"; done
    return 0
  fi
  if printf '%s\n' "$stale_before" | grep -q '^1 '; then
    if systemctl daemon-reexec >&2; then say restarted init; fi
  fi
  printf '%s\n' "$stale_before" | awk '$2 ~ /[.]service$/ { print $2 }' | sort -u \
    | while read -r service; do
      if keeps_running "$service"; then continue; fi
      if timeout 120 systemctl try-restart "$service" >&2; then
        say restarted "$service"
      else
        say restart-failed "$service"
      fi
    done
  if [ -n "$stale_before" ]; then sleep 1; fi
  stale_processes | while read -r line; do say stale "$line"; done
}

reboot_wanted() { # the platform's own marker
  [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]
}

say_state() { # for every answer
  say boot "$(boot_identity)"
  if reboot_wanted; then say reboot-required yes; else say reboot-required no; fi
}
