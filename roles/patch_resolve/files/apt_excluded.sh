# shellcheck shell=sh disable=SC2154  # set by apt.sh
# Packages that the operator's rules keep as they are, and updates that cannot go without them.
# Needs ask_apt and $settings of apt.sh, closing.sh, and PATCHCTL_INPUT; nothing on the host is held or pinned.

# What apt is told besides to leave excluded packages as they are: their installed versions, which it
# then changes for no other package.
held_specs() {
  printf '%s\n' "$PATCHCTL_INPUT" \
    | awk '$1 == "hold" { print ($3 == "all" ? $2 : $2 ":" $3) "=" $4 }' | tr '\n' ' '
}

# `NAME=VERSION` of what a simulation installs, or removes.
changed_by() { # Inst|Remv SIMULATION
  printf '%s\n' "$2" | awk -v kind="$1" '
    $1 == kind {
      version = kind == "Inst" && $3 ~ /^\[/ ? $4 : $3
      gsub(/[][()]/, "", version)
      print $2 "=" version
    }' | tr '\n' ' '
}

# `NAME SOURCE` of each, before and after: an update may come from another source. What no list and
# no status file knows goes by its name alone.
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

# `NAME/SOURCE` of each package that a simulation changes and a rule excludes.
excluded_in() { # SIMULATION
  excluded=$(excluding_patterns)
  changed="$(changed_by Inst "$1")$(changed_by Remv "$1")"
  if [ -n "$excluded" ] && [ -n "$changed" ]; then
    # shellcheck disable=SC2086
    sources_of $changed | sort -u | fitting
  fi
}

# What is excluded among what these packages need, were nothing held.
excluded_for() { # SPECS
  if [ -n "$(excluding_patterns)" ]; then
    # shellcheck disable=SC2086
    excluded_in "$(ask_apt -s install $1)"
  fi
}
