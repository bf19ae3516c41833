# shellcheck shell=sh
# What apt and dpkg know and do: versions, marks, simulation, installation. Needs lib.sh.
# A package line is `NAME ARCH ACTION FROM TO REQUESTED FILE SIZE SHA256`, `-` for none.
# shellcheck disable=SC2154  # set by read_input

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
    -o "Dir::State::Lists=$tx/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o APT::Install-Suggests=false \
    -o APT::Get::AutomaticRemove=false -o APT::Get::Show-User-Simulation-Note=false \
    -o "DPkg::Lock::Timeout=$lock_wait" -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold
}

installed() { # `NAME ARCH VERSION STATUS SIZE`, STATUS as `ii`, SIZE in KiB
  dpkg-query -W -f='${Package} ${Architecture} ${Version} ${db:Status-Abbrev} ${Installed-Size}\n' \
    | awk 'NF >= 4 { print $1, $2, $3, $4, ($5 == "" ? 0 : $5) }'
}

# For each package line `NAME ARCH PLACE VERSION STATUS`: PLACE is `from` (untouched), `to` (done),
# or `other`. A package that goes from one architecture to `all` or back is found by its name.
places() { # PACKAGE-LINES on standard input
  installed >"$tx/installed.now"
  awk '
    FILENAME == ARGV[1] { at[$1 " " $2] = $3 " " $4; names[$1] = names[$1] " " $2; next }
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
    }' "$tx/installed.now" -
}

look() { # writes where each planned package is
  printf '%s' "$packages" | places >"$tx/places"
}

not_at() { # PLACE: names and versions of packages that are elsewhere, in one line
  awk -v place="$1" '$3 != place { printf "%s%s is %s %s", sep, $1, $4, $5; sep = ", " }' "$tx/places"
}

say_packages() { # versions as they are now
  printf '%s' "$packages" | places | while read -r line; do printf 'package %s\n' "$line"; done
}

audit() { # half-installed, half-configured: one line, empty when all is well
  dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' 2>/dev/null \
    | awk 'NF >= 2 && $2 !~ /^.[inc]$/ { printf "%s%s (%s)", sep, $1, $2; sep = ", " }'
  if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then printf ' unfinished dpkg journal'; fi
}

# --- simulation ----------------------------------------------------------------------------------

# What apt would do, as sorted lines `change NAME ARCH FROM TO` and `remove NAME`.
simulate() { # ARGUMENTS of install
  # shellcheck disable=SC2046  # options without spaces
  apt-get $(local_only) -s install "$@" >"$tx/simulation" 2>&1 </dev/null || return 1
  sed -n \
    -e 's/^Inst \([^ :]*\)[^ ]* \[\([^]]*\)\] (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/change \1 \4 \2 \3/p' \
    -e 's/^Inst \([^ :]*\)[^ ]* (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/change \1 \3 - \2/p' \
    -e 's/^Remv \([^ :]*\).*/remove \1/p' -e 's/^Purg \([^ :]*\).*/remove \1/p' \
    "$tx/simulation" | sort -u
}

# Would apt go back? Asked before anything changes, of a dpkg status as it will be afterwards: the
# planned packages' records replaced by those inside the new files.
simulate_undo() {
  undo_refusal=''
  future_status >"$tx/status.after"
  printf '%s' "$packages" | awk '{ print $1, $2, "to", $5, "ii" }' >"$tx/places.after"
  # shellcheck disable=SC2046  # paths and names without spaces
  if ! simulate -o "Dir::State::status=$tx/status.after" $(back_arguments "$tx/places.after") >"$tx/simulated"; then
    undo_refusal="apt could not go back: $(simulation_error)"
    return 1
  fi
  printf '%s' "$packages" | expected back "$tx/places.after" >"$tx/expected"
  undo_refusal=$(difference "$tx/expected" "$tx/simulated")
  [ -z "$undo_refusal" ] || undo_refusal="going back, $undo_refusal"
  [ -z "$undo_refusal" ]
}

