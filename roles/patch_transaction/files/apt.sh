# shellcheck shell=sh
# What apt and dpkg know and do: versions, marks, simulation, installation. Needs lib.sh, base.sh,
# cause.sh.
# Functions that begin with `list_` print a whole list or fail; `save` looks at both.
# A package line is `NAME ARCH ACTION FROM TO REQUESTED FILE SIZE SHA256`, `-` for none.
# shellcheck disable=SC2016,SC2034,SC2154  # dpkg-query expands; read_input and open_call set

quiet_packages() { # no questions, no restarts behind our back, configuration files kept
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes DEBCONF_NONINTERACTIVE_SEEN=true
  export UCF_FORCE_CONFFOLD=1 NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=
  export APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none
}

# apt sees nothing but what is installed and the files it is given: it cannot add a package from a
# repository, and pins of the site cannot choose another version. Its caches stay untouched.
local_only() { # prints the options, one a line
  printf '%s\n' -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o "Dir::State::Lists=$call/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o APT::Install-Suggests=false \
    -o APT::Get::AutomaticRemove=false -o APT::Get::Show-User-Simulation-Note=false \
    -o "DPkg::Lock::Timeout=$lock_wait" -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold
}

# `NAME ARCH VERSION STATUS SIZE`, STATUS as `ii`, SIZE in KiB. A host of dpkg's has packages: none
# at all is no answer.
list_installed() {
  bounded dpkg-query -W \
    -f='${Package} ${Architecture} ${Version} ${db:Status-Abbrev} ${Installed-Size}\n' >"$call/dpkg" || return
  awk 'NF >= 4 { print $1, $2, $3, $4, ($5 == "" ? 0 : $5); n++ } END { exit n == 0 }' "$call/dpkg"
}

