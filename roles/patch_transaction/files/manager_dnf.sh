# shellcheck shell=sh
# dnf and rpm: the contract that packages.sh lists. Needs host_rules.sh, host_dnf.sh, lib.sh, base.sh, state.sh,
# manager_dnf_cause.sh, manager_dnf_settings.sh, manager_dnf_signatures.sh, manager_dnf_cut_off.sh and, for what changes packages, package_work.sh.
# shellcheck disable=SC2034,SC2154  # used by packages.sh; read_input and open_call set

MANAGER=dnf
ANY_ARCH=noarch
LOW_LEVEL=rpm
QUERY=rpm
REPAIR='dnf remove --duplicates'
UNHOLD='dnf versionlock delete, or exclude= in dnf.conf'
LEFT_BESIDE='rpmnew rpmsave rpmorig'
SAVED_BESIDE='rpmsave rpmorig'
OWN_IN_ETC='*.rpmnew *.rpmsave *.rpmorig'
FILE_NAME='
  function file_name(name, version, arch) { sub(/^[0-9]+:/, "", version); return name "-" version "." arch ".rpm" }
'

need_manager() {
  if [ -e /run/ostree-booted ]; then
    refuse "dnf is planned, but this host is made from an image, which its own tool changes (rpm-ostree)"
  elif ! have dnf || ! have rpm || ! have rpmkeys; then
    refuse "dnf is planned, but this host has no dnf"
  fi
  case $(readlink -f "$(command -v dnf)") in
    *dnf5) refuse "dnf 4 is planned, but this host has dnf 5, which patchctl does not change yet" ;;
  esac
}

# Keeps dnf and rpm from asking questions, restarting services and replacing kept files. Their scripts have no
# terminal.
quiet_packages() { export PYTHONUNBUFFERED=1; }

# A site's alias could change the meaning of our command.
export DNF_DISABLE_ALIASES=1

# --- what is installed ---------------------------------------------------------------------------

# Versions are written as everywhere: without an epoch of 0.
# shellcheck disable=SC2016  # rpm expands
DNF_NEVRA='%{NAME} %{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}'

# A host with rpm has packages, so an empty list is an error. `many` at the end marks packages of which several
# versions may be installed. Two versions of any other package were left by a transaction that was cut off.
list_installed() {
  dnf_ask_many >"$call/many" && bounded rpm -qa --qf "$DNF_NEVRA %{SIZE}\n" >"$call/rpm" || return
  awk -v many="$call/many" '
    BEGIN { while ((getline line < many) > 0) beside[line] }
    $1 == "gpg-pubkey" || NF != 4 { next }
    { sub(/^0:/, "", $3); row[++n] = $0 }
    END {
      for (i = 1; i <= n; i++) {
        split(row[i], f, " "); key = f[1] " " f[2]
        print key, f[3], (seen[key]++ && !(key in beside)) ? "iD" : "ii", int(f[4] / 1024) ((key in beside) ? " many" : "")
      }
      exit n == 0
    }' "$call/rpm"
}

dnf_ask_many() { # `NAME ARCH`
  set -f
  # shellcheck disable=SC2046,SC2086  # words
  set -- $DNF_MANY $(dnf_told installonlypkgs)
  set +f
  # rpm's exit code is not 0 if no package has one of the names.
  bounded rpm -q --qf '%{NAME} %{ARCH}\n' --whatprovides "$@" >"$call/many.told" 2>/dev/null
  case $? in 124 | 137) return 1 ;; esac
  awk 'NF == 2' "$call/many.told"
}

list_lock_holders() {
  # shellcheck disable=SC2086  # paths are words
  dnf_lock_holders $DNF_PID_FILES
}

dnf_database() { rpm --eval '%{_dbpath}'; }

is_usable() {
  bounded rpm --verifydb >"$call/verifydb" 2>&1 </dev/null && return
  echo "error: rpmdb: damaged, or verifying it took too long; rpm --rebuilddb fixes it"
  cat "$call/verifydb"
  return 1
}

# Prints names that versionlock keeps at another version than the planned one, or that dnf.conf excludes.
list_held() {
  {
    dnf_told exclude && dnf_told excludepkgs
  } | tr ' ' '\n' | sed -e '/^$/d' -e 's/^/exclude /' >"$call/holds"
  if [ -f /etc/dnf/plugins/versionlock.list ]; then
    sed -e 's/#.*//' -e 's/[ \t]*$//' -e '/^$/d' -e 's/^/lock /' /etc/dnf/plugins/versionlock.list >>"$call/holds"
  fi
  printf '%s' "$packages" | while read -r name arch action from to _; do
    if dnf_is_held "$name" "$arch" "$to" "$from"; then printf '%s\n' "$name"; fi
  done
}

