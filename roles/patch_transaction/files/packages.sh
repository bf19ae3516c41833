# shellcheck shell=sh
# Functions for every package manager: the versions of planned packages, the check of a simulation, marks. Needs
# host_rules.sh, lib.sh, base.sh and a package manager's file.
# A package line is `NAME ARCH ACTION FROM TO REQUESTED FILE SIZE SHA256`, `-` for none.
# shellcheck disable=SC2034,SC2154  # set by the manager's file, read_input and open_call
#
# The contract of a package manager: the functions and variables that a manager_NAME.sh defines. Other scripts use
# nothing else of it; all else in it begins with NAME_. Functions whose name begins with `list_` print a whole list
# or fail (`save` checks both); for a function described with "false" only the exit code is the answer. PLACES is a
# file of `list_places`, WAY is `forward` or `back`, NAME is a package's.
#
#   MANAGER                        its name, as the payload says it
#   ANY_ARCH                       the architecture of packages that fit every machine
#   LOW_LEVEL                      the program below it, for people, as the next three
#   QUERY                          the program that tells what is installed
#   REPAIR                         the command that finishes what was cut off
#   UNHOLD                         the command that gives a hold back
#   LEFT_BESIDE                    endings of what it lays beside configuration files
#   SAVED_BESIDE                   those of them that are the file as it was, which it has replaced
#   OWN_IN_ETC                     globs of names in /etc that are its own doing, not a script's
#   FILE_NAME                      awk's function file_name(NAME, VERSION, ARCH): its name of a file
#   need_manager                   refuses where the host does not have it
#   quiet_packages                 exports what keeps it from asking and from restarting services
#   list_installed                 `NAME ARCH VERSION STATE KIB`. STATE is two letters; the second is
#                                  `i` for a whole package, `n` or `c` for none, else it is half there.
#                                  `many` after it where versions of the package stand beside each other
#   unfinished_work                prints what it began and did not finish, beside packages' states
#   list_lock_holders              `PID FILE PROCESS`, by tabs, of who keeps it from changing packages
#   is_usable                      false where it is at work or broken; prints what it said
#   list_held                      NAME or NAME:ARCH of what must stay as it is
#   list_auto                      NAME or NAME:ARCH of what came as a dependency
#   set_marks auto|manual          of the `NAME ARCH` on standard input
#   simulate WAY PLACES            false where it refuses. $call/simulated has `change NAME ARCH FROM TO`
#                                  and `remove NAME`, sorted; $call/simulation what it said
#   simulate_later PLACES          the same, back, as if the new files were installed already
#   cause_in FILE                  prints why it failed, from what it said; empty where that is unknown
#   change_packages WAY PLACES     exactly that; its exit code. Prints nothing
#   await_others                   until no other of its kind is at work
#   finish_work                    completes what was cut off, as far as it can
#   force_back PLACES              its last resort, file by file; its exit code
#   cached_path FILE               prints where it keeps a file of that name
#   download FOLDER                what repositories have of the `NAME ARCH VERSION` on standard input
#   is_package FILE NAME ARCH VERSION  false where the file is another package, or none
#   rebuild NAME ARCH VERSION      $call/rebuilt from the installed files; false where it cannot
#   list_conffiles INSTALLED       `PATH SUM` of the planned packages' configuration files
#   list_competing_updaters        units that would use it on their own; of what cron starts the path

check_manager() { # of the plan and of the host
  [ "$manager" = "$MANAGER" ] || refuse "the plan is for $manager, the role was told $MANAGER"
  need_manager
}

# Prints for each package line `NAME ARCH PLACE VERSION STATUS`: PLACE is `from` (unchanged), `to` (done), or
# `other`. A package that changes between an architecture and any is found by its name, a package with several
# installed versions by the version that is added or removed.
list_places() { # INSTALLED-FILE; package lines on standard input
  awk -v installed="$1" -v any="$ANY_ARCH" '
    BEGIN {
      while ((getline line < installed) > 0) {
        split(line, f, " ")
        at[f[1] " " f[2]] = f[3] " " f[4]; names[f[1]] = names[f[1]] " " f[2]; known++
        if (f[6] == "many") { many[f[1] " " f[2]]; at[f[1] " " f[2] " " f[3]] = f[3] " " f[4] }
      }
      if (!known) exit 1
    }
    {
      key = $1 " " $2
      if (!(key in at)) {
        n = split(names[$1], archs, " ")
        for (i = 1; i <= n; i++) if (archs[i] == any || $2 == any) key = $1 " " archs[i]
      }
      if (key in many) key = key " " ($3 == "remove" ? $4 : $5)
      version = "-"; status = "-"
      if (key in at) { split(at[key], found, " "); version = found[1]; status = found[2] }
      whole = (substr(status, 2, 1) == "i" && length(status) == 2)
      absent = (substr(status, 2, 1) ~ /^[nc-]$/ || status == "-")
      place = "other"
      if (($3 == "new" && absent) || ($3 != "new" && whole && version == $4)) place = "from"
      if (($3 == "remove" && absent) || ($3 != "remove" && whole && version == $5)) place = "to"
      print $1, $2, place, version, status
    }'
}

