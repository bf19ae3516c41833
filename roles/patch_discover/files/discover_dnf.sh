#!/bin/sh
# Part of discover.sh: what dnf (or yum) and rpm know. Needs host_rules.sh and host_dnf.sh. What it reads
# is set there: $TAB, $REFRESH_S, $owners.
# shellcheck disable=SC2154

# Sections that only dnf has an answer for.
more_dnf() {
  section holds holds_dnf
}

architecture_dnf() { uname -m; }

refresh_dnf() {
  limited "$REFRESH_S" "$(dnf_program)" -q makecache 2>&1 || echo "E: makecache failed"
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
    if [ -r "$file" ]; then grep -E '^(\[|gpgcheck)' "$file"; fi
  done
  return 0
}

# Exit code 100 says that there are updates. What is locked to a version is pending all the same.
pending_dnf() {
  limited 30 "$(dnf_program)" -C -q --disableplugin=versionlock check-update
  case $? in 0 | 100) return 0 ;; *) return 1 ;; esac
}

advisories_dnf() {
  limited 30 "$(dnf_program)" -C -q --disableplugin=versionlock updateinfo list --updates
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
