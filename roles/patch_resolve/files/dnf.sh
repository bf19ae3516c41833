#!/bin/sh
# Completes a transaction: asks dnf what it would do to reach the wanted versions (payload in PATCHCTL_INPUT), and
# prints it with facts about every file that dnf would fetch. Changes no package.
#
# Payload:  as that of apt.sh
# Answer, one record a line, first word is its kind:
#           resolve 1 dnf | error TEXT | lock PID FILE PROCESS | drop removes|failed NAME ARCH VERSION | TEXT
#           drop excluded NAME ARCH VERSION | NAME/SOURCE ... (the excluded packages it needs)
#           step install|upgrade|downgrade|remove NAME ARCH VERSION REPOSITORY
#           step obsolete NAME ARCH VERSION BY (the name of what takes its place)
#           file NAME EPOCH VERSION RELEASE ARCH REPOSITORY SOURCERPM BYTES CHECKSUM (of repoquery)
#           have NAME EPOCH VERSION RELEASE ARCH SOURCERPM BYTES (of rpm)
#           signed REPOSITORY yes|no (does it want signatures of packages?) | end
# Needs host_rules.sh, host_dnf.sh, manager_dnf_cause.sh, manager_dnf_settings.sh, closing.sh and
# dnf_excluded.sh.
set -u
LC_ALL=C
DNF_DISABLE_ALIASES=1
export LC_ALL DNF_DISABLE_ALIASES

# Not on a terminal: then the table below is always 80 columns wide.
ask_dnf() {
  # shellcheck disable=SC2086
  dnf -c "$settings" $left_alone "$@" 2>&1
}

# The facts that `repoquery` must print for each file.
dnf_facts='file %{name} %{epoch} %{version} %{release} %{arch} %{repoid} %{sourcerpm} %{downloadsize}'

# Prints dnf's table as `KIND NAME ARCH VERSION REPOSITORY`, and `other TEXT` for rows that change no package. A
# name that is too long for its column is on a line of its own, and the rest of its row is below. Names from a
# repository become words of commands, so they are checked: `rpm -q --eval=%(COMMAND)` would execute the command.
steps_in() {
  awk '
    function step(kind, name, arch, version, by) {
      if (name ~ /^[A-Za-z0-9][A-Za-z0-9+._-]*$/ && arch ~ /^[a-z0-9][a-z0-9_-]*$/ \
        && version ~ /^[0-9A-Za-z][0-9A-Za-z.+~:^_-]*$/) print kind, name, arch, version, by
      else print "other", "no name of a package:", name, arch, version
    }
    /^=+$/ { lines++; next }
    lines < 2 { next }
    /^Transaction Summary/ { exit }
    /^[^ ].*:$/ {
      heading = substr($0, 1, length($0) - 1); row = ""
      kind = heading ~ /^Installing( dependencies| weak dependencies)?$/ ? "install" \
        : heading == "Upgrading" ? "upgrade" : heading == "Downgrading" ? "downgrade" \
        : heading ~ /^Removing( dependent packages| unused dependencies)?$/ ? "remove" : "other"
      next
    }
    /^     replacing +/ {
      arch = name = $2; sub(/.*\./, "", arch); sub(/\.[^.]*$/, "", name)
      step("obsolete", name, arch, $3, by)
      next
    }
    /^ / {
      if (kind == "other") { print "other", heading ":" $0; next }
      row = row $0
      if (split(row, part, " ") < 5) next
      step(kind, part[1], part[2], part[3], part[4])
      by = part[1]; row = ""
    }'
}

# Sets `said` and `steps`; true if the host could do it.
try_with_dnf() { # SPECS [OPTION]
  # shellcheck disable=SC2086
  said=$(ask_dnf --assumeno ${2-} $erasing install $1)
  status=$?
  steps=$(printf '%s\n' "$said" | steps_in)
  # dnf asks, and the answer is no: this is a complete result. Other failures end the same way, but print an error.
  case $said in
    *'
Operation aborted.') status=0 ;;
    *'
Nothing to do.'*) ;;
    *) status=1 ;;
  esac
  problem=$(problem_of_steps)
  [ "$status" -eq 0 ] && [ -z "$problem" ] && [ -z "$(dnf_excluded_in "$steps")" ]
}