# An exclude blocks the packages that it matches. A lock blocks other versions than those that it matches.
dnf_is_held() { # NAME ARCH TO FROM
  while read -r kind pattern; do
    case $pattern in '!'*) kind=forbid pattern=${pattern#!} ;; esac
    case $kind in
      lock)
        if dnf_fits "$pattern" "$1" "$1.$2"; then return 0; fi
        case $pattern in "$1"-[0-9]*) dnf_fits "$pattern" "$1-$3.$2" "$1-0:$3.$2" || return 0 ;; esac
        ;;
      *) if dnf_fits "$pattern" "$1" "$1.$2" "$1-$3.$2" "$1-0:$3.$2" "$1-${3#*:}.$2" "$1-${3#*:}"; then return 0; fi ;;
    esac
  done <"$call/holds"
  return 1
}

dnf_fits() { # PATTERN NAMES...
  dnf_pattern=$1
  shift
  for dnf_name in "$@"; do
    # shellcheck disable=SC2254  # a pattern
    case $dnf_name in $dnf_pattern) return 0 ;; esac
  done
  return 1
}

# --- marks ---------------------------------------------------------------------------------------

list_auto() {
  dnf_write_settings && bounded dnf -q -c "$call/dnf.conf" --disablerepo='*' repoquery --userinstalled \
    --qf '%{name} %{arch}' >"$call/chosen" </dev/null && list_installed >"$call/auto.all" || return
  awk -v chosen="$call/chosen" '
    BEGIN { while ((getline line < chosen) > 0) user[line] }
    !(($1 " " $2) in user) { print $1 ":" $2 }' "$call/auto.all" >"$call/auto.told" && sort -u "$call/auto.told"
}

