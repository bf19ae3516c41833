#!/bin/sh
# Part of discover.sh: facts that dnf (or yum) and rpm know. Needs host_rules.sh and host_dnf.sh. discover.sh sets
# $TAB, $REFRESH_S and $owners.
# shellcheck disable=SC2154

# Sections that only hosts with dnf have.
more_dnf() {
  section holds holds_dnf
  section sources sources_dnf
  section streams streams_dnf
  section silent silent_dnf
  excludes=$(excludes_dnf)
  if [ -n "$excludes" ]; then
    section excludes printf '%s\n' "$excludes"
    section unhidden pending_dnf --disableexcludes=all
    section unhidden_advisories advisories_dnf --disableexcludes=all
  fi
}

architecture_dnf() { uname -m; }

# Prints dnf's errors. Its exit code does not show a repository that may be missing (skip_if_unavailable), and
# with -q dnf does not even name it. Without --refresh dnf fetches only lists that are too old.
refresh_dnf() {
  elsewhere=$(elsewhere_dnf)
  if [ -n "$elsewhere" ]; then
    printf 'Error: %s: dnf looks at another system than this one\n' "$elsewhere"
    return 1
  fi
  set -- "$(dnf_program)"
  case $1 in
    */yum) limited 30 yum -q clean expire-cache >/dev/null 2>&1 ;;
    *) set -- "$1" --refresh ;;
  esac
  said=$(LC_ALL=C limited "$REFRESH_S" "$@" makecache 2>&1)
  code=$?
  printf '%s\n' "$said" | grep -E '^(Error|Errors|Ignoring|  - | *failure: |.*[Ff]ailed to download metadata |.*not registered)' \
    | head -n 200
  if [ "$code" -eq 124 ]; then echo "Error: makecache did not end within $REFRESH_S s"; fi
  return "$code"
}

# The site's `installroot`: dnf finds no updates there, and reports no error.
elsewhere_dnf() {
  for file in /etc/dnf/dnf.conf /etc/yum.conf; do
    if [ -r "$file" ]; then
      sed -n "s|^installroot[[:space:]]*=[[:space:]]*\\(/..*\\)|installroot=\\1 in $file|p" "$file" | head -n 1
    fi
  done | head -n 1
}

# Prints the id of each enabled repository, also of those without lists. yum puts marks before ids and adds
# release and architecture (`!base/7/x86_64`).
sources_dnf() {
  said=$(LC_ALL=C limited 20 "$(dnf_program)" -C -q --setopt=color=never repolist enabled) || return
  printf '%s\n' "$said" | awk '
    /^repo id / { table = 1; next }
    /^(repolist:|[ \t]|$)/ || !table { next }
    { id = $1; sub(/^[!*]+/, "", id); sub(/\/.*/, "", id); print id }'
}

# Prints `SECONDS ID`: when a file of the repository's index was last fetched or confirmed as the newest. dnf
# sets that time on its list of packages.
lists_dnf() {
  for folder in "$(dnf_cache)"/*/repodata /var/cache/libdnf5/*/repodata /var/cache/yum/*/*/*; do
    if [ ! -e "$folder/repomd.xml" ]; then continue; fi
    id=${folder%/repodata}
    id=${id##*/}
    case $folder in */repodata) id=${id%-????????????????} ;; esac
    stat -c "%Y$TAB$id" "$folder"/repomd.xml "$folder"/*primary.xml* 2>/dev/null | sort -rn | head -n 1
  done
}

# Prints the ID of each repository whose newest index has no advisories.
silent_dnf() {
  for index in "$(dnf_cache)"/*/repodata/repomd.xml /var/cache/libdnf5/*/repodata/repomd.xml; do
    if [ ! -e "$index" ]; then continue; fi
    id=${index%/repodata/repomd.xml}
    id=${id##*/}
    advised=no
    if grep -qE '<data [^>]*type=.updateinfo' "$index"; then advised=yes; fi
    stat -c "%Y $advised ${id%-????????????????}" "$index"
  done | sort -rn | awk '!seen[$3]++ && $2 == "no" { print $3 }'
}

