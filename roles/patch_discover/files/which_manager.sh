#!/bin/sh
# Part of discover.sh: finds the package manager of the host. Needs host_rules.sh and the host_NAME.sh files.
# shellcheck disable=SC2034  # used by discover.sh

# Sets $manager. os-release is read, not sourced, since sourcing would execute its content.
manager() {
  manager=none
  ids=''
  while IFS='=' read -r key value; do
    case $key in
      ID | ID_LIKE)
        value=${value#[\"\']}
        ids="$ids ${value%[\"\']}" ;;
    esac
  done <<EOF
$(os)
EOF
  case "$ids " in
    *' debian '* | *' ubuntu '*) set -- apt dnf ;;
    *' rhel '* | *' fedora '* | *' centos '* | *' rocky '* | *' almalinux '* | *' amzn '* | *' ol '*)
      set -- dnf apt ;;
    *' suse '* | *' opensuse '* | *' sles '*) return ;;
    *) set -- apt dnf ;;
  esac
  for candidate in "$@"; do
    case $candidate in
      apt) if have dpkg-query && have apt-get; then manager=apt; return; fi ;;
      dnf) if have rpm && [ -n "$(dnf_program)" ]; then manager=dnf; return; fi ;;
    esac
  done
}
