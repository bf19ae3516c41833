# shellcheck shell=sh
# Facts about a host that only dnf (or yum) and rpm know: the answers to what host_rules.sh asks with
# `of_manager`, and functions that discovery and transactions share. Needs host_rules.sh.
# shellcheck disable=SC2034  # used by what is put together with it

dnf_program() { command -v dnf || command -v yum || command -v microdnf; }

dnf_told() { # KEY: the words of a list in the main part of dnf.conf, also where it goes on in further lines
  awk -v key="$1" '
    /^\[/ { main = ($0 ~ /^\[main\]/); on = 0; next }
    /^[ \t]*[#;]/ { next }
    /^[^ \t]/ { on = main && $0 ~ ("^" key "[ \t]*="); if (on) sub(/^[^=]*=/, "") }
    on { gsub(/,/, " "); print }' /etc/dnf/dnf.conf 2>/dev/null
}

# Where dnf keeps its lists and files: the site may have moved these folders.
dnf_cache() {
  dnf_moved=$(dnf_told cachedir | sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' | tail -n 1)
  case $dnf_moved in
    *'$'*) dnf_moved=$(LC_ALL=C limited 20 dnf -C -q config-manager --dump 2>/dev/null | sed -n 's/^cachedir = //p') ;;
  esac
  case $dnf_moved in
    /*) printf '%s' "${dnf_moved%/}" ;;
    *) printf '/var/cache/dnf' ;;
  esac
}

# Packages of which dnf installs several versions, in addition to those that the site names.
DNF_MANY='kernel kernel-PAE installonlypkg(kernel) installonlypkg(kernel-module) installonlypkg(vm) multiversion(kernel)'

# NAME.ARCH of packages that are installed in two versions although they must not be: this is what a
# transaction leaves that was cut off.
dnf_list_doubled() {
  dnf_all=$(limited 60 rpm -qa --qf '%{NAME}.%{ARCH}\n') && [ -n "$dnf_all" ] || return
  dnf_doubled=$(printf '%s\n' "$dnf_all" | sort | uniq -d | grep -v '^gpg-pubkey\.')
  if [ -z "$dnf_doubled" ]; then return 0; fi
  set -f
  # shellcheck disable=SC2046,SC2086  # words
  set -- $DNF_MANY $(dnf_told installonlypkgs)
  set +f
  # rpm's exit code is not 0 if no package has one of the names.
  dnf_beside=$(limited 60 rpm -q --qf '%{NAME}.%{ARCH}\n' --whatprovides "$@" 2>/dev/null)
  printf '%s\n' "$dnf_doubled" | BESIDE=$dnf_beside awk '
    BEGIN { count = split(ENVIRON["BESIDE"], name, "\n"); for (i = 1; i <= count; i++) beside[name[i]] }
    !($0 in beside)'
}

# --- host_rules.sh asks -------------------------------------------------------------------------

# Packages, besides kernels, that take effect only after a reboot: the lists of dnf-plugins-core and
# yum-utils. A restart of services does not replace their old code.
DNF_REBOOT='linux-firmware microcode_ctl glibc systemd dbus dbus-broker dbus-daemon'

# Names of packages that were installed since the boot and take effect only after a reboot, by the times in
# rpm's database, and those that `needs-restarting` names: its list fits the platform better. A "no" from it
# proves nothing (it takes the time of /proc/1 for the boot's). It is called only if a package is newer.
dnf_reboot_packages() {
  dnf_since=$(dnf_installed_since_boot) || return
  if [ -z "$dnf_since" ]; then return; fi
  dnf_core=$({
    printf '%s\n' "$dnf_since"
    dnf_needs_restarting
  } | dnf_take_effect_by_reboot "$(dnf_reboot_names)")
  printf '%s\n' "$dnf_core" | sed '/^$/d' | sort -u
}

dnf_installed_since_boot() {
  dnf_booted=$(booted_at) && dnf_all=$(limited 60 rpm -qa --qf '%{NAME} %{INSTALLTIME}\n') || return
  printf '%s\n' "$dnf_all" | awk -v booted="$dnf_booted" '
    NF == 2 { told++ }
    $2 + 0 > booted + 0 && $1 != "gpg-pubkey" { print $1 }
    END { exit told == 0 }'
}

# The list above and the site's own for needs-restarting, with one name a line.
dnf_reboot_names() {
  printf '%s ' "$DNF_REBOOT"
  cat /etc/dnf/plugins/needs-restarting.d/*.conf 2>/dev/null | tr '\n' ' '
}

# From lines `NAME` prints those that wait for a reboot, and all of `needs-restarting NAME`. Prints no kernel
# on a host that has none of its own.
dnf_take_effect_by_reboot() { # NAMES
  dnf_contained=no
  if in_container; then dnf_contained=yes; fi
  NAMES=$1 KERNEL=$UNVERSIONED_KERNEL CONTAINED=$dnf_contained awk '
    BEGIN {
      count = split(ENVIRON["NAMES"], name, " ")
      for (i = 1; i <= count; i++) wanted[name[i]]
      kernel = ENVIRON["KERNEL"]; contained = (ENVIRON["CONTAINED"] == "yes")
    }
    { package = $NF }
    package ~ kernel { if (!contained) print package; next }
    NF == 2 || (package in wanted) { print package }'
}

# Prints `needs-restarting NAME` for each package that it wants a reboot for. Exit code 1 means that, but also
# a failure, so its output must have the expected words, too.
dnf_needs_restarting() {
  set -- needs-restarting
  if ! have needs-restarting; then set -- dnf -q -C needs-restarting; fi
  dnf_code=0
  dnf_told=$(LC_ALL=C limited 60 "$@" -r 2>/dev/null) || dnf_code=$?
  case $dnf_code:$dnf_told in
    1:*'Reboot is required'*) ;;
    *) return 0 ;;
  esac
  printf '%s\n' "$dnf_told" | awk '
    /^  \* [A-Za-z0-9_.+-]+$/ { print "needs-restarting", $2 }
    /^  [A-Za-z0-9_.+-]+ -> / { print "needs-restarting", $1 }'
}

dnf_next_kernel() {
  dnf_image=''
  if have grubby; then dnf_image=$(limited 20 grubby --default-kernel 2>/dev/null); fi
  case $dnf_image in
    */vmlinuz-*) printf '%s' "${dnf_image##*/vmlinuz-}" ;;
    *) dnf_entry_kernel ;;
  esac
}

