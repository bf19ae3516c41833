# shellcheck shell=sh disable=SC2154  # set by apt.sh
# Finds the packages that the operator's rules exclude, and updates that are not possible without changing them.
# Needs ask_apt and $settings of apt.sh, closing.sh, and PATCHCTL_INPUT. Holds or pins nothing on the host.

# Prints additional arguments that make apt keep excluded packages: their installed versions, which apt then
# changes for no other package.
held_specs() {
  printf '%s\n' "$PATCHCTL_INPUT" \
    | awk '$1 == "hold" { print ($3 == "all" ? $2 : $2 ":" $3) "=" $4 }' | tr '\n' ' '
}

# Prints `NAME=VERSION` of packages that a simulation installs or removes.
changed_by() { # Inst|Remv SIMULATION
  printf '%s\n' "$2" | awk -v kind="$1" '
    $1 == kind {
      version = kind == "Inst" && $3 ~ /^\[/ ? $4 : $3
      gsub(/[][()]/, "", version)
      print $2 "=" version
    }' | tr '\n' ' '
}

# Prints `NAME SOURCE` of each package, before and after: an update may come from another source package. A
# package that is in no list and no status file has its own name as its source.
sources_of() { # SPEC...
  for spec in "$@"; do
    name=${spec%%[:=]*}
    printf '%s %s\n' "$name" "$name"
  done
  apt-cache -c "$settings" show "$@" 2>/dev/null | awk '
    function told() { if (name != "") print name, (source == "" ? name : source) }
    /^Package: / { told(); name = $2; source = "" }
    /^Source: / { source = $2 }
    END { told() }'
  # shellcheck disable=SC2016,SC2046
  dpkg-query -W -f '${Package} ${source:Package}\n' \
    $(printf '%s\n' "$@" | sed 's/=.*//') 2>/dev/null
}

# Prints `NAME/SOURCE` of each package that a simulation changes and a rule excludes.
excluded_in() { # SIMULATION
  excluded=$(excluding_patterns)
  changed="$(changed_by Inst "$1")$(changed_by Remv "$1")"
  if [ -n "$excluded" ] && [ -n "$changed" ]; then
    # shellcheck disable=SC2086
    sources_of $changed | sort -u | fitting
  fi
}

# Prints excluded packages that these packages would change if nothing were held.
excluded_for() { # SPECS
  if [ -n "$(excluding_patterns)" ]; then
    # shellcheck disable=SC2086
    excluded_in "$(ask_apt -s install $1)"
  fi
}
