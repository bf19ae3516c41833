# shellcheck shell=sh
# New files and old ones onto the host, and what the host was like before. Changes no package. Needs
# probes.sh.
# Answer `missing`: lines `missing new|old FILE SHA256 SIZE` say what the controller is to push into
# the folder `pushed`; then it asks again with `pushed yes`.
# shellcheck disable=SC2154  # set by read_input

record_before() {
  if [ -f "$tx/before/whole" ]; then return; fi
  own_folder "$tx/before" || refuse "$tx/before is not a folder of root alone"
  installed >"$tx/before/installed"
  auto_marks >"$tx/before/auto"
  failed_units >"$tx/before/failed"
  running_services >"$tx/before/services"
  listeners >"$tx/before/listeners"
  boot_identity >"$tx/before/boot"
  uname -r >"$tx/before/kernel"
  save_conffiles "$tx/before/conffiles"
  list_leftovers "$tx/before/conffiles"
  now | keep "$tx/before/whole"
}

# The two youngest stay for whoever must look into them.
remove_old_transactions() {
  runs_now=$(running_job)
  for folder in "$BASE"/*/; do
    folder=${folder%/}
    if [ "$folder" = "$tx" ] || [ -h "$folder" ] || [ ! -f "$folder/created" ]; then continue; fi
    if [ "${folder##*/}" = "${runs_now% *}" ]; then continue; fi
    printf '%s %s\n' "$(cat "$folder/created")" "$folder"
  done | sort -rn | tail -n +2 | while read -r _ folder; do rm -rf "$folder"; done
}

check_simulations() {
  look
  # shellcheck disable=SC2046  # paths and names without spaces
  if ! simulate $(forward_arguments) >"$tx/simulated"; then
    check simulation failed "apt refuses the planned transaction: $(simulation_error)"
    return
  fi
  printf '%s' "$packages" | expected forward "$tx/places" >"$tx/expected"
  differs=$(difference "$tx/expected" "$tx/simulated")
  if [ -n "$differs" ]; then
    check simulation failed "apt would not do what the plan says: $differs"
  else
    check simulation ok "apt would do exactly what the plan says"
  fi
}

check_undo() {
  lacking=$(cut -d ' ' -f 1,3 "$tx/need" | tr '\n' ' ')
  if [ -n "$lacking" ]; then
    undo_problem "old versions cannot be had: $lacking"
    return
  fi
  if simulate_undo; then
    check undo ok "the old versions are here and apt can go back to them"
  else
    undo_problem "$undo_refusal"
  fi
}

undo_problem() { # REASON
  if [ "$rollback_ready" = require ]; then
    check undo failed "$1 (rollback_ready: require)"
  else
    check undo note "$1"
  fi
}

main() {
  need_base
  need_claim
  own_folder "$tx" || refuse "$tx is not a folder of root alone"
  if [ -f "$tx/prepared" ]; then
    say_old_ways
    check prepared ok "was prepared before"
    say_state
    conclude
    return
  fi
  if [ ! -f "$tx/created" ]; then now | keep "$tx/created"; fi
  printf '%s' "$packages" | keep "$tx/packages"
  printf '%s\n' "${PATCHCTL_INPUT:-}" | keep "$tx/input"
  record_before
  collect_new || incomplete=yes
  collect_old
  if [ "$pushed" = no ] && { [ "${incomplete:-no}" = yes ] || [ -s "$tx/asked" ]; }; then
    answer missing
    return
  fi
  if [ "${incomplete:-no}" = yes ]; then
    check files failed "these files cannot be had: $(cut -d ' ' -f 4 "$tx/need.new" | tr '\n' ' ')"
  else
    check files ok "$(find "$tx/new" -type f | grep -c .) files checked"
    check_simulations
    check_undo
    if [ -z "$failures" ]; then probes_before; fi
  fi
  say_old_ways
  say_state
  if [ -z "$failures" ]; then
    rm -rf "$tx/pushed"
    now | keep "$tx/prepared"
    remove_old_transactions
  else
    release_claim
  fi
  conclude
}

say_old_ways() { # which way each old version was had
  awk '{ print "old " $1 " " $2 " " $3 " " $4 }' "$tx/old.ways"
}

stage "$@" </dev/null
