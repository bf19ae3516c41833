#!/bin/sh
# Everything that patchctl wants to know of a host, in one go, changing nothing.
#
# usage: discover.sh [all|packages] [refresh]     (refresh may be said as Ansible says true)
#
# Output: `[SECTION]`, its lines each after one space, then `=EXIT-CODE`. So no line of a host's
# can be taken for a heading. A section that the host cannot have is left out.
# Each tool is asked once for everything: a fork for every package would cost seconds.
set -u

TAB='	'

main() {
  case ${2-} in
    refresh | [Tt]rue | [Yy]es | [Oo]n | 1) section refresh refresh ;;
  esac
  section os os
  manager=$(manager)
  section packages "packages_$manager"
  if [ "${1-all}" = all ]; then
    section holds "holds_$manager"
    section automatic "automatic_$manager"
    section repositories "repositories_$manager"
    section releases "releases_$manager"
    section pending "pending_$manager"
    section advisories "advisories_$manager"
    section lists "lists_$manager"
    section locks "locks_$manager"
    section updaters "updaters_$manager"
    section reboot reboot
    section kernels kernels
    section filesystems filesystems
    section mounts mounts
    section machine machine
    if have systemctl && [ -d /run/systemd/system ]; then
      section units units
      section failed failed
      section timers timers
    fi
    if have ss; then section sockets ss -tulpn; else section sockets_proc sockets_proc; fi
    section stale stale
    section stale_processes stale_processes
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
  section identity identity "$manager"
}

section() { # NAME COMMAND...
  printf '[%s]\n' "$1"
  shift
  { "$@" 2>/dev/null; printf '\n%s' "$?"; } \
    | awk 'NR > 1 { print " " line } { line = $0 } END { print "=" line }'
}

have() { command -v "$1" >/dev/null 2>&1; }

limited() { # SECONDS COMMAND...
  if have timeout; then timeout "$@"; else shift; "$@"; fi
}

# --- who is it -----------------------------------------------------------------------------------

os() {
  if [ -r /etc/os-release ]; then cat /etc/os-release; else cat /usr/lib/os-release; fi
}

# os-release is read, not sourced: sourcing would run what stands in it.
manager() {
  case " $(os 2>/dev/null | sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' | tr '"\n' '  ') " in
    *' debian '* | *' ubuntu '*) set -- apt dnf ;;
    *' rhel '* | *' fedora '* | *' centos '* | *' rocky '* | *' almalinux '* | *' amzn '* | *' ol '*)
      set -- dnf apt ;;
    *' suse '* | *' opensuse '* | *' sles '*) echo none; return ;;
    *) set -- apt dnf ;;
  esac
  for candidate in "$@"; do
    case $candidate in
      apt) if have dpkg-query && have apt-get; then echo apt; return; fi ;;
      dnf) if have rpm && [ -n "$(dnf_program)" ]; then echo dnf; return; fi ;;
    esac
  done
  echo none
}

dnf_program() { command -v dnf || command -v yum || command -v microdnf; }

identity() { # MANAGER
  printf 'manager\t%s\n' "$1"
  printf 'hostname\t%s\n' "$(cat /proc/sys/kernel/hostname)"
  printf 'kernel\t%s\n' "$(uname -r)"
  printf 'machine\t%s\n' "$(uname -m)"
  case $1 in
    apt) printf 'architecture\t%s\n' "$(dpkg --print-architecture)" ;;
    *) printf 'architecture\t%s\n' "$(uname -m)" ;;
  esac
  for file in /etc/machine-id /var/lib/dbus/machine-id; do
    if [ -s "$file" ]; then printf 'machine-id\t%s\n' "$(cat "$file")"; break; fi
  done
  printf 'boot-id\t%s\n' "$(cat /proc/sys/kernel/random/boot_id)"
  printf 'pid1\t%s\n' "$(cat /proc/1/stat)"
  printf 'btime\t%s\n' "$(sed -n 's/^btime //p' /proc/stat)"
  printf 'ticks\t%s\n' "$(getconf CLK_TCK 2>/dev/null || echo 100)"
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

# --- apt -----------------------------------------------------------------------------------------

refresh() {
  case $(manager) in
    apt)
      # It exits with 0 where every fetch failed and the old lists stay in use.
      limited 180 apt-get -q -o DPkg::Lock::Timeout=30 -o Acquire::Retries=1 update 2>&1 \
        | grep -E '^(E:|W: (Failed|Some index|GPG error))' | head -n 20 ;;
    dnf)
      limited 180 "$(dnf_program)" -q makecache 2>&1 || echo "E: makecache failed" ;;
    *) echo 'E: no package manager that is known' ;;
  esac
}

