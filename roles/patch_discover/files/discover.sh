#!/bin/sh
# Collects all facts about a host in one run. Changes nothing.
#
# usage: discover.sh [all|packages] [refresh]     (refresh may be said as Ansible says true)
#
# Output: `[SECTION]`, its lines with one space before each, then `=EXIT-CODE`. So no line from a host can be
# taken for a heading. A section that does not apply to the host is left out.
# Each tool is called once for everything, and the shell reads small files itself: on a small host most of the
# time is spent on starting programs.
# shellcheck disable=SC2154  # which_manager.sh sets $manager
set -u

TAB='	'
# How many seconds fetching package lists may take.
# shellcheck disable=SC2034  # used by the managers' parts
REFRESH_S=180

main() {
  # A section's lines begin with a random prefix that no process on the host can guess until awk has quoted
  # them. It is in the environment, since other users can read arguments of root's processes.
  mark=''
  read -r mark 2>/dev/null </proc/sys/kernel/random/uuid || mark=$$.$(date +%s)
  ask_all "$@" 2>/dev/null | MARK=$mark awk '
    BEGIN { mark = ENVIRON["MARK"] }
    index($0, mark) == 1 {
      # The empty line before an end is ours, unless the command left its last line open.
      if (waiting && line != "") print " " line
      waiting = 0
      print substr($0, length(mark) + 1)
      next
    }
    # Login names in addresses must not leave the host.
    { gsub(/:\/\/[^\/ \t]*@/, "://***@"); if (waiting) print " " line; line = $0; waiting = 1 }
    END { if (waiting) print " " line }'
}

ask_all() { # [all|packages] [refresh]
  manager
  case ${2-} in
    refresh | [Tt]rue | [Yy]es | [Oo]n | 1) section refresh "refresh_$manager" ;;
  esac
  section os os
  section packages "packages_$manager"
  if [ "${1-all}" = all ]; then
    section automatic "automatic_$manager"
    section repositories "repositories_$manager"
    section releases "releases_$manager"
    pending=$("pending_$manager")
    pending_code=$?
    section pending told "$pending_code" "$pending"
    "more_$manager"
    section advisories "advisories_$manager"
    section lists "lists_$manager"
    section locks "locks_$manager"
    section unfinished "unfinished_$manager"
    section updaters "updaters_$manager"
    section reboot reboot
    section kernels list_kernels
    section filesystems filesystems
    section mounts mounts
    section machine machine
    if with_systemctl; then
      units=$(unit_table)
      section units units
      section failed failed
      section timers timers
    fi
    if have ss; then section sockets ss -tulpn; else section sockets_proc sockets_proc; fi
    stale=$(stale)
    stale_code=$?
    section stale told "$stale_code" "$stale"
    if [ -n "$stale" ]; then
      section stale_processes stale_processes
      owners=$("owners_$manager")
      section stale_owners printf '%s\n' "$owners"
      section replaced "replaced_$manager"
    fi
    for engine in podman docker; do
      if "has_$engine"; then
        section "containers_$engine" containers "$engine"
        section "images_$engine" images "$engine"
      fi
    done
    if have crictl; then
      section containers_crictl limited 5 crictl ps --all --output json
      section images_crictl limited 5 crictl images --output json
    fi
  fi
  section identity identity
}

section() { # NAME COMMAND...
  printf '%s[%s]\n' "$mark" "$1"
  shift
  ("$@")
  printf '\n%s=%s\n' "$mark" "$?"
}

told() { # EXIT-CODE TEXT: of a question that was asked before
  printf '%s\n' "$2"
  return "$1"
}

# --- who is it -----------------------------------------------------------------------------------

os() {
  if [ -r /etc/os-release ]; then cat /etc/os-release; else cat /usr/lib/os-release; fi
}

tell() { # KEY FILE: its first line
  value=''
  if [ -r "$2" ]; then read -r value <"$2"; fi
  printf '%s\t%s\n' "$1" "$value"
}

identity() {
  machine=$(uname -m)
  printf 'manager\t%s\n' "$manager"
  tell hostname /proc/sys/kernel/hostname
  tell kernel /proc/sys/kernel/osrelease
  printf 'machine\t%s\n' "$machine"
  printf 'architecture\t%s\n' "$("architecture_$manager")"
  for file in /etc/machine-id /var/lib/dbus/machine-id; do
    if [ -s "$file" ]; then tell machine-id "$file"; break; fi
  done
  tell boot-id /proc/sys/kernel/random/boot_id
  tell pid1 /proc/1/stat
  clock
  # shellcheck disable=SC2154  # clock sets them
  printf 'btime\t%s\nticks\t%s\n' "$btime" "$ticks"
  printf 'uid\t%s\n' "$(id -u)"
  printf 'now\t%s\n' "$(date +%s)"
}

