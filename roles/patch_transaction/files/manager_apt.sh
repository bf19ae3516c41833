# shellcheck shell=sh
# apt and dpkg: the contract that packages.sh lists. Needs host_rules.sh, host_apt.sh, lib.sh, base.sh, state.sh,
# manager_apt_cause.sh, manager_apt_settings.sh and, for what changes packages, package_work.sh.
# shellcheck disable=SC2016,SC2034,SC2154  # dpkg-query expands; used by packages.sh; read_input sets

MANAGER=apt
ANY_ARCH=all
LOW_LEVEL=dpkg
QUERY=dpkg-query
REPAIR='dpkg --configure -a'
UNHOLD='apt-mark unhold'
LEFT_BESIDE='dpkg-dist dpkg-new ucf-dist'
SAVED_BESIDE=''
OWN_IN_ETC='*.dpkg-* *.ucf-*'
FILE_NAME='
  function file_name(name, version, arch) { gsub(/:/, "%3a", version); return name "_" version "_" arch ".deb" }
'

need_manager() {
  if ! have apt-get || ! have dpkg || ! have dpkg-query; then
    refuse "apt is planned, but this host has no apt"
  fi
}

quiet_packages() { # no questions, no restarts behind our back, configuration files kept
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes DEBCONF_NONINTERACTIVE_SEEN=true
  export UCF_FORCE_CONFFOLD=1 NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=
  export APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none
}

# --- what is installed ---------------------------------------------------------------------------

# A host with dpkg has packages, so an empty list is an error.
list_installed() {
  bounded dpkg-query -W \
    -f='${Package} ${Architecture} ${Version} ${db:Status-Abbrev} ${Installed-Size}\n' >"$call/dpkg" || return
  awk 'NF >= 4 { print $1, $2, $3, $4, ($5 == "" ? 0 : $5); n++ } END { exit n == 0 }' "$call/dpkg"
}

unfinished_work() {
  for journal in /var/lib/dpkg/updates/[0-9]*; do
    if [ -e "$journal" ]; then printf ' unfinished dpkg journal'; fi
    break
  done
}

list_lock_holders() {
  # shellcheck disable=SC2086  # paths are words
  lock_holders $APT_LOCKS
}

is_usable() { bounded apt-get -o "DPkg::Lock::Timeout=$attach" -q check 2>&1 </dev/null; }

list_held() { bounded apt-mark showhold </dev/null; }

list_auto() {
  bounded apt-mark showauto >"$call/auto.told" </dev/null && sort -u "$call/auto.told"
}

set_marks() { # auto|manual
  marked=$(apt_names)
  [ -n "$marked" ] || return 0
  apt_write_settings marks "$call/apt-mark.conf" || return
  # shellcheck disable=SC2086  # names and architectures are words
  apt-mark -c "$call/apt-mark.conf" -o "DPkg::Lock::Timeout=$lock_wait" "$1" $marked >&2 </dev/null
}

apt_names() { # lines `NAME ARCH` as apt wants them
  awk -v any="$ANY_ARCH" '{ print ($2 == any) ? $1 : $1 ":" $2 }'
}