# From the entries that boot loaders read (bootloader_spec): the one that grub2 saved, else the newest one,
# which grub2 starts then.
dnf_entry_kernel() {
  dnf_saved=$(sed -n 's/^saved_entry=//p' "$BOOT/grub2/grubenv" 2>/dev/null | head -n 1)
  case $dnf_saved in */*) dnf_saved='' ;; esac
  if [ -n "$dnf_saved" ] && [ -r "$BOOT/loader/entries/$dnf_saved.conf" ]; then
    set -- "$BOOT/loader/entries/$dnf_saved.conf"
  else
    set -- "$BOOT"/loader/entries/*.conf
  fi
  sed -n 's|^linux[[:space:]].*/vmlinuz-\([^[:space:]]*\).*|\1|p' "$@" 2>/dev/null \
    | grep -v rescue | LC_ALL=C sort -V | tail -n 1
}

# rpm's database and dnf's own history.
dnf_work_folders() {
  dnf_database=$(limited 20 rpm --eval '%{_dbpath}') && [ -d "$dnf_database" ] || return
  printf '%s 16384\n' "$dnf_database"
  for dnf_folder in /var/lib/dnf "$(dnf_cache)" /var/log; do
    if [ -d "$dnf_folder" ]; then printf '%s 4096\n' "$dnf_folder"; fi
  done
}

# --- who works with the package manager ----------------------------------------------------------

# Locks that the kernel knows the holder of, and files that contain it; all that are taken to change packages.
DNF_LOCKS='/var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock /run/dnf/rpmtransaction.lock'
DNF_PID_FILES='/var/lib/dnf/rpmdb_lock.pid /run/dnf.pid /run/yum.pid'
# Locks that are taken to fetch package lists, unless the site has moved them.
DNF_LISTS_LOCK=/var/cache/dnf/metadata_lock.pid

# Like lock_holders. dnf treats any living process with the number in the file as the holder.
dnf_lock_holders() { # more PID-FILEs
  # shellcheck disable=SC2086  # paths are words
  lock_holders $DNF_LOCKS || return
  for pid_file in $DNF_PID_FILES "$@"; do
    holder=''
    if [ -s "$pid_file" ]; then read -r holder <"$pid_file"; fi
    if is_number "$holder" && [ -d "/proc/$holder" ]; then
      process=$(tr -d '\000-\037\177' 2>/dev/null <"/proc/$holder/comm")
      printf '%s\t%s\t%s\n' "$holder" "$pid_file" "${process:-a process}"
    fi
  done
  return 0
}

# --- which updaters compete ----------------------------------------------------------------------

dnf_updaters() {
  echo dnf-automatic.timer dnf-automatic-install.timer dnf-automatic.service dnf-automatic-install.service \
    dnf5-automatic.timer dnf5-automatic.service yum-cron.service
}

dnf_updaters_at_work() { echo dnf-automatic.service dnf-automatic-install.service dnf5-automatic.service; }

# The settings of dnf-automatic and yum-cron; a later file overrides an earlier one.
DNF_AUTOMATIC='/usr/share/dnf5/dnf5-plugins/automatic.conf /etc/dnf/automatic.conf'
YUM_CRON=/etc/yum/yum-cron.conf

# Do the settings of dnf-automatic or yum-cron, on standard input, let it install the updates that it finds?
dnf_upgrades_itself() {
  awk -F = '
    { key = $1; gsub(/[ \t]/, "", key) }
    key == "apply_updates" { applies = tolower($2); gsub(/[ \t\r]/, "", applies) }
    END { exit applies !~ /^(1|yes|true|on)$/ }'
}

# Units that install updates by themselves, if they are active or started at boot. The install timer installs
# whatever the settings say. Needs state.sh.
dnf_list_competing_updaters() {
  with_systemctl || return 0
  set -- dnf-automatic-install.timer
  # shellcheck disable=SC2086  # paths are words
  if cat $DNF_AUTOMATIC 2>/dev/null | dnf_upgrades_itself; then
    set -- "$@" dnf-automatic.timer dnf5-automatic.timer
  fi
  if [ -r "$YUM_CRON" ] && dnf_upgrades_itself <"$YUM_CRON"; then set -- "$@" yum-cron.service; fi
  # shellcheck disable=SC2154  # set by open_call
  list_units_with ActiveState active "$@" >"$call/competing.told" \
    && list_units_with UnitFileState 'enabled|enabled-runtime' "$@" >>"$call/competing.told" \
    && sort -u "$call/competing.told"
}