# Only packages with another mark, since dnf's history records each call.
set_marks() { # auto|manual
  cat >"$call/marks.wanted" && list_auto >"$call/marks.auto" || return
  marked=$(awk -v now="$call/marks.auto" -v mark="$1" '
    BEGIN { while ((getline line < now) > 0) auto[line] }
    ((($1 ":" $2) in auto) ? "auto" : "manual") != mark { print $1 "." $2 }' "$call/marks.wanted")
  [ -n "$marked" ] || return 0
  dnf_mark=install
  if [ "$1" = auto ]; then dnf_mark=remove; fi
  # shellcheck disable=SC2086  # names and architectures are words
  dnf -q -c "$call/dnf.conf" --disablerepo='*' mark "$dnf_mark" $marked >&2 </dev/null
}

list_conffiles() { # INSTALLED-FILE
  dnf_there=$(printf '%s' "$packages" | awk -v installed="$1" '
    BEGIN { while ((getline line < installed) > 0) { split(line, f, " "); rows[f[1]] = rows[f[1]] " " f[3] "." f[2] } }
    ($1 in rows) { n = split(rows[$1], each, " "); for (i = 1; i <= n; i++) print $1 "-" each[i] }')
  if [ -z "$dnf_there" ]; then return; fi
  # shellcheck disable=SC2086  # names are words
  bounded rpm -q --qf '[%{FILEFLAGS:fflags} %{FILEDIGESTS} %{FILENAMES}\n]' $dnf_there >"$call/conffiles.told" || return
  sed -n 's/^[a-z]*c[a-z]* \([0-9a-f]*\) \(\/.*\)/\2 \1/p' "$call/conffiles.told" >"$call/conffiles.lines" \
    && sort -u "$call/conffiles.lines"
}

list_competing_updaters() { dnf_list_competing_updaters; }

# --- changing packages ---------------------------------------------------------------------------

dnf_write_settings() {
  # If it fails, no older file must be used instead.
  rm -f "$call/dnf.conf"
  dnf_settings transaction "$call/dnf.conf"
}

# dnf sees only installed packages and the files that it is given: it cannot add a package from a repository. It
# checks signatures of files from disk only with an option. `-y` is given in a test, too: only then rpm checks the
# whole transaction; the table is the same.
dnf_closed_only() { # prints the options, one a line
  printf '%s\n' -y -c "$call/dnf.conf" '--disablerepo=*' --setopt=install_weak_deps=False \
    --setopt=clean_requirements_on_remove=0 --setopt=protect_running_kernel=1 --setopt=installonly_limit=0 \
    "--setopt=localpkg_gpgcheck=$(dnf_gpgcheck)" \
    --disableplugin=versionlock,local,subscription-manager,product-id
}

# Prints `install FILE` and `remove NEVRA` for what is still to do.
dnf_list_todo() { # WAY PLACES
  printf '%s' "$packages" | awk -v way="$1" -v places="$2" -v before="$tx/before/installed" -v new="$tx/new/" -v old="$tx/old/" "$FILE_NAME"'
    BEGIN {
      while ((getline line < places) > 0) { split(line, f, " "); place[f[1] " " f[2]] = f[3] }
      while (way == "back" && (getline line < before) > 0) {
        split(line, f, " "); there[f[1] " " f[2] " " f[3]]; other[f[1] " " f[3]] = f[2]
      }
    }
    place[$1 " " $2] == (way == "forward" ? "to" : "from") { next }
    way == "forward" { print ($3 == "remove") ? "remove " $1 "-" $4 "." $2 : "install " new $7; next }
    {
      arch = $2
      if (!(($1 " " $2 " " $4) in there) && (($1 " " $4) in other)) arch = other[$1 " " $4]
      print ($3 == "new") ? "remove " $1 "-" $5 "." $2 : "install " old file_name($1, $4, arch)
    }'
}

# dnf accepts no files after a removal, so they come first.
dnf_script() { # WAY PLACES
  dnf_list_todo "$1" "$2" >"$call/todo" || return
  awk '{ words[$1] = words[$1] " " $2 }
    END {
      if ("install" in words) print "install" words["install"]
      if ("remove" in words) print "remove" words["remove"]
      print "run"
    }' "$call/todo"
}

simulate() { # WAY PLACES
  dnf_simulate "$1" "$2" "$call/installed.now"
}

# Simulates with a copy of rpm's database in which the new files are recorded as installed. rpm finds its database
# through the home folder of the caller.
simulate_later() { # PLACES
  dnf_home=$call/later
  rm -rf "$dnf_home"
  if ! dnf_future_database >"$call/later.log" 2>&1; then
    save_error="what would be installed then cannot be written down: $(tail -n 1 "$call/later.log")"
    rm -rf "$dnf_home"
    return 1
  fi
  HOME=$dnf_home dnf_simulate back "$1" "$call/installed.later"
  dnf_code=$?
  rm -rf "$dnf_home"
  return "$dnf_code"
}

dnf_future_database() {
  dnf_path=$(dnf_database)
  own_folder "$dnf_home" && own_folder "$dnf_home/db" || return
  for part in "$dnf_path"/*; do
    case $part in *-shm | */__db.* | */.*) continue ;; esac
    cp --reflink=auto "$part" "$dnf_home/db/" || cp "$part" "$dnf_home/db/" || return
  done
  printf '%%_dbpath %s\n' "$dnf_home/db" >"$dnf_home/.rpmmacros" || return
  [ "$(HOME=$dnf_home rpm --eval '%{_dbpath}')" = "$dnf_home/db" ] || return
  dnf_list_todo forward /dev/null >"$call/todo" || return
  # shellcheck disable=SC2046  # paths and names without spaces
  set -- $(sed -n 's/^install //p' "$call/todo")
  if [ $# -gt 0 ]; then
    HOME=$dnf_home bounded rpm -U --justdb --nodeps --noscripts --notriggers --oldpackage --nosignature --ignoresize "$@" || return
  fi
  # shellcheck disable=SC2046
  set -- $(sed -n 's/^remove //p' "$call/todo")
  for gone; do
    # A package that another one obsoletes was removed with it.
    if HOME=$dnf_home rpm -q "$gone" >/dev/null; then
      HOME=$dnf_home bounded rpm -e --justdb --nodeps --noscripts --notriggers "$gone" || return
    fi
  done
  (HOME=$dnf_home && export HOME && list_installed) >"$call/installed.later"
}

dnf_simulate() { # WAY PLACES INSTALLED
  rm -f "$call/simulation" # what an earlier one said is no reason for this one
  save "$call/dnf.script" dnf_script "$1" "$2"
  dnf_write_settings || return
  if ! dnf_check_signatures >"$call/simulation" || ! try_save "$call/simulation" dnf_simulates; then
    case $save_error in 'cannot write'*) refuse "$save_error" ;; esac
    return 1
  fi
  # Its exit code is 0 even if rpm's test found no room, or one path in two packages.
  if ! grep -q '^Transaction test succeeded' "$call/simulation"; then
    save_error="dnf's test of the transaction did not succeed"
    return 1
  fi
  save "$call/simulated" dnf_list_simulated "$3"
}

# Needs a table of what dnf would do, and rpm's complete test of it, which changes nothing.
dnf_simulates() {
  # shellcheck disable=SC2046  # options without spaces
  bounded dnf $(dnf_closed_only) --setopt=tsflags=test shell "$call/dnf.script" 2>&1 </dev/null || return
  true
}

# Prints rows `NAME ARCH VERSION REPOSITORY SIZE` of the table; long rows continue on further lines. Rows in other
# sections (a module's stream, packages that dnf would skip) are part of no plan.
dnf_list_simulated() { # INSTALLED
  printf '%s' "$packages" >"$call/planned"
  awk -v installed="$1" -v planned="$call/planned" '
    # Only by its name if the plan removes exactly this one.
    function removal(name, arch, version) {
      sub(/^0:/, "", version)
      print "remove", ((name " " arch " " version) in goes) ? name : name "-" version "." arch
    }
    function row(  n, f, key, old) {
      n = split(text, f, " "); text = ""
      if (n < 5) { if (n) print "change", section ":", f[1]; return }
      sub(/^0:/, "", f[3])
      if (section ~ /^Removing/) { removal(f[1], f[2], f[3]); return }
      if (section ~ /^Installing/ && section !~ /module|group/) { print "change", f[1], f[2], "-", f[3]; return }
      key = f[1] " " f[2]
      old = (key in at) ? at[key] : ((f[1] in name) ? name[f[1]] : "-")
      if (section == "Upgrading" || section == "Downgrading") print "change", f[1], f[2], old, f[3]
      else print "change", section ":", f[1]
    }
    BEGIN {
      while ((getline line < installed) > 0) { split(line, f, " "); at[f[1] " " f[2]] = f[3]; name[f[1]] = f[3] }
      while ((getline line < planned) > 0) { split(line, f, " "); goes[f[1] " " f[2] " " f[4]]; goes[f[1] " " f[2] " " f[5]] }
    }
    /^ Package +Arch/ { table = 1; next }
    /^Transaction Summary/ { row(); table = 0 }
    !table || /^=+$/ { next }
    /^[^ ]/ { row(); section = $0; sub(/:.*/, "", section); next }
    /^ +replacing +[^ ]+\.[^. ]+ / { row(); arch = gone = $2; sub(/\.[^.]*$/, "", gone); sub(/.*\./, "", arch); removal(gone, arch, $3); next }
    /^ [^ ]/ { row() }
    { text = text " " $0 }
    ' "$call/simulation" >"$call/simulated.lines" && sort -u "$call/simulated.lines" \
    && grep -q '^Transaction test succeeded' "$call/simulation"
}

# Prints which stream of each module is enabled: an update must not choose another one.
dnf_list_streams() { cat /etc/dnf/modules.d/*.module 2>/dev/null | grep -E '^(\[|stream|state)'; }

# dnf's shell exits with 0 whatever happened.
change_packages() { # WAY PLACES
  save "$call/dnf.script" dnf_script "$1" "$2"
  dnf_streams=$(dnf_list_streams)
  dnf_begin_change "$1"
  dnf_said=$(lines_of "$folder/log")
  # shellcheck disable=SC2046  # options without spaces
  run_limited dnf $(dnf_closed_only) shell "$call/dnf.script"
  dnf_code=$?
  if [ "$dnf_code" -ne 0 ]; then return "$dnf_code"; fi # it was ended
  tail -n "+$((dnf_said + 1))" "$folder/log" >"$call/said" || return
  if dnf_is_over <"$call/said"; then dnf_end_change; fi
  if [ "$(dnf_list_streams)" != "$dnf_streams" ]; then
    echo 'Error: the enabled module streams are not those of before' >&2
    return 1
  fi
  dnf_ended_well <"$call/said"
}

# Did rpm do all of the transaction, or not begin it? If it stopped in between, files of a package that is not in
# its database may be on the host.
dnf_is_over() {
  awk '
    /^Running transaction$/ { begun = 1 }
    /^Complete!$/ { over = 1 }
    END { exit begun && !over }'
}

# Its exit code proves nothing. The output of scripts is between dnf's own lines and may begin with `error:` without
# meaning a failure: in that part only rpm's messages about a script count, after it dnf's last messages. The part
# ends with dnf's rows of verifying, which newer versions do not print, or with its list of what was done.
dnf_ended_well() {
  awk '
    /^Running transaction$/ { running = 1; next }
    running && /^  Verifying  *: / { running = 0 }
    running && blank && /^(Upgraded|Downgraded|Installed|Reinstalled|Skipped|Removed|Failed):$/ { running = 0 }
    { blank = ($0 == "") }
    /^(error|warning): %[a-z]+\(.*\) scriptlet failed, / { bad = 1 }
    /^error: lua script failed: / { bad = 1 }
    !running && /^(Error|error)[: ]/ { bad = 1 }
    END { exit bad || running }'
}

await_others() {
  await_until=$(($(uptime_s) + limit))
  while try_save "$call/holders" list_lock_holders && [ -s "$call/holders" ] && [ "$(uptime_s)" -lt "$await_until" ]; do
    sleep 1
  done
}

# A kernel's name may contain characters that are special in a pattern: 5.14.0-503.el9.x86_64+rt.
dnf_is_no_running_kernel() { # NEVRA
  bounded rpm -ql "$1" >"$call/gone.files" && [ -s "$call/gone.files" ] \
    && ! awk -v kernel="$(uname -r)" '
      index($0 "/", "/modules/" kernel "/") || index($0 "/", "/vmlinuz-" kernel "/") { is = 1 }
      END { exit !is }' "$call/gone.files"
}

# rpm takes exactly the files that it is given and touches no other package. The running kernel stays.
# If a script of the version to remove fails, rpm keeps that version beside the other. The script was tried once, so
# it is skipped then, also if it was killed in the step before (124, 137).
force_back() { # PLACES
  force_code=0
  dnf_list_todo back "$1" >"$call/todo" || return
  force_files=$(sed -n 's/^install //p' "$call/todo")
  force_new=$(sed -n 's/^remove //p' "$call/todo")
  if [ -n "$force_files" ]; then
    if dnf_hung || ! dnf_force_files; then dnf_force_files --noscripts --notriggers || force_code=$?; fi
  fi
  for gone in $force_new; do
    if ! rpm -q "$gone" >/dev/null; then continue; fi
    if ! in_container && ! dnf_is_no_running_kernel "$gone"; then
      say note "$gone is the running kernel, or that cannot be told, and stays"
      force_code=1
      continue
    fi
    run_limited rpm -e --nodeps "$gone" || run_limited rpm -e --nodeps --noscripts "$gone" || force_code=$?
  done
  if [ "$force_code" -eq 0 ]; then dnf_end_change; fi
  return "$force_code"
}

dnf_hung() { case ${code:-0} in 124 | 137) ;; *) return 1 ;; esac; }

dnf_force_files() { # OPTIONS
  # shellcheck disable=SC2086  # paths without spaces
  run_limited rpm -U --replacepkgs --replacefiles --oldpackage --nodeps "$@" $force_files
}

# --- package files -------------------------------------------------------------------------------

cached_path() { # FILE: only where the host keeps what it fetched
  for cached in "$(dnf_cache)"/*/packages/"$1"; do
    if [ -f "$cached" ]; then break; fi
  done
  printf '%s' "$cached"
}

# dnf checks downloaded files against the metadata of the repositories, whose signatures each host checks as its site
# wants. is_package checks the signatures of packages.
download() { # FOLDER; lines `NAME ARCH VERSION` on standard input
  download_wanted=$(awk '{ print $1 "-" $3 "." $2 }')
  [ -n "$download_wanted" ] || return 0
  dnf_settings repositories "$call/download.conf" || return 0
  # shellcheck disable=SC2086  # words
  timeout 300 dnf -y -c "$call/download.conf" --disableexcludes=all --setopt=strict=0 --setopt=timeout=10 --setopt=retries=1 \
    download --destdir "$1" $download_wanted >>"$call/download.log" 2>&1 </dev/null
  rm -f "$call/download.conf" # it may have passwords of proxies
  return 0
}

is_package() { # FILE NAME ARCH VERSION
  [ -f "$1" ] \
    && [ "$(rpm -qp --nosignature --qf "$DNF_NEVRA" "$1" 2>/dev/null | sed 's/ 0:/ /')" = "$2 $3 $4" ] \
    && dnf_is_old_of "$1" "$2" "$3" "$4"
}

# Only with the tool that some sites install for it: a package's scripts and relations cannot be put together by hand
# without mistakes.
rebuild() ( # NAME ARCH VERSION
  have rpmrebuild && own_folder "$call/rebuild" || return
  umask 022
  run_rebuild=$(bounded rpmrebuild --batch --directory="$call/rebuild" "$1-$3.$2" 2>&1 </dev/null) || return
  rebuilt_file=$(find "$call/rebuild" -name '*.rpm' -type f | head -n 1)
  [ -n "$rebuilt_file" ] && mv -f "$rebuilt_file" "$call/rebuilt" && sha256_of "$call/rebuilt" >>"$tx/rebuilt" && echo >>"$tx/rebuilt"
  rebuild_code=$?
  rm -rf "$call/rebuild"
  return "$rebuild_code"
)
