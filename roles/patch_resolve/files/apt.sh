#!/bin/sh
# Completes a transaction: asks apt what it would do to reach the wanted versions (payload in PATCHCTL_INPUT), and
# prints it with facts about every file that apt would fetch. Changes nothing.
#
# Payload:  patchctl-resolve 1
#           removals yes|no          may the transaction remove packages?
#           downgrades yes|no        may it go back to a lower version?
#           want NAME ARCH VERSION   one line a package; order decides who gives way
#           keep NAME ARCH VERSION   what must stay as it is; VERSION `-`: away, ARCH `-`: not known
#           hold NAME ARCH VERSION   installed, and stays so: a rule excludes it
#           exclude PATTERN          of those rules, for packages that would be new
# Answer, one record a line, first word is its kind:
#           resolve 1 apt | error TEXT | lock PID FILE PROCESS | drop removes|failed NAME ARCH VERSION | TEXT
#           drop excluded NAME ARCH VERSION | NAME/SOURCE ... (the excluded packages it needs)
#           sim TEXT (apt-get -s) | lower NAME | uri TEXT (--print-uris) | show FIELD: TEXT, show .
#           have NAME ARCH VERSION SOURCE [KIB] | offer TEXT (madison) | target TEXT | end
# Needs host_rules.sh, host_apt.sh, manager_apt_cause.sh, manager_apt_settings.sh, closing.sh and
# apt_excluded.sh.
set -u
LC_ALL=C
DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND

# --no-install-recommends: an update installs what it depends on, and nothing else.
# -y makes apt itself refuse what needs a person: removal of essential packages, holds, downgrades.
# Not quieter than -q: apt must say which dependency is not met and which update is phased.
ask_apt() {
  # shellcheck disable=SC2086
  apt-get -c "$settings" -q -y -o Debug::NoLocking=1 -o APT::Install-Suggests=false --no-install-recommends \
    $lower_allowed "$@" 2>&1
}

# Prints the names that a simulation really removes: apt may show Remv and later Inst for one package.
removed_by() {
  printf '%s\n' "$1" | awk '
    $1 == "Remv" { gone[$2] = 1 }
    $1 == "Inst" { delete gone[$2] }
    END { for (name in gone) print name }' | sort | tr '\n' ' '
}

# Sets `plan` and `removed`; true if the host could do this plan.
try_to_install() {
  # shellcheck disable=SC2086
  plan=$(ask_apt -s install $kept $1 $held)
  status=$?
  removed=$(removed_by "$plan")
  [ "$status" -eq 0 ] && { [ "$removals" = yes ] || [ -z "$removed" ]; } \
    && [ -z "$(excluded_in "$plan")" ]
}

# Prints `NAME=VERSION`, with the architecture if there is one: apt takes `all` for the native one.
specs_between() {
  printf '%s\n' "$wanted" | sed -n "$1,$2p" \
    | awk '{ print ($3 == "all" ? $2 : $2 ":" $3) "=" $4 }' | tr '\n' ' '
}

# Prints why apt could not do it, from `plan` and `status`. If apt names only packages that are held, prints those.
why_not() {
  why=$(printf '%s\n' "$plan" | cause_in)
  case $why in
    'Unable to correct problems,'*)
      marked=$(apt-mark showhold 2>/dev/null | tr '\n' ' ')
      why="$why${marked:+ Held on the host: $marked}"
      ;;
  esac
  printf '%s' "$why"
}

drop() {
  line=$(printf '%s\n' "$wanted" | sed -n "$1p")
  why=$(excluded_for "$kept $accepted$batch")
  if [ -n "$why" ]; then
    kind=excluded
  elif [ "$status" -ne 0 ]; then
    kind=failed
    why=$(why_not)
  else
    kind=removes
    why=$removed
  fi
  printf 'drop %s %s | %s\n' "$kind" "${line#want }" "$why"
}

take_with_apt() { # FIRST LAST
  batch=$(specs_between "$1" "$2")
  try_to_install "$accepted$batch" || return
  accepted=$accepted$batch
  best=$plan
}