future_status() {
  printf '%s' "$packages" | cut -d ' ' -f 1,2 >"$tx/names"
  awk -v names="$tx/names" '
    BEGIN { while ((getline line < names) > 0) planned[line] = 1; RS = ""; ORS = "\n\n" }
    {
      name = arch = ""
      n = split($0, lines, "\n")
      for (i = 1; i <= n; i++) {
        if (lines[i] ~ /^Package: /) name = substr(lines[i], 10)
        if (lines[i] ~ /^Architecture: /) arch = substr(lines[i], 15)
      }
      if (!((name " " arch) in planned)) print
    }' /var/lib/dpkg/status
  printf '%s' "$packages" | while read -r _ _ action _ _ _ file _; do
    if [ "$action" = remove ]; then continue; fi
    dpkg-deb -f "$tx/new/$file"
    echo
  done | sed 's/^\(Package: .*\)/\1\nStatus: install ok installed/'
}

simulation_error() { # one line
  plain "$(grep -E '^(E:| .* : |[^ ]* : )' "$tx/simulation" | tail -n 4)"
}

# The lines of package lines that are still to do, in the form of `simulate`.
expected() { # forward|back PLACES-FILE; package lines on standard input
  awk -v way="$1" '
    FILENAME == ARGV[1] { place[$1 " " $2] = $3; version[$1 " " $2] = $4; next }
    {
      key = $1 " " $2
      if (way == "forward" && place[key] == "to") next
      if (way == "back" && place[key] == "from") next
      old = version[key]
      want = (way == "forward") ? $5 : $4
      if (want == "-") print "remove", $1
      else if ($3 == "new" || $3 == "remove") print "change", $1, $2, "-", want
      else print "change", $1, $2, old, want
    }' "$2" - | sort -u
}

difference() { # EXPECTED SIMULATED: empty when equal
  awk 'FILENAME == ARGV[1] { want[$0] = 1; next }
    { if ($0 in want) delete want[$0]; else more = more "; apt would also " $0 }
    END { for (line in want) less = less "; apt would not " line; print substr(less more, 3) }' \
    "$1" "$2"
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
  going_back "$1" | while read -r action name arch _ file _; do
    if [ "$action" = new ]; then removal "$name" "$arch"; else printf '%s\n' "$tx/old/$file"; fi
  done
}

removal() { # NAME ARCH: as an argument of install
  if [ "$2" = all ]; then printf '%s-\n' "$1"; else printf '%s:%s-\n' "$1" "$2"; fi
}

named() { # NAME ARCH: as apt wants it
  if [ "$2" = all ]; then printf '%s' "$1"; else printf '%s:%s' "$1" "$2"; fi
}

# --- marks ---------------------------------------------------------------------------------------

auto_marks() { apt-mark showauto 2>/dev/null | sort -u; }

# `NAME ARCH auto|manual` as it must be afterwards.
wanted_marks() { # MARKS-BEFORE-FILE forward|back
  printf '%s' "$packages" | awk -v way="$2" '
    FILENAME == ARGV[1] { auto[$0]; next }
    (way == "forward" && $3 == "remove") || (way == "back" && $3 == "new") { next }
    way == "forward" && $3 == "new" { print $1, $2, ($6 == "yes") ? "manual" : "auto"; next }
    { print $1, $2, (($1 in auto) || (($1 ":" $2) in auto)) ? "auto" : "manual" }' "$1" -
}

