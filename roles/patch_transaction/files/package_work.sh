# shellcheck shell=sh
# The detached work on a host: apply and undo. Standard output is the stored answer, standard error the log. Needs
# lib.sh, state.sh, packages.sh, package_files.sh, conffiles.sh.
# shellcheck disable=SC2154  # set by read_input, detached.sh and the manager's file

# Limits a maintainer script that hangs. Files that it makes have the usual permissions.
run_limited() { # COMMAND...
  limited_since=$(uptime_s)
  (umask 022 && exec timeout -k 30 "$limit" "$@" >&2 </dev/null)
  limited_code=$?
  limited_s=$(($(uptime_s) - limited_since))
  return "$limited_code"
}

# Prints why the package manager failed: the cause in its output, else a full disk, which may have kept it from
# writing the log.
log_error() {
  log_cause=$(cause_in "$folder/log")
  if [ -z "$log_cause" ]; then log_cause=$(full_disks); fi
  plain "${log_cause:-see $folder/log on the host}"
}

full_disks() { # in one line; empty where none is full
  df -Pk / /usr /var /etc /boot /tmp "$BASE" 2>/dev/null | awk '
    NR > 1 && $4 + 0 < 64 && !seen[$NF]++ { printf "%s%s", sep, $NF; sep = ", " }
    END { if (sep != "") print " is full (No space left on device)" }'
}

# After a start that was cut off (power, a killed unit) packages may be anywhere between unpacking and
# configuring. Unpacked packages can be completed; those that were not begun are unchanged.
repair() {
  say repaired "the start before this one was interrupted"
  # Without systemd the package manager of that start may still run: wait for its lock.
  await_others
  finish_work
  look
}

apply_work() {
  if [ -f "$tx/undo/started" ]; then
    answer failed "this transaction was undone already"
    return
  fi
  look
  again=no
  if [ "$(lines_of "$folder/started")" -gt 1 ]; then
    again=yes
    repair
  fi
  if [ "$again" = no ] && [ -n "$(not_at from)" ]; then
    unchanged "not as planned: $(not_at from)"
  elif ! new_files_are_whole; then
    unchanged "a prepared file is not what the plan says: $wrong_file"
  elif [ -z "$(not_at to)" ]; then
    code=0
    applied
  else
    apply_exactly
  fi
}

unchanged() { # REASON: nothing was done by this start
  say touched "$again"
  say_packages
  say_state
  answer failed "$1"
}

new_files_are_whole() {
  save "$call/need" list_need_new
  if [ ! -s "$call/need" ]; then return; fi
  wrong_file=$(cut -d ' ' -f 4 "$call/need" | tr '\n' ' ')
  return 1
}

apply_exactly() {
  if ! simulate forward "$call/places"; then
    unchanged "$MANAGER refuses the planned transaction: $(simulation_error)"
  elif ! compare_simulation forward "$call/places"; then
    unchanged "$MANAGER would not do what the plan says: $differs"
  elif ! save_files; then
    unchanged "$save_error"
  else
    change_packages forward "$call/places"
    code=$?
    # The next start records /etc anew: the process that has the lock may change it.
    if [ "$code" -ne 0 ] && [ "$again" = no ] && locked_out && rm -f "$tx/etc/whole"; then
      say touched no
      answer_locked
    else
      applied
    fi
  fi
}

# Did the package manager not begin because another process uses it?
locked_out() {
  look
  [ -z "$(not_at from)" ] && [ -z "$(audit)" ] && others_disturb
}

# Records the present state, not that of prepare: a day may lie between the two. Only the first start can do so;
# `etc/whole` says that packages are touched from here on.
save_files() {
  if [ -f "$tx/etc/whole" ]; then return; fi
  try_save "$tx/before/change" cat "$call/installed.now" && save_conffiles "$tx/before/conffiles" && save_etc
}

# Prints in one line what else changed since BEFORE, beside the planned packages; nothing if nothing did. A plugin of
# the package manager can do more in the transaction than in its simulation.
changed_beyond() { # BEFORE
  printf '%s' "$packages" >"$call/planned.names" || return
  awk -v planned="$call/planned.names" -v before="$1" '
    function whole(state) { return substr(state, 2, 1) == "i" && length(state) == 2 }
    function tell(text) { if (++count <= 3) told = told (count > 1 ? ", " : "") text }
    BEGIN {
      while ((getline line < planned) > 0) { split(line, f, " "); ours[f[1]] }
      while ((getline line < before) > 0) {
        split(line, f, " ")
        if (whole(f[4]) && !(f[1] in ours)) there[f[1] " " f[2] " " f[3]]
        known++
      }
      if (!known) exit 1
    }
    whole($4) && !($1 in ours) {
      if (($1 " " $2 " " $3) in there) delete there[$1 " " $2 " " $3]
      else tell($1 " " $3 " came")
    }
    END {
      if (!known || !NR) exit 1
      for (key in there) { split(key, f, " "); tell(f[1] " " f[3] " went") }
      if (count > 3) told = told " and " count - 3 " more"
      print told
    }' "$call/installed.now"
}