list_conffiles() { # INSTALLED-FILE
  # shellcheck disable=SC2046  # names and architectures are words
  set -- $(printf '%s' "$packages" | awk -v installed="$1" '
    BEGIN {
      while ((getline line < installed) > 0) { split(line, f, " "); there[f[1] " " f[2]]; archs[f[1]] = f[2] }
    }
    !(($1 " " $2) in there) && !($1 in archs) { next }
    { print $1, (($1 " " $2) in there) ? $2 : archs[$1] }' | apt_names)
  if [ $# -eq 0 ]; then return; fi
  bounded dpkg-query -W -f='${Conffiles}\n' "$@" >"$call/conffiles.told" || return
  sed -n 's/^ \(\/.*\) \([0-9a-f]\{32\}\).*/\1 \2/p' "$call/conffiles.told" >"$call/conffiles.lines" \
    && sort -u "$call/conffiles.lines"
}

# The timer, where it is active or a boot will start it, or cron.
list_competing_updaters() {
  bounded apt-config dump >"$call/settings" </dev/null || return
  if [ ! -x /usr/bin/unattended-upgrade ] || ! apt_upgrades_itself <"$call/settings"; then return 0; fi
  if ! with_systemctl; then
    if [ -x "$APT_CRON" ]; then printf '%s\n' "$APT_CRON"; fi
    return 0
  fi
  list_units_with ActiveState active apt-daily-upgrade.timer >"$call/competing.told" \
    && list_units_with UnitFileState 'enabled|enabled-runtime' apt-daily-upgrade.timer >>"$call/competing.told" \
    && sort -u "$call/competing.told"
}

# --- changing packages ---------------------------------------------------------------------------

# apt sees only installed packages and the files that it is given: it cannot add a package from a repository, and
# neither pins nor other settings of the site change what it does. Its caches are not used, so a process that
# fetches into them blocks nothing: apt does not wait for their lock. The last simulation wrote `$call/apt.conf`.
apt_local_only() { # prints the options, one a line
  printf '%s\n' -c "$call/apt.conf" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o "Dir::State::Lists=$call/lists" -o "Dir::Cache::archives=$call/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o APT::Install-Suggests=false \
    -o APT::Get::AutomaticRemove=false -o APT::Get::Show-User-Simulation-Note=false \
    -o "DPkg::Lock::Timeout=$lock_wait" -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--no-force-confnew
}

# simulate and change_packages must do the same, so both get their arguments here.
apt_arguments() { # WAY PLACES: of install
  case $1 in
    forward) apt_forward_arguments ;;
    back) apt_back_arguments "$2" ;;
  esac
}

# Prints arguments of install that bring the packages to the new versions.
apt_forward_arguments() {
  case $packages in *" remove "*) ;; *) printf '%s\n' --no-remove ;; esac
  case $packages in *" downgrade "*) printf '%s\n' --allow-downgrades ;; esac
  printf '%s' "$packages" | while read -r name arch action _ _ _ file _; do
    if [ "$action" = remove ]; then apt_removal "$name" "$arch"; else printf '%s\n' "$tx/new/$file"; fi
  done
}

# Prints arguments of install that restore what differs from the old state, by PLACES.
apt_back_arguments() { # PLACES-FILE
  printf '%s\n' --allow-downgrades
  case $packages in *" new "*) ;; *) printf '%s\n' --no-remove ;; esac
  list_going_back "$1" >"$call/back" || return
  while read -r action name arch _ file _; do
    if [ "$action" = new ]; then apt_removal "$name" "$arch"; else printf '%s\n' "$tx/old/$file"; fi
  done <"$call/back"
}

apt_removal() { # NAME ARCH: as an argument of install
  if [ "$2" = "$ANY_ARCH" ]; then printf '%s-\n' "$1"; else printf '%s:%s-\n' "$1" "$2"; fi
}

simulate() { # WAY PLACES
  # shellcheck disable=SC2046  # paths and names without spaces
  apt_simulate $(apt_arguments "$1" "$2")
}

# Simulates with the dpkg status of afterwards: the records of the planned packages are replaced by those in the new
# files.
simulate_later() { # PLACES
  save "$call/status.after" apt_future_status
  # shellcheck disable=SC2046  # paths and names without spaces
  apt_simulate -o "Dir::State::status=$call/status.after" $(apt_back_arguments "$1")
}

apt_simulate() { # ARGUMENTS of install
  # The output of an earlier simulation must not be taken for this one's.
  if [ -e "$call/simulation" ]; then rm -f "$call/simulation"; fi
  apt_write_settings transaction "$call/apt.conf" || return
  if ! try_save "$call/simulation" apt_simulates "$@"; then
    case $save_error in 'cannot write'*) refuse "$save_error" ;; esac
    return 1
  fi
  save "$call/simulated" apt_list_simulated
}

