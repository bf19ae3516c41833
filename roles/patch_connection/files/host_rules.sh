# shellcheck shell=sh
# Rules about a host that discovery and transactions share. A script that is joined with this file must ask a
# question here and nowhere else. A rule that the controller must know, too, is repeated in
# models/host_rules.py, and a test compares the two. Needs the host_NAME.sh of the package manager in `manager`.
#
# Functions NAME_QUESTION that a host_NAME.sh must have for this file; its other functions begin with NAME_ too:
#   reboot_packages                packages that were installed since the boot and take effect only after a
#                                  reboot, one name a line; fails if it cannot find out
#   next_kernel                    the version of the kernel that the next boot starts; nothing if unknown
#   updaters                       units that install updates by themselves
#   updaters_at_work               those of them that install while they are active
#   work_folders                   `FOLDER KIB`: folders outside /usr that it writes to, and how much
# shellcheck disable=SC2034  # used by what is put together with it

of_manager() { # QUESTION...: nothing where the host has no package manager that is known
  case ${manager:-none} in none) return 0 ;; esac
  of_manager_question="${manager}_$1"
  shift
  "$of_manager_question" "$@"
}

limited() { # SECONDS COMMAND...
  if have timeout; then timeout "$@"; else shift; "$@"; fi
}

have() { command -v "$1" >/dev/null 2>&1; }

is_number() { # TEXT
  case ${1-} in '' | *[!0-9]*) return 1 ;; *) return 0 ;; esac
}

# Does systemd run here, and may we call it?
with_systemctl() { [ -d /run/systemd/system ] && have systemctl; }

# --- which process runs on replaced files --------------------------------------------------------

# The pattern for grep in /proc/PID/maps, and a line of our own, which grep must find last: it proves that grep
# read all files. Processes end while it reads, so its exit code proves nothing.
REPLACED=' (deleted)$'
LAST_REPLACED='patchctl (deleted)'

# Prints `PID FILE`, separated by a tab, for each system file that a process still maps although it was removed
# or replaced. Standard input is the output of `grep -H`, with that of $LAST_REPLACED last; fails if that is
# missing. The PIDs in the arguments are left out.
#
# Packages install code below /usr, /opt and the folders that were merged into /usr. In other folders only code
# counts (Wazuh has its libraries in /var/ossec): replaced data that is mapped is normal there (caches of sssd
# and fontconfig, journals), and a restart would change nothing. Memory that never was a file of a package is
# shown as deleted, too.
replaced_files() { # PID...
  awk -v "ours= $* " -v OFS='\t' '
    /:patchctl \(deleted\)$/ && !/^\/proc\// { whole = 1; next }
    {
      split($1, where, "/"); pid = where[3]
      path = $0; sub(/^[^\/]*\/proc\/[0-9]+\/maps:[^\/]*/, "", path); sub(/ \(deleted\)$/, "", path)
      if (path !~ /^\// || index(ours, " " pid " ")) next
      if (path !~ /^\/(usr|lib|lib32|lib64|libx32|bin|sbin|opt)\//) {
        if ($2 !~ /x/) next
        if (path ~ /^\/(dev|proc|run|tmp|memfd:|SYSV|anon_hugepage|\[aio\]|drm|i915|var\/tmp|home|root)/) next
      }
      if (!((pid, path) in seen)) print pid, path
      seen[pid, path]
    }
    END { exit !whole }'
}

# This shell and its ancestors belong to our own connection. They end with it, so it does not matter that they
# run on old files.
own_processes() {
  ancestor=$$
  while is_number "$ancestor" && [ "$ancestor" -gt 1 ]; do
    printf ' %s ' "$ancestor"
    ancestor=$(sed 's/.*) //' "/proc/$ancestor/stat" 2>/dev/null | cut -d ' ' -f 2)
  done
}

# --- what has to wait for a reboot ---------------------------------------------------------------

# Units that must not be restarted on a running system, because that would end desktops, containers or the
# network. Globs of names, one a line. PID 1 is first asked to restart itself before it counts.
WAITS_FOR_REBOOT='init.scope
dbus.service
dbus-broker.service
systemd-logind.service
gdm*.service
sddm.service
lightdm.service
docker.service
podman*.service
libvirtd.service
virtlogd.service
virtlockd.service
networking.service
NetworkManager.service
wpa_supplicant.service
systemd-networkd.service
openvpn*.service'

# Sessions of people: only they end them, and their end needs no reboot.
LOGINS='session-*.scope
user@*.service
getty@*.service
serial-getty@*.service
console-getty.service
container-getty@*.service
emergency.service
rescue.service'

is_one_of() { # NAME GLOBS, one a line
  while read -r glob; do
    # shellcheck disable=SC2254  # a pattern
    case $1 in $glob) return 0 ;; esac
  done <<END_OF_GLOBS
$2
END_OF_GLOBS
  return 1
}