packages_apt() {
  dpkg-query -W -f "\${db:Status-Abbrev}$TAB\${Package}$TAB\${Version}$TAB\${Architecture}$TAB\${source:Package}$TAB\${source:Version}\\n"
}

holds_apt() { dpkg --get-selections | awk '$2 == "hold" { print $1 }'; }

automatic_apt() {
  if [ -r /var/lib/apt/extended_states ]; then
    grep -E '^(Package|Architecture|Auto-Installed):' /var/lib/apt/extended_states
  fi
}

repositories_apt() {
  apt-get indextargets --format "\$(SITE)$TAB\$(RELEASE)$TAB\$(COMPONENT)$TAB\$(REPO_URI)$TAB\$(ORIGIN)$TAB\$(LABEL)$TAB\$(CODENAME)$TAB\$(SUITE)$TAB\$(TRUSTED)$TAB\$(FILENAME)" \
    'Created-By: Packages'
}

releases_apt() { grep -m 1 -H '^Date:' /var/lib/apt/lists/*Release; }

# The version table is sorted, newest first, so whether the candidate is newer can be told later.
pending_apt() {
  dpkg-query -W -f "\${Package}:\${Architecture}\\n" | xargs apt-cache policy | awk '
    /^[^ ]/ { if (show) printf "%s", block; block = $0 "\n"; show = 0; next }
    { block = block $0 "\n" }
    $1 == "Installed:" { installed = $2 }
    $1 == "Candidate:" {
      show = ($2 != installed && $2 != "(none)" && installed != "(none)")
    }
    END { if (show) printf "%s", block }'
}

advisories_apt() { :; }

lists_apt() {
  stat -c '%Y' /var/lib/apt/lists
  if [ -e /var/lib/apt/periodic/update-success-stamp ]; then
    stat -c '%Y' /var/lib/apt/periodic/update-success-stamp
  fi
}

locks_apt() {
  lock_holders /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
    /var/cache/apt/archives/lock
}

# fcntl locks show in /proc/locks: `1: POSIX ADVISORY WRITE PID MAJOR:MINOR:INODE START END`.
# Only the inode is compared: overlay file systems show another device number there.
lock_holders() { # FILE...
  for file in "$@"; do
    [ -e "$file" ] || continue
    inode=$(stat -c '%i' "$file")
    awk -v "inode=$inode" -v "file=$file" '
      { split($6, id, ":"); if ($2 != "->" && id[3] == inode) print $5 "\t" file }' /proc/locks
  done
}

updaters_apt() {
  apt-config dump | grep -E '^(APT::Periodic::|Unattended-Upgrade::Automatic-Reboot )'
  printf 'systemd %s\n' "$([ -d /run/systemd/system ] && echo yes || echo no)"
  if [ -x /etc/cron.daily/apt-compat ]; then echo 'cron apt-compat'; fi
}

# --- dnf -----------------------------------------------------------------------------------------

packages_dnf() {
  rpm_format="%{NAME}$TAB%{EPOCH}$TAB%{VERSION}$TAB%{RELEASE}$TAB%{ARCH}$TAB%{SOURCERPM}$TAB%{INSTALLTIME}$TAB"
  # rpm before 4.14 (EL 7) knows no modules and refuses the whole format.
  rpm -qa --qf "$rpm_format%{MODULARITYLABEL}\\n" || rpm -qa --qf "$rpm_format\\n"
}

holds_dnf() {
  for file in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list; do
    if [ -r "$file" ]; then grep -v -E '^[[:space:]]*(#|$)' "$file"; fi
  done
  return 0
}

automatic_dnf() {
  limited 20 "$(dnf_program)" -C -q repoquery --userinstalled --qf '%{name}.%{arch}
'
}

repositories_dnf() { limited 20 "$(dnf_program)" -C repolist -v enabled; }

releases_dnf() {
  for file in /etc/dnf/dnf.conf /etc/yum.conf /etc/yum.repos.d/*.repo; do
    if [ -r "$file" ]; then grep -E '^(\[|gpgcheck)' "$file"; fi
  done
  return 0
}

# Exit code 100 says that there are updates. What is locked to a version is pending all the same.
pending_dnf() {
  limited 30 "$(dnf_program)" -C -q --disableplugin=versionlock check-update
  case $? in 0 | 100) return 0 ;; *) return 1 ;; esac
}

advisories_dnf() {
  limited 30 "$(dnf_program)" -C -q --disableplugin=versionlock updateinfo list --updates
}

lists_dnf() {
  for file in /var/cache/dnf/*/repodata/repomd.xml /var/cache/libdnf5/*/repodata/repomd.xml \
    /var/cache/yum/*/*/*/repomd.xml; do
    if [ -e "$file" ]; then stat -c '%Y' "$file"; fi
  done
}

locks_dnf() {
  lock_holders /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock
  for file in /var/lib/dnf/rpmdb_lock.pid /var/cache/dnf/metadata_lock.pid /run/dnf.pid /run/yum.pid
  do
    if [ -s "$file" ]; then
      read -r holder <"$file"
      if [ -d "/proc/$holder" ]; then printf '%s\t%s\n' "$holder" "$file"; fi
    fi
  done
  return 0
}

updaters_dnf() {
  for file in /etc/dnf/automatic.conf /etc/yum/yum-cron.conf; do
    if [ -r "$file" ]; then
      printf 'conf %s\n' "$file"
      grep -E '^(apply_updates|download_updates|upgrade_type|reboot) *=' "$file"
    fi
  done
  return 0
}

# --- neither -------------------------------------------------------------------------------------

packages_none() { return 1; }
holds_none() { :; }
automatic_none() { :; }
repositories_none() { :; }
releases_none() { :; }
pending_none() { :; }
advisories_none() { :; }
lists_none() { :; }
locks_none() { :; }
updaters_none() { :; }

# --- the running system --------------------------------------------------------------------------

reboot() {
  if [ -e /run/reboot-required ]; then
    echo required
    if [ -r /run/reboot-required.pkgs ]; then sort -u /run/reboot-required.pkgs; fi
  fi
}

kernels() {
  for file in /boot/vmlinuz-*; do
    if [ -e "$file" ]; then printf '%s\n' "${file#/boot/vmlinuz-}"; fi
  done
}

# The file systems that installing packages writes to.
PLACES='/ /boot /boot/efi /usr /var /var/lib /var/cache'

filesystems() {
  set --
  for place in $PLACES; do
    if [ -d "$place" ]; then set -- "$@" "$place"; fi
  done
  limited 5 df -Pk "$@"
  limited 5 df -Pi "$@"
}

mounts() {
  for place in $PLACES; do
    awk -v "place=$place" '$2 == place { kind = $3 } END { if (kind) print place "\t" kind }' /proc/self/mounts
  done
}

# systemctl prints properties in an order of its own, units apart by an empty line.
unit_table() { # UNIT...
  limited 10 systemctl show --no-pager -p Id -p LoadState -p ActiveState -p SubState \
    -p UnitFileState "$@" | awk -v OFS="$TAB" '
      function flush() {
        if (u["Id"] != "" && u["LoadState"] != "not-found")
          print u["Id"], u["ActiveState"], u["SubState"], u["UnitFileState"]
        split("", u)
      }
      $0 == "" { flush(); next }
      { at = index($0, "="); u[substr($0, 1, at - 1)] = substr($0, at + 1) }
      END { flush() }'
}

units() { unit_table '*.service' | awk -F"$TAB" '$2 != "inactive" || $4 ~ /^enabled/'; }

failed() {
  limited 10 systemctl list-units --failed --all --plain --no-legend --no-pager --full \
    | awk '{ print $1 }'
}

timers() {
  unit_table apt-daily.timer apt-daily-upgrade.timer apt-daily-upgrade.service \
    dnf-automatic.timer dnf-automatic-install.timer dnf-automatic.service \
    dnf-automatic-install.service dnf5-automatic.timer dnf5-automatic.service yum-cron.service \
    packagekit.service packagekit-offline-update.service
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

# Files that a process still maps although they were removed or replaced. Memory that never was a
# file of a package shows as deleted too and says nothing.
stale() {
  grep -H ' (deleted)$' /proc/[0-9]*/maps | awk -v OFS="$TAB" '
    {
      split($1, where, "/"); pid = where[3]
      path = $0; sub(/^[^\/]*\/proc\/[0-9]+\/maps:[^\/]*/, "", path); sub(/ \(deleted\)$/, "", path)
      if (path !~ /^\//) next
      if (path ~ /^\/(dev|proc|run|tmp|memfd:|SYSV|anon_hugepage|\[aio\]|drm|i915|var\/tmp|home|root)/) next
      if (!((pid, path) in seen) && count++ < 2000) print pid, path
      seen[pid, path] = 1
    }'
  return 0
}

stale_processes() {
  stale | cut -f 1 | sort -u | while read -r pid; do
    comm='' cgroup=''
    read -r comm <"/proc/$pid/comm"
    while read -r line; do
      case $line in
        *:name=systemd:*) cgroup=$line ;;
        0::*) cgroup=${cgroup:-$line} ;;
      esac
    done <"/proc/$pid/cgroup"
    printf '%s\t%s\t%s\n' "$pid" "$comm" "$cgroup"
  done
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