applied() {
  restore_marks "$tx/before/auto" forward
  look
  if ! note_conffiles "$tx/before/conffiles" || ! note_etc; then
    say note "what changed in /etc could not be written down: $save_error"
  fi
  say touched yes
  say code "$code"
  say_packages
  { say_conffiles "$tx/before/conffiles" && say_etc; } || say note "configuration files could not be compared: $save_error"
  say_state
  look_beyond
  if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
    check packages failed "$(why_ended)"
  elif [ "$code" -ne 0 ]; then
    check packages failed "$MANAGER ended with code $code: $(log_error)"
  elif [ -n "$(audit)" ]; then
    check packages failed "not fully installed: $(audit)"
  elif [ -n "$(not_at to)" ]; then
    check packages failed "not at the planned version: $(not_at to)"
  elif [ -n "$beyond_plan" ] && [ "$again" = no ]; then
    check packages failed "more changed than the plan says: $beyond_plan"
  else
    check packages ok "$(planned) packages at their planned versions"
  fi
}

# The undo must know this, whatever else went wrong. A start that was cut off may be long ago; what changed since
# then may have other causes.
look_beyond() {
  beyond_plan=$(changed_beyond "$tx/before/change") || beyond_plan="what else changed cannot be told"
  if [ -z "$beyond_plan" ]; then return; fi
  if [ "$again" = yes ]; then
    say note "besides the planned packages, since this began: $beyond_plan"
  else
    keep "$tx/beyond" "$beyond_plan" || say note "the undo cannot be told what else changed"
  fi
}

# The exit code is also 137 if the kernel or a person kills it.
why_ended() {
  if [ "$code" -eq 124 ] || [ "${limited_s:-$limit}" -ge "$limit" ]; then
    printf 'the transaction took more than %s s and was ended' "$limit"
  else
    printf '%s was killed after %s s (no memory left, or somebody did it)' "$MANAGER" "$limited_s"
  fi
}

# --- undo ----------------------------------------------------------------------------------------

undo_work() {
  look
  if [ ! -f "$tx/apply/started" ]; then
    say note "the transaction never began, there is nothing to undo"
    say_packages
    say_state
    if [ -n "$(not_at from)" ]; then
      answer failed "the transaction never began, but the packages are not as before: $(not_at from)"
    else
      check packages ok "$(planned) packages untouched"
    fi
    return
  fi
  if [ "$(result_word "$tx/apply/result" 2>/dev/null)" = ok ]; then
    # A package that was installed after this transaction must stay.
    newer=$(awk '$3 == "other" && $5 ~ /^.i$/ { printf "%s %s ", $1, $4 }' "$call/places")
    if [ -n "$newer" ]; then
      say_packages
      say_state
      answer failed "changed again since, so not undone: $newer"
      return
    fi
  fi
  # Without knowing which files somebody edited since then, nothing is restored.
  if ! find_edited "$tx/before/conffiles"; then
    say_packages
    say_state
    answer failed "configuration files that were edited since cannot be told: $save_error"
    return
  fi
  # If another process uses the package manager, some steps would only report the lock.
  await_others
  etc_back=yes
  restore_etc || etc_back="no: $save_error"
  if [ -n "$(not_at from)" ] || [ -n "$(audit)" ]; then
    # A package that cannot be configured fails here, too; it may still be replaced.
    finish_work
    look
  fi
  code=0
  if [ -n "$(not_at from)" ]; then
    lacking=$(old_missing)
    if [ -n "$lacking" ]; then
      say_packages
      say_state
      answer failed "the old versions are not on the host: $lacking"
      return
    fi
    undo_exactly
    look
  fi
  if [ -n "$(not_at from)" ] || [ -n "$(audit)" ]; then undo_by_force; fi
  undone
}

old_missing() { # names of packages that must go back and have no old file, or another one
  save "$call/back" list_going_back "$call/places"
  while read -r action name _ _ file arch; do
    if [ "$action" = new ]; then continue; fi
    sum=$(awk -v n="$name" -v a="$arch" '$1 == n && $2 == a { sum = $5 } END { print sum }' "$tx/old.ways")
    if [ -z "$sum" ] || [ ! -f "$tx/old/$file" ] || [ "$(sha256_of "$tx/old/$file")" != "$sum" ]; then
      printf '%s ' "$name"
    fi
  done <"$call/back"
}

undo_exactly() {
  if ! simulate back "$call/places"; then
    say note "$MANAGER cannot undo it in one step: $(simulation_error)"
  elif ! compare_simulation back "$call/places"; then
    say note "$MANAGER would not go back exactly: $differs"
  else
    change_packages back "$call/places"
    code=$?
  fi
}

undo_by_force() {
  say note "$MANAGER could not undo it, $LOW_LEVEL does it file by file"
  force_back "$call/places"
  code=$?
  look
}

undone() {
  restore_marks "$tx/before/auto" back
  files_back=yes
  restore_conffiles "$tx/before/conffiles" || files_back=no
  restart_stale || say note "processes on old files cannot be told: $save_error"
  say code "$code"
  say_packages
  say_edited "$tx/before/conffiles"
  say_etc_edited
  say_state
  if [ -n "$(not_at from)" ]; then
    check packages failed "not back at the old versions: $(not_at from); $(log_error)"
  elif [ -n "$(audit)" ]; then
    check packages failed "not fully installed: $(audit); $(log_error)"
  elif [ "$files_back" = no ] || [ "$etc_back" != yes ]; then
    check packages failed "the packages are back, configuration files are not all: $(log_error)"
  elif [ -f "$tx/beyond" ] && { ! beyond_plan=$(changed_beyond "$tx/before/change") || [ -n "$beyond_plan" ]; }; then
    check packages failed "the planned packages are back, but not what else changed: ${beyond_plan:-that cannot be told}"
  else
    check packages ok "$(planned) packages back at their old versions"
  fi
}