# Prints why the steps are not allowed: `removes NAMES`, `failed TEXT`, or nothing.
problem_of_steps() {
  printf '%s\n' "$steps" | awk -v removals="$removals" -v downgrades="$downgrades" -v stay="$stay" '
    BEGIN { n = split(stay, name, " "); for (i = 1; i <= n; i++) must_stay[name[i]] }
    $1 == "other" { sub(/^other /, ""); gsub(/ +/, " "); other = $0; next }
    $1 == "remove" || $1 == "obsolete" { gone = gone " " $2 }
    $1 == "downgrade" { lower = $2 " to " $4 }
    $1 != "" && $2 in must_stay { moved = $2 }
    END {
      if (other != "") print "failed would change more than packages: " other
      else if (moved != "") print "failed would change " moved ", which has to stay as it is"
      else if (gone != "" && removals != "yes") print "removes" gone
      else if (lower != "" && downgrades != "yes") print "failed would bring " lower ", a lower version"
    }'
}

# Prints `NAME-EPOCH:VERSION-RELEASE.ARCH`: without an epoch dnf would match any epoch.
dnf_spec() {
  awk '{ print $1 "-" ($3 ~ /:/ ? "" : "0:") $3 "." $2 }' | tr '\n' ' '
}

take_with_dnf() { # FIRST LAST
  batch=$(printf '%s\n' "$wanted" | sed -n "$1,$2p" | dnf_spec)
  try_with_dnf "$accepted$batch" || return
  accepted=$accepted$batch
  best=$steps
}

# Could the host do it if dnf removed the packages that are in the way? Sets `problem`, which names them. If it
# could not, `said` is as before, or names a package that must never be removed.
removing() { # SPECS
  refused=$said
  if [ -z "$erasing" ]; then
    try_with_dnf "$1" --allowerasing
    case $problem in 'removes '*) return 0 ;; esac
    case $said in *'protected packages'*) return 1 ;; esac
  fi
  said=$refused
  return 1
}

leave_with_dnf() { # NUMBER
  line=$(printf '%s\n' "$wanted" | sed -n "$1p")
  why=$(dnf_excluded_for "$accepted$batch")
  if [ -n "$why" ]; then
    kind=excluded
  elif [ "$status" -ne 0 ] && ! removing "$accepted$batch"; then
    kind=failed
    why=$(printf '%s\n' "$said" | cause_in)
  else
    kind=${problem%% *}
    why=${problem#* }
  fi
  printf 'drop %s %s | %s\n' "$kind" "$line" "$why"
}

# Prints `file` lines of these packages. Some versions of dnf print no checksum; then it comes from dnf's copy of
# the repository's index.
print_dnf_facts() { # SPECS
  # shellcheck disable=SC2086
  facts=$(ask_dnf -q repoquery --qf "$dnf_facts %{chksum}" $1 | sed -n '/^file /p' | sort -u)
  case $facts in
    '' | *'%{chksum}'* | *'(none)'*)
      # shellcheck disable=SC2086
      facts=$(ask_dnf -q repoquery --qf "$dnf_facts" $1 | sed -n '/^file /p' | sort -u)
      printf '%s\n' "$facts" | awk '{ print $7 }' | sort -u | while read -r repository; do
        print_dnf_index "$repository" | checksums_in_index | sed "s/^/$repository /"
      done | FACTS=$facts awk '
        { known[$1, $2, $3, $4, $5, $6] = $7 }
        END {
          count = split(ENVIRON["FACTS"], line, "\n")
          for (i = 1; i <= count; i++) {
            split(line[i], of, " ")
            sum = known[of[7], of[2], of[3], of[4], of[5], of[6]]
            print line[i], (sum == "" ? "-" : sum)
          }
        }'
      ;;
    *) printf '%s\n' "$facts" ;;
  esac
}