planned_places() { printf '%s' "$packages" | list_places "$call/installed.now"; }

# Records what is installed now and where each planned package is. Ends the stage if that is not known for all of
# them.
look() {
  try_look || refuse "$(why_not_told)"
}

# A broken database only says that it is broken.
why_not_told() {
  not_told=$save_error
  case $not_told in
    'cannot write'*) ;;
    *)
      if ! try_save "$call/usable" is_usable; then
        usable_cause=$(cause_in "$call/usable")
        not_told="$MANAGER is not usable now: ${usable_cause:-$not_told}"
      fi
      ;;
  esac
  printf '%s' "$not_told"
}

try_look() {
  try_save "$call/installed.now" list_installed && try_save "$call/places" planned_places || return
  if [ "$(lines_of "$call/places")" = "$(planned)" ]; then return; fi
  save_error="$QUERY did not tell of all planned packages"
  return 1
}

not_at() { # PLACE: names and versions of packages that are elsewhere, in one line
  awk -v place="$1" '$3 != place { printf "%s%s is %s %s", sep, $1, $4, $5; sep = ", " }' "$call/places" \
    || printf 'it cannot be told what is installed'
}

say_packages() { # versions as `look` found them, of all that are planned
  say asked "packages $(planned)"
  while read -r line; do printf 'package %s\n' "$line"; done <"$call/places"
}

audit() { # half-installed, half-configured, as `look` found it: one line, empty when all is well
  awk '$4 !~ /^.[inc]$/ { printf "%s%s (%s)", sep, $1, $4; sep = ", " }' "$call/installed.now" \
    || printf 'it cannot be told what is installed'
  unfinished_work
}

# --- somebody else at work -------------------------------------------------------------------------

list_working_updaters() { # those that are at work now
  with_systemctl || return 0
  # shellcheck disable=SC2046  # names of units are words
  list_units_with ActiveState 'active|activating|reloading' $(updaters_at_work)
}

# Does another process use the package manager? If that cannot be found out, the stage does not go on.
others_work() {
  see_others || refuse "whether others work with $MANAGER cannot be told: $save_error"
  [ -n "$others" ]
}

# The same for a stage that failed: another process may be the only reason.
others_disturb() { see_others && [ -n "$others" ]; }

see_others() { # sets `others`, lines for the controller; false where that cannot be told
  others=''
  try_save "$call/holders" list_lock_holders && try_save "$call/working" list_working_updaters || return
  others=$(
    while IFS="$(printf '\t')" read -r holder file process; do
      say lock "$holder $file $process"
    done <"$call/holders"
    while read -r unit; do say lock "- - $unit"; done <"$call/working"
  )
}

# Called after one of these. The controller calls again later, so no connection has to wait.
answer_locked() { # [REASON]
  printf '%s\n' "$others"
  say_state
  say_claim
  answer locked "${1-}"
}

# --- simulation ----------------------------------------------------------------------------------

# Does the simulation do exactly what the package lines say? Then `differs` is empty. There must be something to
# expect: comparing nothing with nothing proves nothing.
compare_simulation() { # forward|back PLACES-FILE
  save "$call/expected" list_expected "$1" "$2"
  differs=$(difference "$call/expected" "$call/simulated") || differs="the simulation cannot be read"
  if [ -z "$differs" ] && [ ! -s "$call/expected" ]; then differs="there is nothing to do"; fi
  [ -z "$differs" ]
}

# Could the package manager undo the transaction? Checked before anything changes.
simulate_undo() {
  undo_refusal=''
  save "$call/places.after" list_future_places
  if ! simulate_later "$call/places.after"; then
    undo_refusal="$MANAGER could not go back: $(simulation_error)"
  elif ! compare_simulation back "$call/places.after"; then
    undo_refusal="going back, $differs"
  fi
  [ -z "$undo_refusal" ]
}

