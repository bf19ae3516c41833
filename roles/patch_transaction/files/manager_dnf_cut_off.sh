# shellcheck shell=sh
# Repairs an rpm transaction that was cut off (killed, power, a script that hangs). rpm keeps no record of it: new
# files are on the host before its database has the package, incomplete ones as PATH;8-HEX-DIGITS. Later the
# database has both versions until the old one is removed. Nothing says which scripts and triggers did not run.
# Needs the same files as manager_dnf.sh.
# shellcheck disable=SC2154  # used by packages.sh; read_input and open_call set
#
# times             of the transaction: when each package was installed, before its first change
# apply/changing, undo/changing     the direction that was begun and has not ended

dnf_begin_change() { # WAY
  if [ ! -f "$tx/times" ]; then
    save "$call/times.before" dnf_list_times
    must_keep "$tx/times" "$(cat "$call/times.before")"
  fi
  must_keep "$folder/changing" "$1"
}

# A transaction that was cut off earlier does not matter after one that is complete.
dnf_end_change() { rm -f "$tx/apply/changing" "$tx/undo/changing"; }

dnf_list_times() { # `TIME NAME NEVRA`
  bounded rpm -qa --qf '%{INSTALLTIME} %{NAME} %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' >"$call/times.told" \
    && grep -v '^[0-9]* gpg-pubkey ' "$call/times.told"
}

# Prints packages that the transaction installed and whose files differ from the package. Their time differs from
# the old one; it may be earlier, since a clock may be set back. After a cut-off all planned packages are checked.
unfinished_work() {
  if [ ! -f "$tx/times" ]; then
    dnf_others_cut_off
    return
  fi
  if ! try_save "$call/times" dnf_list_times || ! try_save "$call/changed" dnf_list_changed \
    || ! try_save "$call/altered" dnf_list_altered "$call/changed"; then
    printf ' it cannot be told which packages are whole'
    return
  fi
  head -n 3 "$call/altered" | awk '{ printf "%s%s", (NR > 1) ? ", " : " ", $0 } END { if (NR) printf " not as in the package" }'
  if dnf_was_cut_off; then printf ' what was begun did not come to its end'; fi
}

# Of an earlier transaction that nobody has finished.
dnf_others_cut_off() {
  for dnf_left in "$BASE"/*/apply/changing "$BASE"/*/undo/changing; do
    if [ ! -f "$dnf_left" ]; then continue; fi
    dnf_left=${dnf_left#"$BASE"/}
    printf ' transaction %s did not come to its end: roll back its run, or fix the host and clean it with patchctl host clean' "${dnf_left%%/*}"
    break
  done
}

dnf_was_cut_off() { [ -f "$tx/apply/changing" ] || [ -f "$tx/undo/changing" ]; }

dnf_list_changed() { # NEVRA
  dnf_names=''
  if dnf_was_cut_off; then dnf_names=$(printf '%s' "$packages" | cut -d ' ' -f 1 | tr '\n' ' '); fi
  awk -v before="$tx/times" -v names="$dnf_names" '
    BEGIN {
      while ((getline line < before) > 0) was[line]
      count = split(names, name, " ")
      for (i = 1; i <= count; i++) planned[name[i]]
    }
    !($0 in was) || ($2 in planned) { print $3 }' "$call/times"
}

# Configuration files are the administrator's and are left out.
dnf_list_altered() { # FILE with NEVRAs
  dnf_looked_at=$(cat "$1") || return
  if [ -z "$dnf_looked_at" ]; then return; fi
  # shellcheck disable=SC2086  # names are words
  bounded rpm -V --nodeps --noscripts --nordev --nomtime --nouser --nogroup --nomode -- $dnf_looked_at >"$call/altered.told" 2>&1
  case $? in 124 | 137) return 1 ;; esac # else it says how many are not
  # A line of another form, such as for a missing package, means that not all packages were checked.
  awk '
    NF && $1 != "missing" && $1 !~ /^[S.?][M.?][5.?]/ && !/^ *Unsatisfied dependencies/ { unknown = 1 }
    END { exit unknown }' "$call/altered.told" || return
  awk '
    $1 == "missing" { if ($2 !~ /^[cdgrlna]$/) print $2; next }
    $1 ~ /^[S.?][M.?][5.?]/ && ($1 ~ /^S/ || $1 ~ /^..5/ || $1 ~ /L/) && $2 ~ /^\// { print $2 }' "$call/altered.told"
}

