#!/bin/sh
# Part of discover.sh: what dnf (or yum) and rpm know. Needs host_rules.sh and host_dnf.sh. What it reads
# is set there: $TAB, $REFRESH_S, $owners.
# shellcheck disable=SC2154

# Sections that only dnf has an answer for.
more_dnf() {
  section holds holds_dnf
  section sources sources_dnf
  excludes=$(excludes_dnf)
  if [ -n "$excludes" ]; then
    section excludes printf '%s\n' "$excludes"
    section unhidden pending_dnf --disableexcludes=all
    section unhidden_advisories advisories_dnf --disableexcludes=all
  fi
}

architecture_dnf() { uname -m; }

refresh_dnf() {
  case $(dnf_program) in */dnf) set -- --refresh ;; esac
  # Quieter, dnf would not say which repositories it goes on without.
  said=$(limited "$REFRESH_S" "$(dnf_program)" "$@" makecache 2>&1)
  code=$?
  printf '%s\n' "$said" | grep -E '^(Errors? |Error:|  - |Ignoring repositories: )'
  if [ "$code" -ne 0 ]; then echo "E: makecache failed"; fi
  return "$code"
}

# `ID<TAB>SECONDS<TAB>yes|no` of each enabled repository: when dnf fetched its index, 0 never, and does it
# publish advisories?
sources_dnf() {
  ids=$(limited 20 "$(dnf_program)" -C -q repolist) || return
  printf '%s\n' "$ids" | awk '
    /^repo id/ { on = 1; next }
    /^repolist:/ { exit }
    on && NF { sub(/^[!*]+/, "", $1); sub(/\/.*/, "", $1); print $1 }' \
    | while read -r id; do
      index=$(newest_index_dnf "$id")
      if [ -z "$index" ]; then
        printf '%s\t0\tyes\n' "$id"
      elif grep -qE '<data [^>]*type=.updateinfo' "$index"; then
        printf '%s\t%s\tyes\n' "$id" "$(stat -c %Y "$index")"
      else
        printf '%s\t%s\tno\n' "$id" "$(stat -c %Y "$index")"
      fi
    done
}

# Its address is part of dnf's name for a repository: it may have had several.
newest_index_dnf() { # ID
  for index in "/var/cache/dnf/$1"-????????????????/repodata/repomd.xml \
    "/var/cache/libdnf5/$1"-????????????????/repodata/repomd.xml /var/cache/yum/*/*/"$1"/repomd.xml; do
    if [ -f "$index" ]; then printf '%s\t%s\n' "$(stat -c %Y "$index")" "$index"; fi
  done | sort -rn | head -n 1 | cut -f 2
}

# `FILE:KEY=VALUE` of what keeps dnf from packages.
excludes_dnf() {
  for file in /etc/dnf/dnf.conf /etc/yum.conf /etc/yum.repos.d/*.repo; do
    if [ -r "$file" ]; then
      sed -n 's/^\(exclude\|excludepkgs\|includepkgs\)[[:space:]]*=[[:space:]]*/\1=/p' "$file" | while read -r line; do
        printf '%s:%s\n' "$file" "$line"
      done
    fi
  done
}

packages_dnf() {
  rpm_format="%{NAME}$TAB%{EPOCH}$TAB%{VERSION}$TAB%{RELEASE}$TAB%{ARCH}$TAB%{SOURCERPM}$TAB%{INSTALLTIME}$TAB"
  # rpm before 4.14 (EL 7) knows no modules and refuses the whole format.
  rpm -qa --qf "$rpm_format%{MODULARITYLABEL}\\n" || rpm -qa --qf "$rpm_format\\n"
}

holds_dnf() {
  for file in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list; do
    if [ -r "$file" ]; then grep -v -E '^[[:space:]]*(#|$)' "$file"; fi
  done
  return 0
}

automatic_dnf() {
  limited 20 "$(dnf_program)" -C -q repoquery --userinstalled --qf '%{name}.%{arch}
'
}

repositories_dnf() { limited 20 "$(dnf_program)" -C repolist -v enabled; }

releases_dnf() {
  for file in /etc/dnf/dnf.conf /etc/yum.conf /etc/yum.repos.d/*.repo; do
    if [ -r "$file" ]; then grep -E '^(\[|gpgcheck|skip_if_unavailable)' "$file"; fi
  done
  return 0
}

# Exit code 100 says that there are updates. What is locked to a version is pending all the same.
pending_dnf() { # [OPTION]
  limited 30 "$(dnf_program)" -C -q --disableplugin=versionlock "$@" check-update
  case $? in 0 | 100) return 0 ;; *) return 1 ;; esac
}

advisories_dnf() { # [OPTION]
  limited 30 "$(dnf_program)" -C -q --disableplugin=versionlock "$@" updateinfo list --updates
}

lists_dnf() {
  for file in /var/cache/dnf/*/repodata/repomd.xml /var/cache/libdnf5/*/repodata/repomd.xml \
    /var/cache/yum/*/*/*/repomd.xml; do
    if [ -e "$file" ]; then stat -c '%Y' "$file"; fi
  done
}

locks_dnf() {
  dnf_lock_holders "$DNF_LISTS_LOCK"
}

unfinished_dnf() { :; }

updaters_dnf() {
  for file in $DNF_AUTOMATIC "$YUM_CRON"; do
    if [ -r "$file" ]; then
      printf 'conf %s\n' "$file"
      grep -E '^(apply_updates|download_updates|upgrade_type|reboot) *=' "$file"
    fi
  done
  return 0
}

# --- whose files processes still run -----------------------------------------------------------

# FILE PACKAGE:ARCH, the package that has the file or took its place.
owners_dnf() {
  gone_names | while IFS="$TAB" read -r file name; do
    [ -e "$name" ] || continue
    owner=$(rpm -qf --qf '%{NAME}:%{ARCH}\n' "$name") || continue
    printf '%s\n' "$owner" | awk -v "file=$file" -v OFS="$TAB" '/^[^ :]+:[^ :]+$/ { print file, $0 }'
  done | awk -F"$TAB" '!($0 in told) { told[$0]; print }'
}

# dnf names the old package when it removes it: TIME-WITH-ZONE NAME-[EPOCH:]VERSION-RELEASE.ARCH
replaced_dnf() {
  for file in /var/log/dnf.rpm.log /var/log/dnf.rpm.log.[0-9]*; do
    if [ -r "$file" ]; then gzip -dcf "$file"; fi
  done | OWNERS=$owners awk -v OFS="$TAB" '
    BEGIN {
      count = split(ENVIRON["OWNERS"], row, "\n")
      for (i = 1; i <= count; i++) {
        name = substr(row[i], index(row[i], "\t") + 1); sub(/:.*/, "", name); wanted[name]
      }
    }
    $3 == "Upgraded:" {
      name = $4; sub(/-[^-]*-[^-]*$/, "", name)
      if (name in wanted) print $1, $4
    }' | sort | tail -n 1000
}
