# shellcheck shell=sh
# Package files: the new ones that the plan names, and the old ones that an undo needs.
# Needs lib.sh, base.sh, apt.sh.
# shellcheck disable=SC2016,SC2154  # dpkg-query expands; read_input and open_call set

ARCHIVES=/var/cache/apt/archives

is_file() { # PATH SIZE SHA256
  [ -f "$1" ] && [ ! -h "$1" ] && [ "$(($(wc -c <"$1")))" = "$2" ] && [ "$(sha256_of "$1")" = "$3" ]
}

sha256_of() { # PATH
  whole_sum=$(sha256sum <"$1")
  printf '%s' "${whole_sum%% *}"
}

# The controller names files, the host's own apt may have them under the same name.
take_file() { # SOURCE TARGET SIZE SHA256
  [ -f "$1" ] || return 1
  cp -L "$1" "$2.part" 2>/dev/null && is_file "$2.part" "$3" "$4" && mv -f "$2.part" "$2" && return 0
  rm -f "$2.part"
  return 1
}

# The repositories' own records of these versions: `NAME ARCH VERSION FILENAME`.
in_repositories() { # NAME:ARCH=VERSION...
  apt-cache show "$@" 2>/dev/null | awk '
    function out() { if (package != "" && file != "") print package, arch, version, file }
    /^Package: / { package = $2 } /^Architecture: / { arch = $2 } /^Version: / { version = $2 }
    /^Filename: / { file = $2 } /^$/ { out(); package = ""; file = "" } END { out() }' | sort -u
}

# Downloads into the folder what the repositories have; apt checks it against their signatures.
download() { # FOLDER; lines `NAME ARCH VERSION` on standard input
  download_wanted=$(awk '{ print $1 ":" $2 "=" $3 }' | sed 's/:all=/=/')
  [ -n "$download_wanted" ] || return 0
  # shellcheck disable=SC2086  # words
  download_there=$(in_repositories $download_wanted | awk '{ print $1 ":" $2 "=" $3 }' | sed 's/:all=/=/')
  download_both=$(printf '%s\n%s\n' "$download_wanted" "$download_there" | sort | uniq -d)
  [ -n "$download_both" ] || return 0
  (
    cd "$1" || exit 1
    # shellcheck disable=SC2086
    timeout 300 apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=10 \
      -o Acquire::https::Timeout=10 download $download_both >>"$call/download.log" 2>&1 </dev/null
  )
  return 0
}

# `NAME ARCH TO FILE SIZE SHA256` of what is not there yet.
list_need_new() {
  printf '%s' "$packages" | while read -r _ _ action _ _ _ file _; do
    if [ "$action" != remove ] && [ -f "$tx/new/$file" ] && [ ! -h "$tx/new/$file" ]; then
      printf '%s\0' "$tx/new/$file"
    fi
  done >"$call/new.files" || return
  xargs -0 -r sha256sum <"$call/new.files" >"$call/new.sums" || return
  printf '%s' "$packages" | awk -v folder="$tx/new/" -v sums="$call/new.sums" '
    BEGIN { while ((getline line < sums) > 0) sum[substr(line, 67)] = substr(line, 1, 64) }
    $3 != "remove" && sum[folder $7] != $9 { print $1, $2, $5, $7, $8, $9 }'
}

collect_new() {
  need_folder "$tx/new"
  save "$call/need" list_need_new
  while read -r _ _ _ file size sum; do
    in_call
    take_file "$tx/pushed/$file" "$tx/new/$file" "$size" "$sum" \
      || take_file "$ARCHIVES/$file" "$tx/new/$file" "$size" "$sum" || true # the next ways follow
  done <"$call/need"
  save "$call/need" list_need_new
  if [ -s "$call/need" ]; then
    need_folder "$call/download"
    cut -d ' ' -f 1-3 "$call/need" | download "$call/download"
    while read -r _ _ _ file size sum; do
      in_call
      take_file "$call/download/$file" "$tx/new/$file" "$size" "$sum" || true # said as missing
    done <"$call/need"
    rm -rf "$call/download"
    save "$call/need" list_need_new
  fi
  save "$call/need.new" cat "$call/need"
  awk '{ print "missing new " $4 " " $6 " " $5 }' "$call/need.new"
  [ ! -s "$call/need.new" ]
}