apt_write_settings() { # SCOPE FILE
  # If it fails, no older file must be used instead.
  if [ -e "$2" ]; then rm -f "$2"; fi
  try_save "$2" apt_settings "$1" "$2.own"
}

apt_simulates() {
  # shellcheck disable=SC2046  # options without spaces
  bounded apt-get $(apt_local_only) -s install "$@" 2>&1 </dev/null
}

apt_list_simulated() {
  sed -n \
    -e 's/^Inst \([^ :]*\)[^ ]* \[\([^]]*\)\] (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/change \1 \4 \2 \3/p' \
    -e 's/^Inst \([^ :]*\)[^ ]* (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/change \1 \3 - \2/p' \
    -e 's/^Remv \([^ :]*\).*/remove \1/p' -e 's/^Purg \([^ :]*\).*/remove \1/p' \
    "$call/simulation" >"$call/simulated.lines" && sort -u "$call/simulated.lines"
}

# A package that changes between an architecture and `all` is found by its old one.
apt_future_status() {
  list_going_back /dev/null >"$call/future" \
    && { cut -d ' ' -f 2,3 "$call/future" && cut -d ' ' -f 2,6 "$call/future"; } >"$call/names" \
    && [ -s "$call/names" ] || return
  awk -v names="$call/names" '
    BEGIN { while ((getline line < names) > 0) planned[line] = 1; RS = ""; ORS = "\n\n" }
    {
      name = arch = ""
      n = split($0, lines, "\n")
      for (i = 1; i <= n; i++) {
        if (lines[i] ~ /^Package: /) name = substr(lines[i], 10)
        if (lines[i] ~ /^Architecture: /) arch = substr(lines[i], 15)
      }
      if (!((name " " arch) in planned)) print
      all++
    }
    END { exit all == 0 }' /var/lib/dpkg/status || return
  true >"$call/new.control" || return
  printf '%s' "$packages" | while read -r _ _ action _ _ _ file _; do
    if [ "$action" = remove ]; then continue; fi
    dpkg-deb -f "$tx/new/$file" >>"$call/new.control" && echo >>"$call/new.control" || return
  done || return
  sed 's/^\(Package: .*\)/\1\nStatus: install ok installed/' "$call/new.control"
}

change_packages() { # WAY PLACES
  own_folder "$call/archives" || cannot_write "$call/archives"
  apt_purge=''
  if [ "$1" = back ]; then apt_purge=--purge; fi
  # shellcheck disable=SC2046,SC2086  # paths and package names have no spaces
  run_limited apt-get $(apt_local_only) -y $apt_purge install $(apt_arguments "$1" "$2")
}

await_others() { run_limited apt-get -o "DPkg::Lock::Timeout=$limit" check; }

# These options also override /etc/dpkg/dpkg.cfg.
APT_KEEP_CONFFILES='--force-confold --no-force-confnew'

# shellcheck disable=SC2086  # two words
finish_work() { run_limited dpkg $APT_KEEP_CONFFILES --configure -a; }

# After a failed post-install script or an interrupted unpacking apt may refuse to work. dpkg takes exactly the
# files that it is given and touches no other package.
force_back() { # PLACES
  force_files=$(list_going_back "$1" | while read -r action _ _ _ file _; do
    if [ "$action" != new ]; then printf '%s\n' "$tx/old/$file"; fi
  done)
  force_code=0
  if [ -n "$force_files" ]; then
    # shellcheck disable=SC2086  # paths without spaces
    run_limited dpkg $APT_KEEP_CONFFILES --force-downgrade --force-remove-reinstreq -i $force_files
    force_code=$?
  fi
  force_new=$(list_going_back "$1" | while read -r action name arch _; do
    if [ "$action" = new ]; then printf '%s %s\n' "$name" "$arch"; fi
  done | apt_names)
  if [ -n "$force_new" ]; then
    # shellcheck disable=SC2086
    run_limited dpkg --force-remove-reinstreq --purge $force_new || force_code=$?
  fi
  finish_work || force_code=$?
  return "$force_code"
}

