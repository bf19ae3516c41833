# shellcheck shell=sh disable=SC2154  # set by dnf.sh
# Finds the packages that the operator's rules exclude, and updates that are not possible without changing them.
# Needs ask_dnf and $left_alone of dnf.sh, closing.sh, and PATCHCTL_INPUT.

# Prints `NAME SOURCERPM` of packages that the steps change, before and after, from standard input.
sources_by_dnf() { # STEPS
  names=$(printf '%s\n' "$1" | awk 'NF > 3 { print $2 }' | sort -u)
  specs=$(printf '%s\n' "$1" | awk '$1 ~ /^(install|upgrade|downgrade)$/ { print $2, $3, $4 }' | dnf_spec)
  printf '%s\n' "$names" | awk 'NF { print $1, $1 }'
  {
    # shellcheck disable=SC2086
    ask_dnf -q repoquery --qf '%{name} %{sourcerpm}' $specs
    # shellcheck disable=SC2086
    rpm -q --qf '%{NAME} %{SOURCERPM}\n' $names
  } | awk 'NF == 2 && sub(/-[^-]+-[^-]+\.(no)?src\.rpm$/, "")'
}

# Prints `NAME/SOURCE` of each package that the steps change and a rule excludes.
dnf_excluded_in() { # STEPS
  excluded=$(excluding_patterns)
  if [ -n "$excluded" ] && [ -n "$1" ]; then
    sources_by_dnf "$1" | sort -u | fitting
  fi
}

# Prints excluded packages that these packages would change if nothing were held.
dnf_excluded_for() { # SPECS
  if [ -n "$(excluding_patterns)" ]; then
    # shellcheck disable=SC2034,SC2086
    dnf_excluded_in "$(left_alone='' && ask_dnf --assumeno install $1 | steps_in)"
  fi
}