machine() {
  printf 'init\t%s\n' "$(cat /proc/1/comm)"
  if have systemd-detect-virt; then
    printf 'virtualization\t%s\n' "$(systemd-detect-virt)"
  elif [ -e /run/.containerenv ]; then
    printf 'virtualization\tpodman\n'
  elif [ -e /.dockerenv ]; then
    printf 'virtualization\tdocker\n'
  elif grep -q '^flags.* hypervisor' /proc/cpuinfo; then
    printf 'virtualization\t%s\n' "$(cat /sys/class/dmi/id/sys_vendor 2>/dev/null || echo vm)"
  else
    printf 'virtualization\tnone\n'
  fi
}

# --- a host with no manager that is known ------------------------------------------------------------------------------------

architecture_none() { uname -m; }
more_none() { :; }
refresh_none() { echo 'E: no package manager that is known'; }
packages_none() { return 1; }
automatic_none() { :; }
repositories_none() { :; }
releases_none() { :; }
pending_none() { :; }
advisories_none() { :; }
lists_none() { :; }
locks_none() { :; }
unfinished_none() { :; }
updaters_none() { :; }
owners_none() { :; }
replaced_none() { :; }

# --- the running system --------------------------------------------------------------------------

# Prints `required`, and the packages that need a reboot. The list of kernels shows a newer kernel.
reboot() {
  wanted=$(of_manager reboot_packages)
  wanted_code=$?
  if reboot_marked && [ -r /run/reboot-required.pkgs ]; then
    wanted=$(printf '%s\n' "$wanted"; cat /run/reboot-required.pkgs)
  fi
  if reboot_marked || [ -n "$wanted" ]; then
    echo required
    printf '%s\n' "$wanted" | sed '/^$/d' | sort -u
  fi
  return "$wanted_code"
}

# The file systems that an installation of packages writes to.
PLACES='/ /boot /boot/efi /usr /var /var/lib /var/cache'

filesystems() {
  set --
  for place in $PLACES; do
    if [ -d "$place" ]; then set -- "$@" "$place"; fi
  done
  limited 5 df -Pk "$@" && limited 5 df -Pi "$@"
}

mounts() {
  awk -v "places=$PLACES" -v OFS="$TAB" '
    { kind[$2] = $3 }
    END {
      count = split(places, place, " ")
      for (i = 1; i <= count; i++) if (place[i] in kind) print place[i], kind[place[i]]
    }' /proc/self/mounts
}

# Prints properties of all services and of the updaters. systemctl prints them in its own order, with an empty
# line between units, and prints a unit only once.
unit_table() {
  # shellcheck disable=SC2046 # a list of words
  limited 10 systemctl show --no-pager -p Id -p LoadState -p ActiveState -p SubState \
    -p UnitFileState '*.service' $(updaters) | awk -v OFS="$TAB" '
      function flush() {
        if (u["Id"] != "" && u["LoadState"] != "not-found" && !(u["Id"] in seen)) {
          seen[u["Id"]]
          print u["Id"], u["ActiveState"], u["SubState"], u["UnitFileState"]
        }
        split("", u)
      }
      $0 == "" { flush(); next }
      { at = index($0, "="); u[substr($0, 1, at - 1)] = substr($0, at + 1) }
      END { flush() }'
}

units() {
  printf '%s\n' "$units" | awk -F"$TAB" '
    $1 ~ /\.service$/ && ($2 != "inactive" || $4 ~ /^enabled/)'
}

failed() {
  told=$(limited 10 systemctl list-units --failed --all --plain --no-legend --no-pager --full) || return
  printf '%s\n' "$told" | awk '{ print $1 }'
}

timers() {
  printf '%s\n' "$units" | NAMES=$(updaters) awk -F"$TAB" '
    BEGIN {
      count = split(ENVIRON["NAMES"], name, "[ \n]+")
      for (i = 1; i <= count; i++) wanted[name[i]]
    }
    $1 in wanted'
}

sockets_proc() {
  for file in tcp tcp6 udp udp6; do
    if [ -r "/proc/net/$file" ]; then
      awk -v "kind=$file" -v OFS="$TAB" 'NR > 1 { print kind, $2, $4 }' "/proc/net/$file" \
        | grep -E "$TAB(0A|07)\$"
    fi
  done
  return 0
}

has_podman() { have podman; }

has_docker() { have docker && [ -S /var/run/docker.sock ]; }

containers() { # ENGINE
  limited 5 "$1" ps --all --no-trunc \
    --format "{{.Names}}$TAB{{.Image}}$TAB{{.ImageID}}$TAB{{.State}}" \
    || limited 5 "$1" ps --all --no-trunc --format "{{.Names}}$TAB{{.Image}}$TAB$TAB{{.State}}"
}

images() { # ENGINE
  limited 5 "$1" images --no-trunc --format "{{.Repository}}:{{.Tag}}$TAB{{.ID}}"
}

main "$@" </dev/null