# A name on apt's command line becomes "manual", so a library would never be removed again.
restore_marks() { # MARKS-BEFORE-FILE forward|back
  for mark in auto manual; do
    marked=$(wanted_marks "$1" "$2" | awk -v mark="$mark" '
      $3 == mark { print ($2 == "all") ? $1 : $1 ":" $2 }')
    # shellcheck disable=SC2086  # names and architectures are words
    if [ -n "$marked" ]; then apt-mark -o "DPkg::Lock::Timeout=$lock_wait" "$mark" $marked >&2 </dev/null; fi
  done
}

changed_marks() { # MARKS-BEFORE-FILE forward|back: names whose mark is not what it must be
  auto_marks >"$tx/auto.now"
  wanted_marks "$1" "$2" | awk '
    FILENAME == ARGV[1] { auto[$0]; next }
    {
      got = (($1 in auto) || (($1 ":" $2) in auto)) ? "auto" : "manual"
      if (got != $3) print $1 " is " got ", not " $3
    }' "$tx/auto.now" -
}

# --- configuration files -------------------------------------------------------------------------

conffiles() { # `PATH MD5` of the planned packages' configuration files, MD5 as the package has it
  # shellcheck disable=SC2046  # names and architectures are words
  set -- $(printf '%s' "$packages" | awk '{ print ($2 == "all") ? $1 : $1 ":" $2 }')
  if [ $# -eq 0 ]; then return; fi
  dpkg-query -W -f='${Conffiles}\n' "$@" 2>/dev/null \
    | sed -n 's/^ \(\/.*\) \([0-9a-f]\{32\}\).*/\1 \2/p' | sort -u
}

save_conffiles() { # FOLDER: copies and a list of what was there
  mkdir -p "$1"
  conffiles >"$1/shipped"
  : >"$1/present"
  : >"$1/absent"
  while read -r line; do
    path=${line% *}
    if [ -h "$path" ] || [ -f "$path" ]; then
      printf '%s\n' "$path" >>"$1/present"
    else
      printf '%s\n' "$path" >>"$1/absent"
    fi
  done <"$1/shipped"
  tar -C / --ignore-failed-read -cf "$1/files.tar" --verbatim-files-from -T "$1/present" >&2 2>/dev/null \
    || tar -C / -cf "$1/files.tar" -T "$1/present" >&2
  checksums "$1/present" >"$1/sums"
}

checksums() { # LIST: `MD5  PATH`
  while IFS= read -r path; do
    if [ -f "$path" ]; then printf '%s\0' "$path"; fi
  done <"$1" | xargs -0 -r md5sum 2>/dev/null | sed 's/^\\//'
}

restore_conffiles() { # FOLDER
  checksums "$1/present" >"$1/sums.now"
  if ! cmp -s "$1/sums" "$1/sums.now"; then tar -C / -xpf "$1/files.tar" >&2; fi
  while read -r path; do
    if [ -n "$path" ]; then rm -f "$path"; fi
  done <"$1/absent"
  cat "$1/present" "$1/absent" | while read -r path; do
    rm -f "$path.dpkg-new"
    if [ ! -f "$1/leftovers" ] || ! grep -qxF "$path.dpkg-dist" "$1/leftovers"; then
      rm -f "$path.dpkg-dist"
    fi
  done
}

# Which configuration files the update left alone although its version differs, and which changed.
say_conffiles() { # FOLDER
  checksums "$1/present" >"$1/sums.now"
  awk '{ sum = $1; sub(/^[0-9a-f]+ [ *]/, "") } FILENAME == ARGV[1] { before[$0] = sum; next }
    ($0 in before) && before[$0] != sum { print "conffile changed " $0 }' "$1/sums" "$1/sums.now"
  conffiles | while read -r line; do
    path=${line% *}
    for ending in dpkg-dist dpkg-new ucf-dist; do
      if [ -e "$path.$ending" ] && ! grep -qxF "$path.$ending" "$1/leftovers"; then
        say conffile "kept $path (the package's is $path.$ending)"
      fi
    done
  done
}

list_leftovers() { # FOLDER: such files that were there before
  while read -r path; do
    for ending in dpkg-dist dpkg-new ucf-dist; do
      if [ -e "$path.$ending" ]; then printf '%s\n' "$path.$ending"; fi
    done
  done <"$1/present" >"$1/leftovers"
}