# The folders with kernels.
BOOT=/boot

# --- which names are kernels ---------------------------------------------------------------------

# Packages that put a kernel's image into /boot: those of which several versions are installed, and those with
# the version in their name; see models/kernel_names.py.
UNVERSIONED_KERNEL='^kernel([0-9]+[.][0-9]+)?(-(rt|64k|debug|zfcpdump|kvm|uek|lt|ml|plus|default|azure|preempt))*(-(core|base|uki-virt))?$'
VERSIONED_KERNEL='^linux-image-(unsigned-)?[0-9]'

# --- how much room /boot needs -------------------------------------------------------------------

# Room for a kernel's image and map and its initial RAM disk: 60 to 90 MiB on Debian 12.
KERNEL_KIB=98304

# Prints the KiB that a transaction may need in /boot: room for each new kernel, or without one for an initial
# RAM disk that is made anew beside the old one. Lines `NAME ACTION` on standard input. On newer systems the
# image of `kernel` is in `kernel-core`: both are one kernel.
boot_kib() {
  MANY=$UNVERSIONED_KERNEL ONE=$VERSIONED_KERNEL awk -v each="$KERNEL_KIB" '
    BEGIN { many = ENVIRON["MANY"]; one = ENVIRON["ONE"] }
    $1 ~ many || $1 ~ one {
      family = $1
      if ($1 ~ many) sub(/-(core|base|uki-virt)$/, "", family)
      if ($2 == "new" && !(family in seen)) { seen[family]; kernels++ }
      if ($2 != "remove") made = 1
    }
    $2 != "remove" && $1 ~ /^(grub|initramfs-tools|dracut|microcode_ctl)/ { made = 1 }
    END { print (kernels > 0 ? kernels : made + 0) * each }'
}

# --- how much room packages need -----------------------------------------------------------------

# The room that prepare reserves, so that a check and an undo still work if the disk fills up later.
RESERVE_KIB=8192
SPARE_KIB=32768

# Prints `USR VAR`: the KiB that a transaction may need below /usr and below its own folder. Standard input has
# lines `ACTION BYTES KIB`: the size of the new file and of the installed package. An unpacked file is about
# four times as large, and an update has the old and new files of one package at the same time.
packages_kib() {
  awk -v reserve="$RESERVE_KIB" -v spare="$SPARE_KIB" '
    {
      new = ($1 == "remove") ? 0 : $2 / 1024
      files += new
      if (4 * new > $3) usr += 4 * new - $3
      if ($3 > most) most = $3
      keep += $3 / 2
    }
    END { printf "%d %d", usr + most + spare, files + keep + reserve + spare }'
}

# --- does the host need a reboot -----------------------------------------------------------------

# True if the platform's own marker exists, a newer kernel than the running one is installed (Debian writes a
# marker only if update-notifier or unattended-upgrades is installed), or the package manager says so. If it
# cannot be found out, it counts as yes.
reboot_wanted() {
  if reboot_marked || [ -n "$(waiting_kernel)" ]; then return; fi
  ! rebooting=$(of_manager reboot_packages) || [ -n "$rebooting" ]
}

