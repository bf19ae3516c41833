# shellcheck shell=sh
# What must hold on an apt host before anything changes. Needs lib.sh, state.sh, apt.sh.
# shellcheck disable=SC2154  # set by read_input

check_manager() {
  if ! have apt-get || ! have dpkg || ! have dpkg-query; then
    refuse "apt is planned, but this host has no apt"
  fi
}

check_no_package_operation() {
  if ! lock_error=$(apt-get -o DPkg::Lock::Timeout=10 -qq check 2>&1 </dev/null); then
    check package-manager failed "apt is not usable now: $(plain "$(printf '%s' "$lock_error" | grep -E '^(E:|Waiting)' | tail -n 1)")"
    return
  fi
  unfinished=$(audit)
  if [ -n "$unfinished" ]; then
    check package-manager failed "packages are not fully installed: $unfinished; dpkg --configure -a"
  else
    check package-manager ok "no other package operation, nothing half-installed"
  fi
}

check_versions() {
  if [ -n "$(not_at from)" ]; then
    check versions failed "installed versions are not the plan's: $(not_at from)"
    return
  fi
  held=$(apt-mark showhold 2>/dev/null | tr '\n' ' ')
  for package in $held; do
    case "
$packages" in
      *"
${package%%:*} "*) check versions failed "$package is held on this host (apt-mark unhold)" ;;
    esac
  done
  check versions ok "$(grep -c . "$tx/places") packages as planned"
}

# KiB that the transaction may take: below /usr and below the transaction's folder. A .deb grows to
# about four times its size, an update holds old and new files of one package side by side.
space_needed() { # prints `USR VAR BOOT`
  printf '%s' "$packages" | awk -v installed="$tx/installed.now" '
    BEGIN { while ((getline line < installed) > 0) { split(line, f, " "); size[f[1] " " f[2]] = f[5] } }
    {
      new = ($8 == "-") ? 0 : $8 / 1024
      old = size[$1 " " $2] + 0
      if ($3 == "remove") new = 0
      files += new
      grow = 4 * new - old; if (grow > 0) usr += grow
      if (old > most) most = old
      keep += old / 2
      if ($1 ~ /^(linux-image|grub|initramfs-tools|dracut)/) boot = 153600
    }
    END { printf "%d %d %d", usr + most + 32768, files + keep + 32768, boot }'
}

check_space() {
  # shellcheck disable=SC2046  # three numbers
  set -- $(space_needed)
  {
    echo "/usr $1"
    echo "$BASE $2"
    if [ "$3" -gt 0 ] && [ -d /boot ]; then echo "/boot $3"; fi
    echo "/etc 1024"
    echo "/tmp 1024"
  } | while read -r where kib; do
    df -Pk "$where" 2>/dev/null | awk -v kib="$kib" 'NR > 1 { print $NF, kib, $4 }'
  done | awk '{ need[$1] += $2; free[$1] = $3 } END { for (m in need) print m, need[m], free[m] }' >"$tx/space"
  while read -r mount kib free; do
    if [ "$kib" -gt "$free" ]; then
      check disk failed "$mount has $((free / 1024)) MiB free, the transaction may take $((kib / 1024)) MiB"
    fi
    check_writable "$mount"
    inodes=$(df -Pi "$mount" 2>/dev/null | awk 'NR > 1 { print $4 }')
    if is_number "$inodes" && [ "$inodes" -lt 1000 ] && [ "$inodes" -gt 0 ]; then
      check disk failed "$mount has $inodes inodes left"
    fi
  done <"$tx/space"
  check disk ok "$(awk '{ printf "%s%s %d of %d MiB", sep, $1, $2 / 1024, $3 / 1024; sep = ", " }' "$tx/space")"
}

check_writable() { # MOUNT
  if awk -v mount="$1" '$2 == mount { state = $4 } END { exit !(state ~ /(^|,)ro(,|$)/) }' /proc/mounts; then
    check disk failed "$1 is mounted read-only"
  fi
}

# --- updaters that would work at the same time -----------------------------------------------------

updater_timers() { # active timers that install packages on their own
  with_systemctl || return 0
  set -- dnf-automatic.timer dnf-automatic-install.timer dnf5-automatic.timer
  case $(apt-config dump APT::Periodic::Unattended-Upgrade 2>/dev/null) in
    *'"0"'* | *'""'* | '') ;;
    *) if [ -x /usr/bin/unattended-upgrade ]; then set -- apt-daily-upgrade.timer "$@"; fi ;;
  esac
  units_with ActiveState active "$@"
}

updater_runs() { # the name of one that is at work now
  with_systemctl || return 0
  units_with ActiveState 'active|activating' \
    apt-daily-upgrade.service dnf-automatic.service dnf-automatic-install.service
}

check_updaters() {
  working=$(updater_runs | head -n 1)
  if [ -n "$working" ]; then
    check updaters failed "$working installs packages right now; try again later"
    return
  fi
  competing=$(updater_timers | tr '\n' ' ')
  if [ -z "$competing" ]; then
    check updaters ok "none"
  elif [ "$updaters" = refuse ]; then
    check updaters failed "${competing}may install packages during the run; stop it, or set updaters: hold-for-run"
  elif [ "$updaters" = warn ]; then
    check updaters note "${competing}may install packages during the run"
  else
    check updaters note "${competing}is stopped until the run is over"
  fi
}

hold_updaters() { # after the claim is taken: it is what gives them back
  [ "$updaters" = hold-for-run ] || return 0
  updater_timers >"$tx/timers"
  if [ -s "$tx/timers" ]; then
    if [ -f "$BASE/updaters" ]; then cat "$BASE/updaters" >>"$tx/timers"; fi
    sort -u "$tx/timers" | keep "$BASE/updaters"
    while read -r timer; do
      systemctl stop "$timer" >/dev/null 2>&1
      systemctl mask --runtime "$timer" >/dev/null 2>&1
    done <"$tx/timers"
  fi
}