# --- package files -------------------------------------------------------------------------------

cached_path() { printf '/var/cache/apt/archives/%s' "$1"; } # FILE

# Prints the repositories' records of these versions: `NAME ARCH VERSION FILENAME`.
apt_in_repositories() { # NAME:ARCH=VERSION...
  apt-cache -c "$call/download.conf" show "$@" 2>/dev/null | awk '
    function out() { if (package != "" && file != "") print package, arch, version, file }
    /^Package: / { package = $2 } /^Architecture: / { arch = $2 } /^Version: / { version = $2 }
    /^Filename: / { file = $2 } /^$/ { out(); package = ""; file = "" } END { out() }' | sort -u
}

# apt checks downloaded files against the signatures of the repositories.
download() { # FOLDER; lines `NAME ARCH VERSION` on standard input
  download_wanted=$(awk '{ print $1 ":" $2 "=" $3 }' | sed 's/:all=/=/')
  [ -n "$download_wanted" ] || return 0
  apt_write_settings repositories "$call/download.conf" || return 0
  # shellcheck disable=SC2086  # words
  download_there=$(apt_in_repositories $download_wanted | awk '{ print $1 ":" $2 "=" $3 }' | sed 's/:all=/=/')
  download_both=$(printf '%s\n%s\n' "$download_wanted" "$download_there" | sort | uniq -d)
  [ -n "$download_both" ] || return 0
  (
    cd "$1" || exit 1
    # shellcheck disable=SC2086
    timeout 300 apt-get -c "$call/download.conf" -q -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=10 \
      -o Acquire::https::Timeout=10 download $download_both >>"$call/download.log" 2>&1 </dev/null
  )
  return 0
}

is_package() { # FILE NAME ARCH VERSION
  # shellcheck disable=SC2016  # dpkg-deb expands them
  [ -f "$1" ] \
    && [ "$(dpkg-deb -W --showformat='${Package} ${Architecture} ${Version}' "$1" 2>/dev/null)" = "$2 $3 $4" ]
}

# Does the work of dpkg-repack in sh, so that nothing is installed on the host for it. The packaged content of
# configuration files that somebody changed is unknown. An undo would take a package that lacks a file for a good
# one, so each step reports whether it is complete.
rebuild() ( # NAME ARCH VERSION
  umask 022
  rebuild_id=$(printf '%s %s\n' "$1" "$2" | apt_names)
  rebuild_root=$call/rebuild
  rm -rf "$rebuild_root"
  own_folder "$rebuild_root" \
    && mkdir -m 0755 "$rebuild_root/root" "$rebuild_root/root/DEBIAN" \
    && apt_rebuild_control "$rebuild_id" "$rebuild_root/root/DEBIAN" \
    && apt_rebuild_lists "$rebuild_id" "$rebuild_root" \
    && apt_rebuild_files "$rebuild_root" \
    && apt_rebuild_conffiles "$rebuild_root" \
    && chmod 0755 "$rebuild_root/root" \
    && dpkg-deb -Zgzip -z1 -b "$rebuild_root/root" "$call/rebuilt" >&2 </dev/null
  rebuild_code=$?
  rm -rf "$rebuild_root"
  return "$rebuild_code"
)

