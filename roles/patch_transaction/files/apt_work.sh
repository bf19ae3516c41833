# shellcheck shell=sh
# What runs detached on an apt host: apply and undo. Standard output is the recorded answer,
# standard error the log. Needs lib.sh, state.sh, apt.sh, apt_files.sh.
# shellcheck disable=SC2154  # set by read_input and detached.sh

run_limited() { # COMMAND...: a maintainer script that hangs must not hang for ever
  timeout -k 30 "$limit" "$@" >&2 </dev/null
}

log_error() {
  plain "$(grep -E '^(E: |dpkg: error|dpkg: warning: .*fail|.* error exit status)' "$folder/log" | tail -n 3)"
}

# A start that was cut off (power, a killed unit) left dpkg anywhere between unpacking and
# configuring. dpkg can always finish what it unpacked; what it did not begin is still untouched.
repair() {
  say repaired "the start before this one was interrupted"
  # Without systemd the package manager of that start may live on: wait for its lock.
  run_limited apt-get -o "DPkg::Lock::Timeout=$limit" check
  run_limited dpkg --force-confold --configure -a
  look
}

apply_work() {
  look
  again=no
  if [ "$(grep -c . "$folder/started")" -gt 1 ]; then
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
    # shellcheck disable=SC2046  # paths and package names have no spaces
    apply_exactly $(forward_arguments)
  fi
}

unchanged() { # REASON: nothing was done by this start
  say touched "$again"
  say_packages
  say_state
  answer failed "$1"
}

new_files_are_whole() {
  wrong_file=$(need_new | cut -d ' ' -f 4 | tr '\n' ' ')
  [ -z "$wrong_file" ]
}

apply_exactly() { # ARGUMENTS of install
  if ! simulate "$@" >"$tx/simulated"; then
    unchanged "apt refuses the planned transaction: $(simulation_error)"
    return
  fi
  printf '%s' "$packages" | expected forward "$tx/places" >"$tx/expected"
  differs=$(difference "$tx/expected" "$tx/simulated")
  if [ -n "$differs" ]; then
    unchanged "apt would not do what the plan says: $differs"
    return
  fi
  save_etc
  # shellcheck disable=SC2046
  run_limited apt-get $(local_only) -y install "$@"
  code=$?
  applied
}

applied() {
  restore_marks "$tx/before/auto" forward
  note_etc
  look
  say touched yes
  say code "$code"
  say_packages
  say_conffiles "$tx/before/conffiles"
  say_state
  if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
    check packages failed "the transaction took more than $limit s and was ended"
  elif [ "$code" -ne 0 ]; then
    check packages failed "apt ended with code $code: $(log_error)"
  elif [ -n "$(audit)" ]; then
    check packages failed "not fully installed: $(audit)"
  elif [ -n "$(not_at to)" ]; then
    check packages failed "not at the planned version: $(not_at to)"
  else
    check packages ok "$(grep -c . "$tx/places") packages at their planned versions"
  fi
}

# --- undo ----------------------------------------------------------------------------------------

undo_work() {
  if [ ! -f "$tx/apply/started" ]; then
    say note "the transaction never began, there is nothing to undo"
    say_packages
    say_state
    answer ok
    return
  fi
  look
  if grep -q '^answer ok$' "$tx/apply/result" 2>/dev/null; then
    # What came after this transaction is not its to take away.
    newer=$(awk '$3 == "other" && $5 ~ /^.i$/ { printf "%s %s ", $1, $4 }' "$tx/places")
    if [ -n "$newer" ]; then
      say_packages
      answer failed "changed again since, so not undone: $newer"
      return
    fi
  fi
  restore_etc
  look
  if [ -n "$(not_at from)" ] || [ -n "$(audit)" ]; then
    # A package that fails to configure fails here too; apt may still replace it.
    run_limited dpkg --force-confold --configure -a
    look
  fi
  code=0
  if [ -n "$(not_at from)" ]; then
    lacking=$(old_missing)
    if [ -n "$lacking" ]; then
      say_packages
      answer failed "the old versions are not on the host: $lacking"
      return
    fi
    # shellcheck disable=SC2046
    undo_exactly $(back_arguments "$tx/places")
    look
  fi
  if [ -n "$(not_at from)" ] || [ -n "$(audit)" ]; then undo_by_dpkg; fi
  undone
}

old_missing() { # names of packages that must go back and have no old file, or another one
  going_back "$tx/places" | while read -r action name _ _ file arch; do
    if [ "$action" = new ]; then continue; fi
    sum=$(awk -v n="$name" -v a="$arch" '$1 == n && $2 == a { sum = $5 } END { print sum }' "$tx/old.ways")
    if [ ! -f "$tx/old/$file" ] || [ "$(sha256_of "$tx/old/$file")" != "$sum" ]; then
      printf '%s ' "$name"
    fi
  done
}

undo_exactly() { # ARGUMENTS of install
  if ! simulate "$@" >"$tx/simulated"; then
    say note "apt cannot undo it in one step: $(simulation_error)"
    return
  fi
  printf '%s' "$packages" | expected back "$tx/places" >"$tx/expected"
  differs=$(difference "$tx/expected" "$tx/simulated")
  if [ -n "$differs" ]; then
    say note "apt would not go back exactly: $differs"
    return
  fi
  # shellcheck disable=SC2046
  run_limited apt-get $(local_only) -y --purge install "$@"
  code=$?
}

# After a failed post-install script or a cut unpacking apt may refuse to work. dpkg itself takes
# exactly the files that it is given and touches no other package.
undo_by_dpkg() {
  say note "apt could not undo it, dpkg does it file by file"
  undo_files=$(going_back "$tx/places" | while read -r action _ _ _ file _; do
    if [ "$action" != new ]; then printf '%s\n' "$tx/old/$file"; fi
  done)
  code=0
  if [ -n "$undo_files" ]; then
    # shellcheck disable=SC2086  # paths without spaces
    run_limited dpkg --force-confold --force-downgrade --force-remove-reinstreq -i $undo_files
    code=$?
  fi
  undo_new=$(going_back "$tx/places" | while read -r action name arch _; do
    if [ "$action" = new ]; then named "$name" "$arch"; echo; fi
  done)
  if [ -n "$undo_new" ]; then
    # shellcheck disable=SC2086
    run_limited dpkg --force-remove-reinstreq --purge $undo_new || code=$?
  fi
  run_limited dpkg --force-confold --configure -a || code=$?
  look
}

undone() {
  restore_marks "$tx/before/auto" back
  restore_conffiles "$tx/before/conffiles"
  restart_stale
  say code "$code"
  say_packages
  say_state
  if [ -n "$(not_at from)" ]; then
    check packages failed "not back at the old versions: $(not_at from); $(log_error)"
  elif [ -n "$(audit)" ]; then
    check packages failed "not fully installed: $(audit); $(log_error)"
  else
    check packages ok "$(grep -c . "$tx/places") packages back at their old versions"
  fi
}