# Packages that were installed are installed again, which completes them and removes the other version; without
# scripts if they go back at once, since a script may be what did not end. Of packages that were not yet installed
# some files may be there already: before going back the old files are put over them.
finish_work() {
  if ! dnf_was_cut_off; then return 0; fi
  dnf_sweep || return
  for dnf_job in apply undo; do
    if [ ! -f "$tx/$dnf_job/changing" ]; then continue; fi
    read -r dnf_way <"$tx/$dnf_job/changing"
    save "$call/brought" dnf_list_brought "$dnf_way"
    dnf_scripts=''
    if [ "$folder" = "$tx/undo" ] && [ "$dnf_way" = forward ]; then dnf_scripts='--noscripts --notriggers'; fi
    # shellcheck disable=SC2086  # words
    dnf_lay_out "$call/brought" $dnf_scripts || return
    if [ "$folder" = "$tx/undo" ]; then
      save "$call/overlaid" dnf_list_overlaid
      dnf_lay_out "$call/overlaid" --noscripts --notriggers || return
    fi
    rm -f "$tx/$dnf_job/changing"
  done
}

dnf_lay_out() { # FILE with paths, OPTIONS
  dnf_files=$(cat "$1") || return
  shift
  if [ -z "$dnf_files" ]; then return; fi
  # shellcheck disable=SC2086  # paths without spaces
  run_limited rpm -U --replacepkgs --replacefiles --oldpackage --nodeps "$@" $dnf_files
}

dnf_list_brought() { # WAY: files of the versions to which it leads, where rpm's database has them
  dnf_list_todo "$1" /dev/null >"$call/todo" || return
  sed -n 's/^install //p' "$call/todo" | while read -r file; do
    if [ -f "$file" ] && rpm -q "$(rpm -qp --nosignature --qf '%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}' "$file")" >/dev/null; then
      printf '%s\n' "$file"
    fi
  done
}

dnf_list_overlaid() { # old files of packages that are at their old version, and not whole
  list_going_back /dev/null >"$call/back.all" || return
  while read -r action name _ from file arch; do
    if [ "$action" = new ] || [ ! -f "$tx/old/$file" ] || ! rpm -q "$name-$from.$arch" >/dev/null; then continue; fi
    printf '%s\n' "$name-$from.$arch" >"$call/one"
    dnf_altered=$(dnf_list_altered "$call/one") || return
    if [ -n "$dnf_altered" ]; then printf '%s\n' "$tx/old/$file"; fi
  done <"$call/back.all"
}

# Removes files that rpm was writing when it was killed: paths of these packages with rpm's ending.
dnf_sweep() {
  set --
  for file in "$tx/new"/*.rpm "$tx/old"/*.rpm; do
    if [ -f "$file" ]; then set -- "$@" "$file"; fi
  done
  if [ $# -eq 0 ]; then return; fi
  bounded rpm -qpl --nosignature "$@" >"$call/paths.told" && sort -u "$call/paths.told" >"$call/paths.own" || return
  sed -n 's|/[^/]*$|/|p' "$call/paths.own" | sort -u | while read -r part; do
    if [ -d "$part" ]; then printf '%s\0' "$part"; fi
  done >"$call/paths.folders"
  xargs -0 -r sh -c 'exec find "$@" -maxdepth 1 ! -type d -name "*;[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"' - \
    <"$call/paths.folders" >"$call/paths.beside" || return
  awk -v own="$call/paths.own" '
    BEGIN { while ((getline line < own) > 0) is_own[line] }
    substr($0, 1, length($0) - 9) in is_own' "$call/paths.beside" | while IFS= read -r path; do
    rm -f "$path" || return
  done
}