apt_rebuild_control() { # ID FOLDER
  rebuild_parts=$2/../../parts
  bounded dpkg-query -s "$1" >"$rebuild_parts" && awk '
    /^[^ ]/ { skip = ($1 == "Status:" || $1 == "Conffiles:" || $1 == "Config-Version:") }
    !skip { print; n++ } END { exit n == 0 }' "$rebuild_parts" >"$2/control" \
    && bounded dpkg-query --control-list "$1" >"$rebuild_parts" || return
  while read -r part; do
    case $part in
      preinst | postinst | prerm | postrm | config) mode=0755 ;;
      templates | triggers | shlibs | symbols | md5sums) mode=0644 ;;
      *) continue ;;
    esac
    dpkg-query --control-show "$1" "$part" >"$2/$part" && chmod "$mode" "$2/$part" || return
  done <"$rebuild_parts"
  bounded dpkg-query -W -f='${Conffiles}\n' "$1" >"$rebuild_parts" \
    && sed -n '/ obsolete$/d; s/^ \(\/.*\) \([0-9a-f]\{32\}\)\( .*\)*$/\1 \2\3/p' "$rebuild_parts" \
      >"$2/../../conffiles" \
    && sed 's/ [0-9a-f]\{32\}.*$//' "$2/../../conffiles" >"$2/conffiles" || return
  if [ ! -s "$2/conffiles" ]; then rm -f "$2/conffiles"; fi
}

# Prints `d|f PATH REAL-PATH`, separated by tabs, for all paths of the package. dpkg -L prints a diverted file
# by its own path, and its real path on the next line.
apt_rebuild_lists() { # ID FOLDER
  bounded dpkg-query -L "$1" >"$2/told" && awk '
    function out(real) { if (path != "" && path != "/.") { print path "\t" real; n++ } path = "" }
    /^\// { out(path); path = $0; next }
    /^(locally diverted to|diverted by [^ ]+ to): \// { to = $0; sub(/^[^:]*: /, "", to); out(to) }
    END { out(path); exit n == 0 }' "$2/told" >"$2/paths" || return
  # A path with others below it is a folder in the package, even if the host has a symbolic link there (a merged
  # /usr).
  awk -F '\t' -v OFS='\t' '{ path[NR] = $1; whole[NR] = $0; parent = $1
      while (match(parent, /\/[^\/]*$/) && RSTART > 1) { parent = substr(parent, 1, RSTART - 1); inner[parent] = 1 } }
    END { for (i = 1; i <= NR; i++) print (path[i] in inner) ? "d" : "f", whole[i] }' "$2/paths" >"$2/all"
}

apt_rebuild_files() { # FOLDER
  true >"$1/plain" && true >"$1/wanted" || return
  tab=$(printf '\t')
  while IFS=$tab read -r kind path real; do
    if [ "$kind" = d ] && [ -h "$path" ]; then
      mkdir -p "$1/root$path" || return
    elif [ "$path" != "$real" ]; then
      mkdir -p "$1/root${path%/*}" && cp -a "$real" "$1/root$path" || return
    elif [ -e "$path" ] || [ -h "$path" ]; then
      printf '%s\n' ".$path" >>"$1/plain" || return
    else
      continue
    fi
    printf '%s\n' "$path" >>"$1/wanted" || return
  done <"$1/all"
  tar -C / --no-recursion -cf - -T "$1/plain" 2>/dev/null | tar -C "$1/root" -xpf - >&2 || return
  # The first of the two tar processes may have failed.
  while IFS= read -r path; do
    [ -e "$1/root$path" ] || [ -h "$1/root$path" ] || return
  done <"$1/wanted"
}

# A changed configuration file must not go into the package: dpkg would take it for the packaged one and silently
# overwrite it at the next update. With a placeholder it stays "changed by the administrator", and
# --force-confold keeps the administrator's file.
apt_rebuild_conffiles() { # FOLDER
  while read -r line; do
    path=$(printf '%s' "$line" | sed 's/ [0-9a-f]\{32\}.*$//')
    sum=$(printf '%s' "$line" | sed 's/^.* \([0-9a-f]\{32\}\).*$/\1/')
    if [ "$(md5sum <"$path" 2>/dev/null | cut -c1-32)" != "$sum" ]; then
      mkdir -p "$1/root${path%/*}" && rm -f "$1/root$path" \
        && printf '# The packaged content of this file was not known when the package was rebuilt.\n' \
          >"$1/root$path" && chmod 0644 "$1/root$path" || return
    fi
  done <"$1/conffiles"
}