reboot_marked() { [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; }

# Prints the newest installed kernel if an older one of its kind runs. In a container none runs; so it finds
# out whether this is one only if a newer kernel is installed.
waiting_kernel() {
  kernels=$(list_kernels)
  if [ -z "$kernels" ]; then return; fi
  newest=$(printf '%s\n' "$kernels" | newest_kernel "$(uname -r)")
  if [ -z "$newest" ] || in_container; then return; fi
  printf '%s\n' "$newest"
}

in_container() {
  if have systemd-detect-virt; then
    systemd-detect-virt --container --quiet
  else
    [ -e /run/.containerenv ] || [ -e /.dockerenv ]
  fi
}

list_kernels() {
  for kernel in "$BOOT"/vmlinuz-*; do
    if [ -e "$kernel" ]; then printf '%s\n' "${kernel#"$BOOT"/vmlinuz-}"; fi
  done
}

has_initramfs() { # VERSION: by each name that distributions give it
  for kernel_ramdisk in "initramfs-$1.img" "initrd.img-$1" "initrd-$1"; do
    if [ -s "$BOOT/$kernel_ramdisk" ]; then return 0; fi
  done
  return 1
}

has_some_initramfs() {
  list_kernels | grep -v rescue | while read -r version; do
    if has_initramfs "$version"; then echo yes; fi
  done | grep -q yes
}

# Prints in one line why the first of these kernels that cannot boot cannot; nothing if all can. If no kernel
# on the host has an initial RAM disk, none needs one.
why_unbootable() { # VERSION...
  for version in "$@"; do
    if [ ! -s "$BOOT/vmlinuz-$version" ]; then
      echo "kernel $version would be booted and is not in $BOOT"
      return
    elif ! has_initramfs "$version" && has_some_initramfs; then
      echo "kernel $version has no initramfs in $BOOT"
      return
    fi
  done
}

clock() { # sets $btime (epoch seconds) and $ticks (a second), in which processes' starts are told
  btime=''
  while read -r key value; do
    if [ "$key" = btime ]; then btime=$value; break; fi
  done </proc/stat
  ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
}

# Prints when PID 1 started, in epoch seconds: in a container that is not the kernel's start. Fails if unknown.
booted_at() {
  clock
  read -r booted_stat </proc/1/stat || return
  # The command name in there may hold spaces and parentheses: fields count from the last.
  # shellcheck disable=SC2086  # numbers and letters
  set -- ${booted_stat##*) }
  is_number "$btime" && is_number "$ticks" && is_number "${20-}" || return
  printf '%s' "$((btime + ${20} / ticks))"
}

# Prints the newest version on standard input of the running kernel's kind; nothing if the running one is the
# newest, or is not among them. Digits are compared as numbers. The kind is the text after the numbers: a host
# with amd64 and cloud-amd64, or with a Raspberry Pi's v8 and 2712, boots one of the two, and a reboot does not
# change that.
newest_kernel() { # RUNNING
  LC_ALL=C awk -v running="$1" '
    function kind(name,  parts, n, i, rest) {
      n = split(name, parts, "-")
      for (i = 1; i <= n && parts[i] ~ /^([0-9]|rpi[0-9]+$)/; i++) continue
      for (; i <= n; i++) rest = rest "-" parts[i]
      if (match(name, /\.(x86_64|aarch64|ppc64le|s390x)\+/)) rest = rest substr(name, RSTART + RLENGTH - 1)
      return rest (name ~ /uek/ ? "uek" : "")
    }
    function newer(a, b,  x, y) {
      while (a != "" && b != "") {
        match(a, /^([0-9]+|[^0-9]+)/); x = substr(a, 1, RLENGTH); a = substr(a, RLENGTH + 1)
        match(b, /^([0-9]+|[^0-9]+)/); y = substr(b, 1, RLENGTH); b = substr(b, RLENGTH + 1)
        if (x ~ /^[0-9]/ && y ~ /^[0-9]/) {
          if (x + 0 != y + 0) return x + 0 > y + 0
        } else if (x != y) {
          return (x ~ /^[0-9]/) ? 1 : (y ~ /^[0-9]/) ? 0 : x > y
        }
      }
      return a != ""
    }
    /rescue/ || kind($0) != kind(running) { next }
    $0 == running { known = 1 }
    newest == "" || newer($0, newest) { newest = $0 }
    END { if (known && newest != running) print newest }'
}

# --- who works with the package manager ----------------------------------------------------------

# Prints `PID FILE PROCESS`, separated by tabs, for each of the files that is locked, in their order; fails if
# the kernel does not tell. /proc/locks has these locks: `1: POSIX ADVISORY WRITE PID MAJOR:MINOR:INODE START
# END`, with `->` for waiting processes; package managers ignore flock(2). Only the inode is compared: overlay
# file systems show another device number there. PID is -1 if nobody knows it.
lock_holders() { # FILE...
  holders=$(stat -c '%i %n' "$@" 2>/dev/null | awk '
    FILENAME != "/proc/locks" { inode[++files] = $1; name[files] = $2; next }
    $2 == "POSIX" || $2 == "OFDLCK" { split($6, id, ":"); holder[id[3]] = $5 }
    END { for (i = 1; i <= files; i++) if (inode[i] in holder) print holder[inode[i]], name[i] }
    ' - /proc/locks) || return
  if [ -z "$holders" ]; then return; fi
  printf '%s\n' "$holders" | while read -r holder file; do
    process=''
    if is_number "$holder"; then process=$(tr -d '\000-\037\177' 2>/dev/null <"/proc/$holder/comm"); fi
    printf '%s\t%s\t%s\n' "$holder" "$file" "${process:-a process}"
  done
}

# --- which updaters compete ----------------------------------------------------------------------

# Units that install updates by themselves, with those of the package manager. Units that are not loaded are
# listed only if they are asked for by name.
updaters() {
  echo packagekit.service packagekit-offline-update.service
  of_manager updaters
}

# Updaters that install while they are active. packagekit.service is not one of them: it answers questions
# (package managers start it after each run).
updaters_at_work() {
  echo packagekit-offline-update.service
  of_manager updaters_at_work
}
