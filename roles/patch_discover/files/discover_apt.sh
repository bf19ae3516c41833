#!/bin/sh
# Part of discover.sh: facts that apt and dpkg know. Needs host_rules.sh and host_apt.sh. discover.sh sets $TAB,
# $pending and $owners.
# shellcheck disable=SC2154

# Sections that only hosts with apt have.
more_apt() {
  section preferred preferred_apt
  case $pending in *'(phased '*) section phased phased_apt ;; esac
  section sources sources_apt
}

architecture_apt() { dpkg --print-architecture; }

packages_apt() {
  dpkg-query -W -f "\${db:Status-Abbrev}$TAB\${Package}$TAB\${Version}$TAB\${Architecture}$TAB\${source:Package}$TAB\${source:Version}\\n"
}

automatic_apt() {
  if [ -r /var/lib/apt/extended_states ]; then
    grep -E '^(Package|Architecture|Auto-Installed):' /var/lib/apt/extended_states
  fi
}

repositories_apt() {
  apt-get indextargets --format "\$(SITE)$TAB\$(RELEASE)$TAB\$(COMPONENT)$TAB\$(REPO_URI)$TAB\$(ORIGIN)$TAB\$(LABEL)$TAB\$(CODENAME)$TAB\$(SUITE)$TAB\$(TRUSTED)$TAB\$(FILENAME)" \
    'Created-By: Packages'
}

releases_apt() { grep -m 1 -H '^Date:' /var/lib/apt/lists/*Release; }

# The version table is sorted, newest first. So the controller can see whether the candidate is newer than the
# installed version, and whether a version is newer than the candidate.
# Fails if apt did not list all packages: an empty list must mean that nothing is pending.
pending_apt() {
  asked=$(dpkg-query -W -f "\${Package}:\${Architecture}\\n") || return
  printf '%s\n' "$asked" | xargs apt-cache policy | awk -v "asked=$(printf '%s\n' "$asked" | wc -l)" '
    /^[^ ]/ { if (show) printf "%s", block; block = $0 "\n"; show = 0; told++; next }
    { block = block $0 "\n" }
    first { newest = ($1 == "***") ? $2 : $1; first = 0; if (newest != candidate) show = 1 }
    $1 == "Installed:" { installed = $2 }
    $1 == "Candidate:" { candidate = $2; show = ($2 != installed && $2 != "(none)") }
    $0 == "  Version table:" { first = 1 }
    installed == "(none)" { show = 0 }
    END { if (show) printf "%s", block; exit (told < asked) }'
}

preferred_apt() { apt-config dump --format '%v%n' APT::Default-Release; }

# Prints `NAME[:ARCH] VERSION` of packages that apt defers because their phase has not reached this machine, and
# of packages that wait for them: the difference between two answers of apt.
phased_apt() {
  now=$(apt_would_take) && whole=$(apt_would_take -o APT::Get::Always-Include-Phased-Updates=true) || return
  printf '%s\n=\n%s\n' "$now" "$whole" | awk '
    $0 == "=" { later = 1; next }
    !later { taken[$0]; next }
    !($0 in taken) && NF { print }'
}

apt_would_take() { # OPTIONS
  taken=$(apt-get -q -s -o Debug::NoLocking=1 "$@" dist-upgrade) || return
  printf '%s\n' "$taken" | awk '
    $1 == "Inst" { version = ($3 ~ /^\(/) ? $3 : $4; sub(/^\(/, "", version); print $2, version }'
}

advisories_apt() { :; }

locks_apt() {
  # shellcheck disable=SC2086  # paths are words
  lock_holders $APT_LOCKS "$APT_LISTS_LOCK"
}

# Work that apt began and did not finish: dpkg's journals of a run that was cut off.
unfinished_apt() {
  [ -r /var/lib/dpkg/updates ] || return
  for journal in /var/lib/dpkg/updates/[0-9]*; do
    if [ -e "$journal" ]; then echo "$journal"; fi
  done
}

updaters_apt() {
  apt-config dump | grep -E '^(APT::Periodic::|Unattended-Upgrade::Automatic-Reboot )'
  printf 'systemd %s\n' "$(with_systemctl && echo yes || echo no)"
  if [ -x "$APT_CRON" ]; then echo 'cron apt-compat'; fi
}

# --- whose files processes still run -----------------------------------------------------------

# Prints FILE PACKAGE[:ARCH], with the package that has the file now or that replaced it.
owners_apt() {
  names=$(gone_names)
  {
    printf '%s\n\n' "$names"
    printf '%s\n' "$names" | cut -f 2 | sort -u | xargs dpkg-query -S
  } | awk -F"$TAB" -v OFS="$TAB" '
    $0 == "" { answers = 1; next }
    !answers { file[++files] = $1; name[files] = $2; next }
    at = index($0, ": /") { owner[substr($0, at + 2)] = substr($0, 1, at - 1) }
    END {
      for (i = 1; i <= files; i++) {
        if (!(name[i] in owner) || file[i] in told) continue
        told[file[i]]
        count = split(owner[name[i]], all, ", ")
        for (j = 1; j <= count; j++) print file[i], all[j]
      }
    }'
}

# Prints the old versions of these packages, from the package manager's log: LOCAL-TIME PACKAGE:ARCH OLD
replaced_apt() {
  for file in /var/log/dpkg.log /var/log/dpkg.log.1 /var/log/dpkg.log.*.gz; do
    if [ -r "$file" ]; then gzip -dcf "$file"; fi
  done | OWNERS=$owners awk -v OFS="$TAB" '
    BEGIN {
      count = split(ENVIRON["OWNERS"], row, "\n")
      for (i = 1; i <= count; i++) wanted[substr(row[i], index(row[i], "\t") + 1)]
    }
    $3 == "upgrade" {
      bare = $4; sub(/:.*/, "", bare)
      if ($4 in wanted || bare in wanted) print $1 " " $2, $4, $5
    }' | sort | tail -n 1000
}