# Why files could not be had: what apt said when it fetched, or a full disk.
fetch_error() {
  fetch_cause=''
  if [ -f "$call/download.log" ]; then fetch_cause=$(cause_in "$call/download.log"); fi
  if [ -z "$fetch_cause" ] && ! true 2>/dev/null >"$call/room"; then fetch_cause=$(why_unwritable); fi
  plain "${fetch_cause:+ ($fetch_cause)}"
}

# --- old versions --------------------------------------------------------------------------------

old_name() { # NAME ARCH VERSION: apt's own way to name it
  printf '%s_%s_%s.deb' "$1" "$(printf '%s' "$3" | sed 's/:/%3a/g')" "$2"
}

# `ACTION NAME ARCH FROM FILE INSTALLED-ARCH` of the planned packages that PLACES does not have at
# `from`. The architecture may change in an update; FILE has the one of before, named as by
# old_name. One awk for all: a host's processes cost more than its work.
list_going_back() { # PLACES-FILE
  printf '%s' "$packages" | awk -v before="$tx/before/installed" -v places="$1" '
    BEGIN {
      while ((getline line < before) > 0) {
        split(line, f, " ")
        there[f[1] " " f[2] " " f[3]]; other[f[1] " " f[3]] = f[2]; known++
      }
      if (!known) exit 1
      while ((getline line < places) > 0) { split(line, f, " "); place[f[1] " " f[2]] = f[3] }
    }
    place[$1 " " $2] == "from" { next }
    {
      arch = $2
      if (!(($1 " " $2 " " $4) in there) && (($1 " " $4) in other)) arch = other[$1 " " $4]
      version = $4
      gsub(/:/, "%3a", version)
      print $3, $1, $2, $4, $1 "_" version "_" arch ".deb", arch
    }'
}

is_package() { # FILE NAME ARCH VERSION
  # shellcheck disable=SC2016  # dpkg-deb expands them
  [ -f "$1" ] \
    && [ "$(dpkg-deb -W --showformat='${Package} ${Architecture} ${Version}' "$1" 2>/dev/null)" = "$2 $3 $4" ]
}

take_old() { # SOURCE NAME ARCH VERSION FILE WAY
  [ ! -h "$1" ] || [ "$6" = repository ] || return 1
  # Its sum first: an undo takes no file whose sum it does not know.
  is_package "$1" "$2" "$3" "$4" && cp -L "$1" "$tx/old/$5.part" \
    && is_package "$tx/old/$5.part" "$2" "$3" "$4" && [ -n "$(sha256_of "$tx/old/$5.part")" ] \
    && printf '%s %s %s %s %s\n' "$2" "$3" "$4" "$6" "$(sha256_of "$tx/old/$5.part")" >>"$tx/old.ways" \
    && mv -f "$tx/old/$5.part" "$tx/old/$5"
}

# `NAME ARCH FROM FILE` of what is not there yet.
list_need_old() {
  list_going_back /dev/null >"$call/back" || return
  while read -r action name _ from file arch; do
    if [ "$action" = new ] || [ -f "$tx/old/$file" ]; then continue; fi
    printf '%s %s %s %s\n' "$name" "$arch" "$from" "$file"
  done <"$call/back"
}

collect_old() {
  need_folder "$tx/old"
  true >>"$tx/old.ways" || cannot_write "$tx/old.ways"
  printf '%s' "$stored" | while read -r name arch version file size sum; do
    old=$(old_name "$name" "$arch" "$version")
    if [ ! -f "$tx/old/$old" ] && is_file "$tx/pushed/$file" "$size" "$sum"; then
      take_old "$tx/pushed/$file" "$name" "$arch" "$version" "$old" content-store && rm -f "$tx/pushed/$file"
    fi
  done
  save "$call/need" list_need_old
  while read -r name arch version file; do
    take_old "$ARCHIVES/$file" "$name" "$arch" "$version" "$file" cache || true # the next ways follow
  done <"$call/need"
  save "$call/need" list_need_old
  ask_controller
  if [ -s "$call/need" ]; then
    need_folder "$call/download"
    cut -d ' ' -f 1-3 "$call/need" | download "$call/download"
    while read -r name arch version file; do
      take_old "$call/download/$file" "$name" "$arch" "$version" "$file" repository || true
    done <"$call/need"
    rm -rf "$call/download"
    save "$call/need" list_need_old
  fi
  while read -r name arch version file; do
    in_call
    rebuild "$name" "$arch" "$version" "$file" && is_package "$call/rebuilt.deb" "$name" "$arch" "$version" \
      && take_old "$call/rebuilt.deb" "$name" "$arch" "$version" "$file" rebuilt
    rm -f "$call/rebuilt.deb"
  done <"$call/need"
  save "$call/need" list_need_old
}