print_lower() {
  printf '%s\n' "$best" | awk '
    $1 == "Inst" && $3 ~ /^\[/ { gsub(/[][(]/, "", $0); print $2, $3, $4 }' \
    | while read -r name from to; do
      # `[` in the third field is the installed version: `Inst NAME [FROM] (TO …`.
      if dpkg --compare-versions "$to" lt "$from"; then
        printf 'lower %s\n' "$name"
      fi
    done
}

print_files() {
  # With an empty archive folder apt lists files that are already in its cache, too.
  # shellcheck disable=SC2086
  ask_apt --print-uris -o Dir::Cache::archives=/nonexistent install $kept $accepted $held \
    | sed 's/^/uri /; s#://[^/[:blank:]]*@#://***@#g'
  installs=$(printf '%s\n' "$best" | awk '
    $1 == "Inst" {
      version = $3 ~ /^\(/ ? $3 : $4
      sub(/^\(/, "", version)
      print $2 "=" version
    }' | tr '\n' ' ')
  names=$(printf '%s\n' "$best" | awk '$1 == "Inst" || $1 == "Remv" { print $2 }' | tr '\n' ' ')
  # shellcheck disable=SC2086
  apt-cache -c "$settings" show -- $installs 2>/dev/null | awk '
    /^$/ { print "show ."; next }
    /^(Package|Version|Architecture|Source|Installed-Size|Filename|Size|SHA256): / {
      print "show " $0
    }
    END { print "show ." }'
  # shellcheck disable=SC2016,SC2086
  dpkg-query -W -f \
    'have ${Package} ${Architecture} ${Version} ${source:Package} ${Installed-Size}\n' \
    -- $names 2>/dev/null | awk 'NF >= 5' # names that are not installed have no version
  # shellcheck disable=SC2086
  apt-cache -c "$settings" madison -- $names 2>/dev/null | sed 's/^/offer /'
  # Madison prints an index's description; this tells which repository it belongs to.
  tab=$(printf '\t')
  apt-get -c "$settings" indextargets --format \
    "target \$(DESCRIPTION)$tab\$(ORIGIN)$tab\$(LABEL)$tab\$(CODENAME)$tab\$(TRUSTED)" 'Created-By: Packages'
}

# shellcheck disable=SC2086  # paths are words
print_apt_locks() { print_locks apt lock_holders $APT_LOCKS; }

main() {
  printf 'resolve 1 apt\n'
  removals=$(printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^removals //p')
  lower_allowed=
  case $PATCHCTL_INPUT in *'downgrades yes'*) lower_allowed=--allow-downgrades ;; esac
  wanted=$(printf '%s\n' "$PATCHCTL_INPUT" | sed -n '/^want /p')
  # If apt were given the installed version, it could not choose another one.
  kept=$(printf '%s\n' "$PATCHCTL_INPUT" | awk '
    $1 == "keep" && $4 == "-" { print ($3 == "-" || $3 == "all" ? $2 : $2 ":" $3) "-" }
    $1 == "keep" && $4 != "-" { print ($3 == "all" ? $2 : $2 ":" $3) "=" $4 }' | tr '\n' ' ')
  held=$(held_specs)
  count=$(printf '%s\n' "$wanted" | grep -c '^want ')
  # The completed transaction ignores the site's settings; but the site decides where packages come from and which
  # versions are preferred.
  folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && trap 'exit 1' HUP INT TERM PIPE
  settings=$folder/apt.conf
  if [ -z "$folder" ] || ! apt_settings repositories "$folder/own" >"$settings"; then
    printf 'error the settings of apt cannot be told, or not be written to %s\n' "${TMPDIR:-/tmp}"
  elif ! print_apt_locks; then
    :
  elif ! try_to_install ''; then
    printf 'error %s\n' "$(why_not)"
  elif [ "$count" -gt 0 ]; then
    accepted=
    best=
    close_by_halves "$count" take_with_apt drop
    if [ -n "$accepted" ]; then
      printf '%s\n' "$best" | sed 's/^/sim /'
      print_lower
      print_files
    fi
    print_apt_locks # of what began meanwhile
  fi
  printf 'end\n'
}

main "$@" </dev/null