# For each package line `NAME ARCH PLACE VERSION STATUS`: PLACE is `from` (untouched), `to` (done),
# or `other`. A package that goes from one architecture to `all` or back is found by its name.
list_places() { # INSTALLED-FILE; package lines on standard input
  awk -v installed="$1" '
    BEGIN {
      while ((getline line < installed) > 0) {
        split(line, f, " ")
        at[f[1] " " f[2]] = f[3] " " f[4]; names[f[1]] = names[f[1]] " " f[2]; known++
      }
      if (!known) exit 1
    }
    {
      key = $1 " " $2
      if (!(key in at)) {
        n = split(names[$1], archs, " ")
        for (i = 1; i <= n; i++) if (archs[i] == "all" || $2 == "all") key = $1 " " archs[i]
      }
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

# Writes what is installed now and where each planned package is; the stage ends where that cannot
# be told of all of them.
look() {
  try_look || refuse "$save_error"
}

try_look() {
  try_save "$call/installed.now" list_installed && try_save "$call/places" planned_places || return
  if [ "$(lines_of "$call/places")" = "$(planned)" ]; then return; fi
  save_error="dpkg-query did not tell of all planned packages"
  return 1
}

not_at() { # PLACE: names and versions of packages that are elsewhere, in one line
  awk -v place="$1" '$3 != place { printf "%s%s is %s %s", sep, $1, $4, $5; sep = ", " }' "$call/places" \
    || printf 'it cannot be told what is installed'
}

say_packages() { # versions as `look` found them
  say asked "packages $(lines_of "$call/places")"
  while read -r line; do printf 'package %s\n' "$line"; done <"$call/places"
}

audit() { # half-installed, half-configured, as `look` found it: one line, empty when all is well
  awk '$4 !~ /^.[inc]$/ { printf "%s%s (%s)", sep, $1, $4; sep = ", " }' "$call/installed.now" \
    || printf 'it cannot be told what is installed'
  for journal in /var/lib/dpkg/updates/[0-9]*; do
    if [ -e "$journal" ]; then printf ' unfinished dpkg journal'; fi
    break
  done
}

# --- simulation ----------------------------------------------------------------------------------

# What apt would do, as sorted lines `change NAME ARCH FROM TO` and `remove NAME`, in $call/simulated;
# false where it refuses. Arguments of install.
simulate() {
  if ! try_save "$call/simulation" apt_simulates "$@"; then
    case $save_error in 'cannot write'*) refuse "$save_error" ;; esac
    return 1
  fi
  save "$call/simulated" list_simulated
}

apt_simulates() {
  # shellcheck disable=SC2046  # options without spaces
  bounded apt-get $(local_only) -s install "$@" 2>&1 </dev/null
}

list_simulated() {
  sed -n \
    -e 's/^Inst \([^ :]*\)[^ ]* \[\([^]]*\)\] (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/change \1 \4 \2 \3/p' \
    -e 's/^Inst \([^ :]*\)[^ ]* (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/change \1 \3 - \2/p' \
    -e 's/^Remv \([^ :]*\).*/remove \1/p' -e 's/^Purg \([^ :]*\).*/remove \1/p' \
    "$call/simulation" >"$call/simulated.lines" && sort -u "$call/simulated.lines"
}

# Does the simulation do exactly what package lines say? `differs` is empty then. What is expected
# must be something: a comparison of nothing with nothing proves nothing.
compare_simulation() { # forward|back PLACES-FILE
  save "$call/expected" list_expected "$1" "$2"
  differs=$(difference "$call/expected" "$call/simulated") || differs="the simulation cannot be read"
  if [ -z "$differs" ] && [ ! -s "$call/expected" ]; then differs="there is nothing to do"; fi
  [ -z "$differs" ]
}

# Would apt go back? Asked before anything changes, of a dpkg status as it will be afterwards: the
# planned packages' records replaced by those inside the new files.
simulate_undo() {
  undo_refusal=''
  save "$call/status.after" list_future_status
  save "$call/places.after" list_future_places
  # shellcheck disable=SC2046  # paths and names without spaces
  if ! simulate -o "Dir::State::status=$call/status.after" $(back_arguments "$call/places.after"); then
    undo_refusal="apt could not go back: $(simulation_error)"
  elif ! compare_simulation back "$call/places.after"; then
    undo_refusal="going back, $differs"
  fi
  [ -z "$undo_refusal" ]
}

list_future_places() {
  printf '%s' "$packages" | awk '{ print $1, $2, "to", $5, "ii" }'
}

list_future_status() {
  printf '%s' "$packages" | cut -d ' ' -f 1,2 >"$call/names" && [ -s "$call/names" ] || return
  awk -v names="$call/names" '
    BEGIN { while ((getline line < names) > 0) planned[line] = 1; RS = ""; ORS = "\n\n" }
    {
      name = arch = ""
      n = split($0, lines, "\n")
      for (i = 1; i <= n; i++) {
        if (lines[i] ~ /^Package: /) name = substr(lines[i], 10)
        if (lines[i] ~ /^Architecture: /) arch = substr(lines[i], 15)
      }
      if (!((name " " arch) in planned)) print
      all++
    }
    END { exit all == 0 }' /var/lib/dpkg/status || return
  true >"$call/new.control" || return
  printf '%s' "$packages" | while read -r _ _ action _ _ _ file _; do
    if [ "$action" = remove ]; then continue; fi
    dpkg-deb -f "$tx/new/$file" >>"$call/new.control" && echo >>"$call/new.control" || return
  done || return
  sed 's/^\(Package: .*\)/\1\nStatus: install ok installed/' "$call/new.control"
}

simulation_error() {
  simulation_cause=$(cause_in "$call/simulation")
  plain "${simulation_cause:-$save_error}"
}

# The lines of package lines that are still to do, in the form of `list_simulated`.
list_expected() { # forward|back PLACES-FILE
  printf '%s' "$packages" | awk -v way="$1" -v places="$2" '
    BEGIN {
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
      if (want == "-") print "remove", $1
      else if ($3 == "new" || $3 == "remove") print "change", $1, $2, "-", want
      else print "change", $1, $2, old, want
    }' >"$call/expected.lines" && sort -u "$call/expected.lines"
}

difference() { # EXPECTED SIMULATED: empty when equal; fails where one cannot be read
  [ -f "$1" ] && [ -f "$2" ] || return
  awk -v expected="$1" '
    BEGIN { while ((getline line < expected) > 0) want[line] = 1 }
    { if ($0 in want) delete want[$0]; else more = more "; apt would also " $0 }
    END { for (line in want) less = less "; apt would not " line; print substr(less more, 3) }' "$2"
}

# Arguments of install that bring the packages to the new versions.
forward_arguments() {
  case $packages in *" remove "*) ;; *) printf '%s\n' --no-remove ;; esac
  case $packages in *" downgrade "*) printf '%s\n' --allow-downgrades ;; esac
  printf '%s' "$packages" | while read -r name arch action _ _ _ file _; do
    if [ "$action" = remove ]; then removal "$name" "$arch"; else printf '%s\n' "$tx/new/$file"; fi
  done
}