# What the content store has is taken from there: those are the very files that were installed.
ask_controller() {
  save "$call/asked" list_in_store
  awk '{ print "missing old " $4 " " $5 " " $6 }' "$call/asked"
  save "$call/need.rest" list_not_asked
  save "$call/need" cat "$call/need.rest"
}

list_in_store() { # `NAME ARCH VERSION FILE SHA256 SIZE` of what is needed and can be had there
  [ "$pushed" = no ] || return 0
  printf '%s' "$stored" | awk -v need="$call/need" '
    BEGIN { while ((getline line < need) > 0) { split(line, f, " "); needed[f[1] " " f[2] " " f[3]] } }
    (($1 " " $2 " " $3) in needed) { print $1, $2, $3, $4, $6, $5 }'
}

list_not_asked() {
  awk -v asked="$call/asked" '
    BEGIN { while ((getline line < asked) > 0) { split(line, f, " "); skip[f[1] " " f[2] " " f[3]] } }
    !(($1 " " $2 " " $3) in skip)' "$call/need"
}

# --- an old version from its installed files -----------------------------------------------------

# What dpkg-repack does, in sh: nothing is installed on the host for it. What cannot be known is the
# packaged content of configuration files that somebody changed. A package that lacks a file would be
# taken for a good one by the undo, so each step says whether it came to its end.
rebuild() ( # NAME ARCH VERSION: builds rebuilt.deb
  umask 022
  rebuild_id=$(named "$1" "$2")
  rebuild_root=$call/rebuild
  rm -rf "$rebuild_root"
  own_folder "$rebuild_root" \
    && mkdir -m 0755 "$rebuild_root/root" "$rebuild_root/root/DEBIAN" \
    && rebuild_control "$rebuild_id" "$rebuild_root/root/DEBIAN" \
    && rebuild_lists "$rebuild_id" "$rebuild_root" \
    && rebuild_files "$rebuild_root" \
    && rebuild_conffiles "$rebuild_root" \
    && chmod 0755 "$rebuild_root/root" \
    && dpkg-deb -Zgzip -z1 -b "$rebuild_root/root" "$call/rebuilt.deb" >&2 </dev/null
  rebuild_code=$?
  rm -rf "$rebuild_root"
  return "$rebuild_code"
)

rebuild_control() { # ID FOLDER
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

# `d|f PATH REAL-PATH`, apart by tabs, of all that belongs to the package.
# dpkg -L names a diverted file by its own path and says on the next line where it lies.
rebuild_lists() { # ID FOLDER
  bounded dpkg-query -L "$1" >"$2/told" && awk '
    function out(real) { if (path != "" && path != "/.") { print path "\t" real; n++ } path = "" }
    /^\// { out(path); path = $0; next }
    /^(locally diverted to|diverted by [^ ]+ to): \// { to = $0; sub(/^[^:]*: /, "", to); out(to) }
    END { out(path); exit n == 0 }' "$2/told" >"$2/paths" || return
  # A path with others below it is a folder in the package, even where the host has a symbolic link
  # there (a merged /usr).
  awk -F '\t' -v OFS='\t' '{ path[NR] = $1; whole[NR] = $0; parent = $1
      while (match(parent, /\/[^\/]*$/) && RSTART > 1) { parent = substr(parent, 1, RSTART - 1); inner[parent] = 1 } }
    END { for (i = 1; i <= NR; i++) print (path[i] in inner) ? "d" : "f", whole[i] }' "$2/paths" >"$2/all"
}

rebuild_files() { # FOLDER
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
  # The first tar of the two may have failed.
  while IFS= read -r path; do
    [ -e "$1/root$path" ] || [ -h "$1/root$path" ] || return
  done <"$1/wanted"
}

# A changed configuration file must not go into the package: dpkg would take it for the packaged
# one and overwrite it in silence at the next update. A placeholder keeps it "changed by the
# administrator"; --force-confold keeps the administrator's file.
rebuild_conffiles() { # FOLDER
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