# Prints `FILE:KEY=VALUE` of settings that keep dnf from packages of one repository, or from all but some. A
# package that is excluded for all repositories is held.
excludes_dnf() {
  for file in /etc/yum.repos.d/*.repo; do
    if [ -r "$file" ]; then sed -n "s|^exclude\(pkgs\)\{0,1\}[[:space:]]*=[[:space:]]*|$file:exclude=|p" "$file"; fi
  done
  for file in /etc/dnf/dnf.conf /etc/yum.conf /etc/yum.repos.d/*.repo; do
    if [ -r "$file" ]; then sed -n "s|^includepkgs[[:space:]]*=[[:space:]]*|$file:includepkgs=|p" "$file"; fi
  done
}

# Prints NAME:STREAM of the modules that somebody enabled.
streams_dnf() {
  for file in /etc/dnf/modules.d/*.module; do
    if [ ! -r "$file" ]; then continue; fi
    awk -F '[ \t]*=[ \t]*' '
      $1 == "name" { name = $2 } $1 == "stream" { stream = $2 } $1 == "state" { state = $2 }
      END { if (state == "enabled" && name != "" && stream != "") print name ":" stream }' "$file"
  done
}

packages_dnf() {
  rpm_format="%{NAME}$TAB%{EPOCH}$TAB%{VERSION}$TAB%{RELEASE}$TAB%{ARCH}$TAB%{SOURCERPM}$TAB%{INSTALLTIME}$TAB"
  # rpm before 4.14 (EL 7) knows no modules and refuses the whole format.
  rpm -qa --qf "$rpm_format%{MODULARITYLABEL}\\n" || rpm -qa --qf "$rpm_format\\n"
}

# Prints versionlock's patterns, then `exclude PATTERN` for packages that dnf.conf excludes from updates.
holds_dnf() {
  for file in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list; do
    if [ -r "$file" ]; then grep -v -E '^[[:space:]]*(#|$)' "$file"; fi
  done
  # dnf 5 writes a table a package; each locks it.
  if [ -r /etc/dnf/versionlock.toml ]; then
    sed -n 's/^name *= *"\([^"]*\)".*/\1/p' /etc/dnf/versionlock.toml
  fi
  for file in /etc/dnf/dnf.conf /etc/dnf/libdnf5.conf.d/*.conf /etc/yum.conf; do
    if [ -r "$file" ]; then cat "$file"; echo; fi
  done | awk '
    /^\[/ { main = /^\[main\]/; on = 0; next }
    !main || /^[ \t]*[#;]/ { next }
    /^[A-Za-z_]+[ \t]*=/ { key = $0; sub(/[ \t]*=.*/, "", key); on = (key ~ /^exclude(pkgs)?$/); sub(/^[^=]*=/, "") }
    on { count = split($0, word, /[ \t,\r]+/); for (i = 1; i <= count; i++) if (word[i] != "") print "exclude", word[i] }'
  return 0
}

automatic_dnf() {
  limited 20 "$(dnf_program)" -C -q --setopt=color=never repoquery --userinstalled --qf '%{name}.%{arch}
'
}

repositories_dnf() { limited 20 "$(dnf_program)" -C repolist -v enabled; }

releases_dnf() {
  for file in /etc/dnf/dnf.conf /etc/yum.conf /etc/yum.repos.d/*.repo; do
    if [ -r "$file" ]; then grep -E '^(\[|gpgcheck|skip_if_unavailable)' "$file"; fi
  done
  return 0
}

# Exit code 100 means that there are updates. A package that is locked or excluded on the whole host is still
# pending, and held; one that is excluded from one repository must come from others.
pending_dnf() { # [OPTION]
  if [ -n "$(elsewhere_dnf)" ]; then return 1; fi
  limited 30 "$(dnf_program)" -C -q --setopt=color=never --disableplugin=versionlock "${1:---disableexcludes=main}" check-update
  case $? in 0 | 100) return 0 ;; *) return 1 ;; esac
}

advisories_dnf() { # [OPTION]
  limited 30 "$(dnf_program)" -C -q --setopt=color=never --disableplugin=versionlock "${1:---disableexcludes=main}" \
    updateinfo list --updates
}

locks_dnf() {
  dnf_lock_holders "$(dnf_cache)/metadata_lock.pid"
}

# preflight looks for files that differ from their package: it takes too long here.
unfinished_dnf() {
  have dnf || return 0 # yum's kernels are other packages
  doubled=$(dnf_list_doubled) || return
  printf '%s\n' "$doubled" | sed -e '/^$/d' -e 's/$/ (two versions)/'
}

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

# Prints FILE PACKAGE:ARCH, with the package that has the file now or that replaced it.
owners_dnf() {
  gone_names | while IFS="$TAB" read -r file name; do
    [ -e "$name" ] || continue
    owner=$(rpm -qf --qf '%{NAME}:%{ARCH}\n' "$name") || continue
    printf '%s\n' "$owner" | awk -v "file=$file" -v OFS="$TAB" '/^[^ :]+:[^ :]+$/ { print file, $0 }'
  done | awk -F"$TAB" '!($0 in told) { told[$0]; print }'
}

# dnf logs the old package when it removes it: TIME-WITH-ZONE NAME-[EPOCH:]VERSION-RELEASE.ARCH
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
