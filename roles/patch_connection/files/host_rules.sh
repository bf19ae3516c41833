# shellcheck shell=sh
# The one answer to a question about a host, for discovery and for transactions alike: what is put
# together with this file asks it here and nowhere else. Where the controller must know the rule,
# too, models/host_rules.py has it again, and a test compares the two. Needs the host_NAME.sh of the
# package manager that `manager` names.
#
# What a host_NAME.sh answers, as NAME_QUESTION, for this file; all else in there begins with NAME_ too:
#   reboot_packages                those installed since the boot that take effect only by another one, a
#                                  name a line; fails where that cannot be told
#   next_kernel                    the version of the kernel that a boot would bring; nothing where that is
#                                  not known
#   updaters                       units that install updates on their own
#   updaters_at_work               those of them that install while they are active
#   work_folders                   `FOLDER KIB`: where it writes beside /usr, and how much it may take there
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

# Does systemd run here, and may it be asked?
with_systemctl() { [ -d /run/systemd/system ] && have systemctl; }

# --- which process runs on replaced files --------------------------------------------------------

# What grep is to look for in /proc/PID/maps, and a line of our own, which it must find last: it
# proves that grep went through all of them. Processes end while it reads, so its exit code says
# nothing.
REPLACED=' (deleted)$'
LAST_REPLACED='patchctl (deleted)'

# `PID FILE`, apart by a tab, of each file of the system that a process still maps although it was
# removed or replaced. On standard input what `grep -H` found, of $LAST_REPLACED last; fails where
# that is missing. PIDs are processes that do not count.
#
# Packages put what runs below /usr, /opt and the folders that were merged into /usr. Elsewhere only
# code counts (Wazuh has its libraries in /var/ossec): data that is mapped and replaced is everyday
# there (sssd's and fontconfig's caches, journals), and no restart would change anything. Memory that
# never was a file of a package shows as deleted, too.
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

# This shell and its ancestors, the connection that carries us: it ends with us, so that it runs on
# old files means nothing.
own_processes() {
  ancestor=$$
  while is_number "$ancestor" && [ "$ancestor" -gt 1 ]; do
    printf ' %s ' "$ancestor"
    ancestor=$(sed 's/.*) //' "/proc/$ancestor/stat" 2>/dev/null | cut -d ' ' -f 2)
  done
}

# --- what has to wait for a reboot ---------------------------------------------------------------

# Units that nobody restarts under a running system: that would end desktops, containers or the
# network. Globs of names, one a line. PID 1 is asked to begin itself anew before it counts.
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

# People's sessions: nobody else ends them, and they need no reboot to end.
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

# Where kernels lie.
BOOT=/boot

# --- which names are kernels ---------------------------------------------------------------------

# What puts one kernel's image into /boot: packages of several versions beside each other, and those with
# the version in their name; see models/kernel_names.py.
UNVERSIONED_KERNEL='^kernel([0-9]+[.][0-9]+)?(-(rt|64k|debug|zfcpdump|kvm|uek|lt|ml|plus|default|azure|preempt))*(-(core|base|uki-virt))?$'
VERSIONED_KERNEL='^linux-image-(unsigned-)?[0-9]'

# --- how much room /boot needs -------------------------------------------------------------------

# A kernel's image and map, and the initial RAM disk that is made for it: 60 to 90 MiB on Debian 12.
KERNEL_KIB=98304

# KiB that a transaction may take in /boot: each kernel that comes, and where none does, what is made
# anew beside the old one before it takes its place. Lines `NAME ACTION` on standard input. The image
# of `kernel` lies in `kernel-core` on newer systems: both are one kernel.
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

# What prepare lays aside, so that a disk that fills up later leaves room to look and to go back.
RESERVE_KIB=8192
SPARE_KIB=32768

# `USR VAR`: KiB that a transaction may take below /usr and below the folder of the transaction. Lines
# `ACTION BYTES KIB`, of the new file and of what is installed, on standard input. A file grows to about
# four times its size, and an update holds old and new files of one package side by side.
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

# The platform's own marker, a newer kernel than the running one (Debian leaves a marker only where
# update-notifier or unattended-upgrades is installed), or what the package manager knows besides.
# What cannot be told counts as yes.
reboot_wanted() {
  if reboot_marked || [ -n "$(waiting_kernel)" ]; then return; fi
  ! rebooting=$(of_manager reboot_packages) || [ -n "$rebooting" ]
}

reboot_marked() { [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; }

# Prints the newest installed kernel where an older one of its kind runs. In a container none does;
# only where one waits it matters what this is.
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

# Why the first of these kernels that could not run could not, in one line; nothing where nothing speaks
# against any. A host none of whose kernels has an initial RAM disk is made so.
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

# When PID 1 began, epoch seconds: in a container that is not the kernel's start. Fails where unknown.
booted_at() {
  clock
  read -r booted_stat </proc/1/stat || return
  # The command name in there may hold spaces and parentheses: fields count from the last.
  # shellcheck disable=SC2086  # numbers and letters
  set -- ${booted_stat##*) }
  is_number "$btime" && is_number "$ticks" && is_number "${20-}" || return
  printf '%s' "$((btime + ${20} / ticks))"
}

# The newest of those on standard input that are of the running one's kind; nothing where that is the
# newest itself, or is not among them. Digits compare as numbers. A kind is what follows the numbers:
# a host with amd64 and cloud-amd64, or with a Raspberry Pi's v8 and 2712, boots one of the two, and
# no reboot brings the other.
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

# `PID FILE PROCESS`, apart by tabs, of each of the files that is locked, in their order; fails where the kernel does
# not tell. It shows these locks in /proc/locks: `1: POSIX ADVISORY WRITE PID MAJOR:MINOR:INODE START
# END`, with `->` those who wait; of flock(2) nobody takes notice. Only the inode is compared: overlay
# file systems show another device number there. PID is -1 where nobody knows.
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

# Units of what installs updates by itself, with those of the package manager; those that are not loaded
# are told of when asked by name.
updaters() {
  echo packagekit.service packagekit-offline-update.service
  of_manager updaters
}

# Those that install while they are active. packagekit.service is not among them: it answers questions
# (package managers wake it after each run).
updaters_at_work() {
  echo packagekit-offline-update.service
  of_manager updaters_at_work
}