# Arguments of install that bring back what PLACES says is not as before.
back_arguments() { # PLACES-FILE
  printf '%s\n' --allow-downgrades
  case $packages in *" new "*) ;; *) printf '%s\n' --no-remove ;; esac
  list_going_back "$1" >"$call/back" || return
  while read -r action name arch _ file _; do
    if [ "$action" = new ]; then removal "$name" "$arch"; else printf '%s\n' "$tx/old/$file"; fi
  done <"$call/back"
}

removal() { # NAME ARCH: as an argument of install
  if [ "$2" = all ]; then printf '%s-\n' "$1"; else printf '%s:%s-\n' "$1" "$2"; fi
}

named() { # NAME ARCH: as apt wants it
  if [ "$2" = all ]; then printf '%s' "$1"; else printf '%s:%s' "$1" "$2"; fi
}

# --- marks ---------------------------------------------------------------------------------------

list_auto() {
  bounded apt-mark showauto >"$call/auto.told" </dev/null && sort -u "$call/auto.told"
}

# `NAME ARCH auto|manual` as it must be afterwards.
list_wanted_marks() { # MARKS-BEFORE-FILE forward|back
  [ -f "$1" ] || return
  printf '%s' "$packages" | awk -v before="$1" -v way="$2" '
    BEGIN { while ((getline line < before) > 0) auto[line] }
    (way == "forward" && $3 == "remove") || (way == "back" && $3 == "new") { next }
    way == "forward" && $3 == "new" { print $1, $2, ($6 == "yes") ? "manual" : "auto"; next }
    { print $1, $2, (($1 in auto) || (($1 ":" $2) in auto)) ? "auto" : "manual" }'
}

# A name on apt's command line becomes "manual", so a library would never be removed again. What
# fails here is found by verify.
restore_marks() { # MARKS-BEFORE-FILE forward|back
  try_save "$call/marks" list_wanted_marks "$1" "$2" || return
  for mark in auto manual; do
    marked=$(awk -v mark="$mark" '$3 == mark { print ($2 == "all") ? $1 : $1 ":" $2 }' "$call/marks")
    # shellcheck disable=SC2086  # names and architectures are words
    if [ -n "$marked" ]; then apt-mark -o "DPkg::Lock::Timeout=$lock_wait" "$mark" $marked >&2 </dev/null; fi
  done
}

# Packages whose mark is not what it must be, in $call/marks.wrong; `marks_asked` is how many were
# looked at. False where they cannot be told.
look_at_marks() { # MARKS-BEFORE-FILE forward|back
  try_save "$call/auto.now" list_auto && try_save "$call/marks" list_wanted_marks "$1" "$2" \
    && try_save "$call/marks.wrong" list_wrong_marks || return
  marks_asked=$(lines_of "$call/marks")
}

list_wrong_marks() {
  [ -f "$call/auto.now" ] || return
  awk -v now="$call/auto.now" '
    BEGIN { while ((getline line < now) > 0) auto[line] }
    {
      got = (($1 in auto) || (($1 ":" $2) in auto)) ? "auto" : "manual"
      if (got != $3) print $1 " is " got ", not " $3
    }' "$call/marks"
}