# Prints dnf's newest list of the packages of a repository, unpacked.
print_dnf_index() { # REPOSITORY
  index=$(for file in "$(dnf_cache)/$1"-????????????????/repodata/*primary.xml*; do
    if [ -f "$file" ]; then printf '%s\t%s\n' "$(stat -c %Y "$file")" "$file"; fi
  done | sort -rn | head -n 1 | cut -f 2)
  case $index in
    *.gz) gzip -dc "$index" ;;
    *.xz) xz -dc "$index" ;;
    *.zst) zstd -dcq "$index" ;;
    *.zck) unzck --stdout "$index" ;;
    *.xml) cat "$index" ;;
  esac
}

# Prints `NAME EPOCH VERSION RELEASE ARCH SHA256` of each package of an index.
checksums_in_index() {
  awk '
    BEGIN { RS = "<" }
    function value(name) { return match($0, name "=\"[^\"]*") ? substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 2) : "" }
    function text() { sub(/^[^>]*>/, ""); sub(/[ \t\n]+$/, ""); return $0 }
    /^package[ >]/ { name = arch = epoch = version = release = sum = "" }
    /^name>/ { name = text() }
    /^arch>/ { arch = text() }
    /^version / { epoch = value("epoch"); version = value("ver"); release = value("rel") }
    /^checksum / { if (value("type") == "sha256") sum = text() }
    /^\/package>/ { if (sum != "") print name, (epoch == "" ? 0 : epoch), version, release, arch, sum }'
}

print_dnf_files() {
  printf '%s\n' "$best" | sed 's/^/step /'
  installs=$(printf '%s\n' "$best" | awk '$1 ~ /^(install|upgrade|downgrade)$/ { print $2, $3, $4 }' | dnf_spec)
  print_dnf_facts "$installs"
  # shellcheck disable=SC2046
  rpm -q --qf 'have %{NAME} %{EPOCH} %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM} %{LONGSIZE}\n' \
    $(printf '%s\n' "$best" | awk '{ print $2 }' | sort -u) | sed -n '/^have /p'
  dnf_gpgchecks | sed 's/^/signed /'
}

# shellcheck disable=SC2086  # paths are words
print_dnf_locks() { print_locks dnf dnf_lock_holders $DNF_PID_FILES; }

# Prints why dnf cannot be used on this host; nothing if it can.
unfit_for_dnf() {
  if ! have dnf; then
    printf 'there is no dnf on the host'
  elif case $(dnf --version 2>/dev/null) in 4.*) false ;; esac then
    printf 'patchctl speaks to dnf 4 only, the host has another'
  elif ! databases=$(rpm -qa 2>&1 >/dev/null) || [ -n "$databases" ]; then
    # shellcheck disable=SC2016  # a command to read
    printf 'the rpm database cannot be read: %s; `rpm --rebuilddb` there fixes it' \
      "$(printf '%s\n' "$databases" | head -n 1)"
  fi
}

main() {
  printf 'resolve 1 dnf\n'
  removals=$(printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^removals //p')
  downgrades=$(printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^downgrades //p')
  erasing=
  if [ "$removals" = yes ]; then erasing=--allowerasing; fi
  wanted=$(printf '%s\n' "$PATCHCTL_INPUT" | sed -n 's/^want //p')
  stay=$(printf '%s\n' "$PATCHCTL_INPUT" | awk '$1 == "keep" || $1 == "hold" { print $2 }' | sort -u | tr '\n' ' ')
  left_alone=
  for name in $stay; do left_alone="$left_alone --exclude=$name"; done
  count=$(printf '%s\n' "$wanted" | grep -c .)
  # The completed transaction ignores the site's settings; but the site decides where packages come from and which
  # are excluded.
  folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && trap 'exit 1' HUP INT TERM PIPE
  settings=$folder/dnf.conf
  unfit=$(unfit_for_dnf)
  if [ -n "$unfit" ]; then
    printf 'error %s\n' "$unfit"
  elif [ -z "$folder" ] || ! dnf_settings repositories "$settings"; then
    printf 'error the settings of dnf cannot be told, or not be written to %s\n' "${TMPDIR:-/tmp}"
  elif ! print_dnf_locks; then
    :
  elif ! said=$(ask_dnf -q repoquery --qf '%{name}' dnf 2>&1); then
    # It reads every repository.
    printf 'error %s\n' "$(printf '%s\n' "$said" | cause_in)"
  elif [ "$count" -gt 0 ]; then
    accepted=
    best=
    close_by_halves "$count" take_with_dnf leave_with_dnf
    if [ -n "$accepted" ]; then print_dnf_files; fi
    print_dnf_locks # of what began meanwhile
  fi
  printf 'end\n'
}

main "$@" </dev/null