list_future_places() {
  printf '%s' "$packages" | awk '{ print $1, $2, "to", $5, "ii" }'
}

simulation_error() {
  simulation_cause=$(cause_in "$call/simulation")
  plain "${simulation_cause:-$save_error}"
}

# Prints the package lines that are still to do, in the form of a simulation. A package whose architecture changed
# goes back to the old one.
list_expected() { # forward|back PLACES-FILE
  printf '%s' "$packages" | awk -v way="$1" -v places="$2" -v before="$tx/before/installed" '
    BEGIN {
      while (way == "back" && (getline line < before) > 0) {
        split(line, f, " ")
        there[f[1] " " f[2] " " f[3]]; other[f[1] " " f[3]] = f[2]
      }
      while ((getline line < places) > 0) {
        split(line, f, " ")
        place[f[1] " " f[2]] = f[3]; version[f[1] " " f[2]] = f[4]; known++
      }
      if (!known) exit 1
    }
    {
      key = $1 " " $2
      if (way == "forward" && place[key] == "to") next
      if (way == "back" && place[key] == "from") next
      old = version[key]
      want = (way == "forward") ? $5 : $4
      arch = $2
      if (way == "back" && !((key " " $4) in there) && (($1 " " $4) in other)) arch = other[$1 " " $4]
      if (want == "-") print "remove", $1
      else if ($3 == "new" || $3 == "remove") print "change", $1, arch, "-", want
      else print "change", $1, arch, old, want
    }' >"$call/expected.lines" && sort -u "$call/expected.lines"
}

difference() { # EXPECTED SIMULATED: empty when equal; fails where one cannot be read
  [ -f "$1" ] && [ -f "$2" ] || return
  awk -v expected="$1" -v manager="$MANAGER" '
    BEGIN { while ((getline line < expected) > 0) want[line] = 1 }
    { if ($0 in want) delete want[$0]; else more = more "; " manager " would also " $0 }
    END { for (line in want) less = less "; " manager " would not " line; print substr(less more, 3) }' "$2"
}

# --- marks ---------------------------------------------------------------------------------------

# Prints `NAME ARCH auto|manual` as it must be afterwards. A new version beside others gets their mark.
list_wanted_marks() { # MARKS-BEFORE-FILE forward|back
  [ -f "$1" ] || return
  printf '%s' "$packages" | awk -v before="$1" -v way="$2" -v installed="$tx/before/installed" '
    BEGIN {
      while ((getline line < before) > 0) auto[line]
      while ((getline line < installed) > 0) if (line ~ / many$/) { split(line, f, " "); many[f[1] " " f[2]] }
    }
    (way == "forward" && $3 == "remove") || (way == "back" && $3 == "new") { next }
    way == "forward" && $3 == "new" && !(($1 " " $2) in many) { print $1, $2, ($6 == "yes") ? "manual" : "auto"; next }
    { print $1, $2, (($1 in auto) || (($1 ":" $2) in auto)) ? "auto" : "manual" }'
}

# A package that is named on the command line becomes "manual", and a library would never be removed again. Checking
# costs less than setting a mark that is right. verify finds a failure of this step.
restore_marks() { # MARKS-BEFORE-FILE forward|back
  if ! look_at_marks "$1" "$2"; then
    try_save "$call/marks.wrong" list_wanted_marks "$1" "$2" || return
  fi
  if [ ! -s "$call/marks.wrong" ]; then return; fi
  for mark in auto manual; do
    awk -v mark="$mark" '$3 == mark { print $1, $2 }' "$call/marks.wrong" | set_marks "$mark"
  done
}

# Writes packages with a wrong mark to $call/marks.wrong; `marks_asked` is how many were checked. Fails if the marks
# cannot be read.
look_at_marks() { # MARKS-BEFORE-FILE forward|back
  try_save "$call/auto.now" list_auto && try_save "$call/marks" list_wanted_marks "$1" "$2" \
    && try_save "$call/marks.wrong" list_wrong_marks || return
  marks_asked=$(lines_of "$call/marks")
}

list_wrong_marks() { # `NAME ARCH WANTED GOT`
  [ -f "$call/auto.now" ] || return
  awk -v now="$call/auto.now" '
    BEGIN { while ((getline line < now) > 0) auto[line] }
    {
      got = (($1 in auto) || (($1 ":" $2) in auto)) ? "auto" : "manual"
      if (got != $3) print $1, $2, $3, got
    }' "$call/marks"
}
