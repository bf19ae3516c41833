# shellcheck shell=sh
# Conditions that must be true on a host before anything changes. Needs host_rules.sh, lib.sh, base.sh, state.sh
# and packages.sh.
# A question without an answer is a failed check, since nothing is known then.
# shellcheck disable=SC2154  # set by read_input, open_call and the manager's file

check_no_package_operation() { # after `look`
  if ! try_save "$call/usable" is_usable; then
    usable_cause=$(cause_in "$call/usable")
    check package-manager failed "$MANAGER is not usable now: ${usable_cause:-$save_error}"
    return
  fi
  unfinished=$(audit)
  if [ -n "$unfinished" ]; then
    check package-manager failed "packages are not fully installed: $unfinished; $REPAIR"
  else
    check package-manager ok "no other package operation, nothing half-installed"
  fi
}

check_versions() { # after `look`
  say_packages
  if [ -n "$(not_at from)" ]; then
    check versions failed "installed versions are not the plan's: $(not_at from)"
    return
  fi
  if ! try_save "$call/held" list_held; then
    check versions failed "held packages cannot be told: $save_error"
    return
  fi
  while read -r package; do
    case "
$packages" in
      *"
${package%%:*} "*) check versions failed "$package is held on this host ($UNHOLD)" ;;
    esac
  done <"$call/held"
  check versions ok "$(planned) packages as planned"
}

# Prints the KiB that the transaction may need below /usr, below its own folder and in /boot.
space_needed() { # prints `USR VAR BOOT`
  space_boot=$(printf '%s' "$packages" | cut -d ' ' -f 1,3 | boot_kib) || return
  space_sizes=$(printf '%s' "$packages" | awk -v installed="$call/installed.now" '
    BEGIN {
      while ((getline line < installed) > 0) { split(line, f, " "); size[f[1] " " f[2]] = f[5]; known++ }
      if (!known) exit 1
    }
    { print $3, $8 + 0, size[$1 " " $2] + 0 }
    END { if (!known) exit 1 }') || return
  printf '%s %s' "$(printf '%s\n' "$space_sizes" | packages_kib)" "$space_boot"
}

# Prints `MOUNT NEEDED FREE INODES` in KiB for each file system that the transaction writes to, `-` if it does not
# count inodes; fails if one of them is missing in the answer.
list_space() { # USR VAR BOOT
  {
    echo "/usr $1"
    if [ -d "$BASE" ]; then echo "$BASE $2"; else echo "${BASE%/*} $2"; fi # a check makes no folder
    if [ "$3" -gt 0 ] && [ -d /boot ]; then echo "/boot $3"; fi
    echo "/etc 1024"
    echo "/tmp 1024"
    of_manager work_folders || return
  } >"$call/space.asked" || return
  while read -r where kib; do
    bounded df -Pk "$where" >"$call/df" && bounded df -Pi "$where" >"$call/df.inodes" || return
    awk -v kib="$kib" -v inodes="$call/df.inodes" '
      BEGIN { getline row < inodes; getline row < inodes; split(row, f, " "); left = (f[2] + 0 > 0) ? f[4] : "-" }
      NR > 1 && NF >= 6 { print $NF, kib, $4, left; n++ } END { exit n != 1 }' "$call/df" || return
  done <"$call/space.asked" >"$call/space.told"
  awk '{ need[$1] += $2; free[$1] = $3; inodes[$1] = $4 }
    END { for (m in need) print m, need[m], free[m], inodes[m] }' "$call/space.told"
}

check_space() {
  # shellcheck disable=SC2046  # three numbers
  set -- $(space_needed)
  if [ $# -ne 3 ] || ! try_save "$call/space" list_space "$@"; then
    check disk failed "the free space cannot be told: $save_error"
    return
  fi
  while read -r mount kib free inodes; do
    if [ "$kib" -gt "$free" ]; then
      check disk failed "$mount has $((free / 1024)) MiB free, the transaction may take $((kib / 1024)) MiB"
    fi
    if [ "$(mounted "$mount")" != rw ]; then
      check disk failed "$mount is not mounted read-write"
    fi
    if is_number "$inodes" && [ "$inodes" -lt 1000 ]; then
      check disk failed "$mount has $inodes inodes left"
    fi
  done <"$call/space"
  check disk ok "$(awk '{ printf "%s%s %d of %d MiB", sep, $1, $2 / 1024, $3 / 1024; sep = ", " }' "$call/space")"
}

mounted() { # MOUNT: prints rw or ro
  awk -v mount="$1" '$2 == mount { state = $4 }
    END { if (state ~ /(^|,)rw(,|$)/) print "rw"; else if (state != "") print "ro" }' /proc/mounts
}

# --- updaters that would work at the same time -----------------------------------------------------

check_updaters() {
  if ! try_save "$call/working" list_working_updaters || ! try_save "$call/competing" list_competing_updaters; then
    check updaters failed "other updaters cannot be told: $save_error"
    return
  fi
  working=$(head -n 1 "$call/working")
  competing=$(tr '\n' ' ' <"$call/competing")
  if [ -n "$working" ]; then
    check updaters failed "$working installs packages right now; try again later"
  elif [ ! -s "$call/competing" ]; then
    check updaters ok "none"
  elif [ "$updaters" = refuse ]; then
    check updaters failed "${competing}may install packages during the run; stop it, or set updaters: hold-for-run"
  elif [ "$updaters" = warn ]; then
    check updaters note "${competing}may install packages during the run"
  else
    check updaters note "${competing}is stopped until the run is over"
  fi
}

# Stops updaters after the host is claimed, since the release of the claim starts them again. Fails if one goes on:
# cron jobs, which are listed by their path, cannot be stopped. A unit that is only enabled is stopped, too, since a
# boot would start it; it is not started when the run is over.
hold_updaters() {
  if [ "$updaters" != hold-for-run ] || [ ! -s "$call/competing" ]; then return; fi
  if grep -q '^/' "$call/competing"; then return 1; fi
  hold_known=''
  if [ -f "$BASE/updaters" ]; then hold_known=$(cat "$BASE/updaters"); fi
  hold_idle=''
  if [ -f "$BASE/updaters.idle" ]; then hold_idle=$(cat "$BASE/updaters.idle"); fi
  while read -r timer; do
    case "
$hold_known
" in
      *"
$timer
"*) continue ;; # held before: that it does not run now is our own doing
    esac
    if ! bounded systemctl is-active --quiet "$timer" </dev/null; then hold_idle="$hold_idle $timer"; fi
  done <"$call/competing"
  must_keep "$BASE/updaters.idle" "$hold_idle"
  must_keep "$BASE/updaters" "$(printf '%s\n' "$hold_known" "$(cat "$call/competing")" | grep . | sort -u)"
  while read -r timer; do
    bounded systemctl stop "$timer" >/dev/null 2>&1 </dev/null
    bounded systemctl mask --runtime "$timer" >/dev/null 2>&1 </dev/null
  done <"$call/competing"
  try_save "$call/competing.left" list_competing_updaters && [ ! -s "$call/competing.left" ]
}
