# shellcheck shell=sh
# Package files: the new ones that the plan names, and the old ones that an undo needs.
# Needs lib.sh and apt.sh.
# shellcheck disable=SC2154  # set by read_input

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
      -o Acquire::https::Timeout=10 download $download_both >"$tx/download.log" 2>&1 </dev/null
  )
  return 0
}

need_new() { # `NAME ARCH TO FILE SIZE SHA256` of what is not there yet
  printf '%s' "$packages" | while read -r _ _ action _ _ _ file _; do
    if [ "$action" != remove ] && [ -f "$tx/new/$file" ] && [ ! -h "$tx/new/$file" ]; then
      printf '%s\0' "$tx/new/$file"
    fi
  done | xargs -0 -r sha256sum >"$tx/new.sums"
  printf '%s' "$packages" | awk -v folder="$tx/new/" '
    FILENAME == ARGV[1] { sum[substr($0, 67)] = $1; next }
    $3 != "remove" && sum[folder $7] != $9 { print $1, $2, $5, $7, $8, $9 }' "$tx/new.sums" -
}

collect_new() {
  own_folder "$tx/new" || refuse "$tx/new is not a folder of root alone"
  need_new >"$tx/need"
  while read -r _ _ _ file size sum; do
    take_file "$tx/pushed/$file" "$tx/new/$file" "$size" "$sum" \
      || take_file "$ARCHIVES/$file" "$tx/new/$file" "$size" "$sum" || true
  done <"$tx/need"
  need_new >"$tx/need"
  if [ -s "$tx/need" ]; then
    rm -rf "$tx/download"
    own_folder "$tx/download" || refuse "$tx/download is not a folder of root alone"
    cut -d ' ' -f 1-3 "$tx/need" | download "$tx/download"
    while read -r _ _ _ file size sum; do
      take_file "$tx/download/$file" "$tx/new/$file" "$size" "$sum" || true
    done <"$tx/need"
    rm -rf "$tx/download"
    need_new >"$tx/need"
  fi
  mv "$tx/need" "$tx/need.new"
  awk '{ print "missing new " $4 " " $6 " " $5 }' "$tx/need.new"
  [ ! -s "$tx/need.new" ]
}

# --- old versions --------------------------------------------------------------------------------

old_name() { # NAME ARCH VERSION: apt's own way to name it
  printf '%s_%s_%s.deb' "$1" "$(printf '%s' "$3" | sed 's/:/%3a/g')" "$2"
}

# `ACTION NAME ARCH FROM FILE INSTALLED-ARCH` of the planned packages that PLACES does not have at
# `from`. The architecture may change in an update; FILE has the one of before, named as by
# old_name. One awk for all: a host's processes cost more than its work.
going_back() { # PLACES-FILE
  printf '%s' "$packages" | awk '
    FILENAME == ARGV[1] { there[$1 " " $2 " " $3]; other[$1 " " $3] = $2; next }
    FILENAME == ARGV[2] { place[$1 " " $2] = $3; next }
    place[$1 " " $2] == "from" { next }
    {
      arch = $2
      if (!(($1 " " $2 " " $4) in there) && (($1 " " $4) in other)) arch = other[$1 " " $4]
      version = $4
      gsub(/:/, "%3a", version)
      print $3, $1, $2, $4, $1 "_" version "_" arch ".deb", arch
    }' "$tx/before/installed" "$1" -
}

is_package() { # FILE NAME ARCH VERSION
  # shellcheck disable=SC2016  # dpkg-deb expands them
  [ -f "$1" ] \
    && [ "$(dpkg-deb -W --showformat='${Package} ${Architecture} ${Version}' "$1" 2>/dev/null)" = "$2 $3 $4" ]
}

take_old() { # SOURCE NAME ARCH VERSION FILE WAY
  [ ! -h "$1" ] || [ "$6" = repository ] || return 1
  is_package "$1" "$2" "$3" "$4" && cp -L "$1" "$tx/old/$5.part" && mv -f "$tx/old/$5.part" "$tx/old/$5" \
    && printf '%s %s %s %s %s\n' "$2" "$3" "$4" "$6" "$(sha256_of "$tx/old/$5")" >>"$tx/old.ways"
}

need_old() { # `NAME ARCH FROM FILE` of what is not there yet
  going_back /dev/null | while read -r action name _ from file arch; do
    if [ "$action" = new ] || [ -f "$tx/old/$file" ]; then continue; fi
    printf '%s %s %s %s\n' "$name" "$arch" "$from" "$file"
  done
}

collect_old() {
  own_folder "$tx/old" || refuse "$tx/old is not a folder of root alone"
  touch "$tx/old.ways"
  printf '%s' "$stored" | while read -r name arch version file size sum; do
    old=$(old_name "$name" "$arch" "$version")
    if [ ! -f "$tx/old/$old" ] && is_file "$tx/pushed/$file" "$size" "$sum"; then
      take_old "$tx/pushed/$file" "$name" "$arch" "$version" "$old" content-store && rm -f "$tx/pushed/$file"
    fi
  done
  need_old >"$tx/need"
  while read -r name arch version file; do
    take_old "$ARCHIVES/$file" "$name" "$arch" "$version" "$file" cache || true
  done <"$tx/need"
  need_old >"$tx/need"
  ask_controller
  if [ -s "$tx/need" ]; then
    rm -rf "$tx/download"
    own_folder "$tx/download" || refuse "$tx/download is not a folder of root alone"
    cut -d ' ' -f 1-3 "$tx/need" | download "$tx/download"
    while read -r name arch version file; do
      take_old "$tx/download/$file" "$name" "$arch" "$version" "$file" repository || true
    done <"$tx/need"
    rm -rf "$tx/download"
    need_old >"$tx/need"
  fi
  while read -r name arch version file; do
    rebuild "$name" "$arch" "$version" "$file" && is_package "$tx/rebuilt.deb" "$name" "$arch" "$version" \
      && take_old "$tx/rebuilt.deb" "$name" "$arch" "$version" "$file" rebuilt
    rm -f "$tx/rebuilt.deb"
  done <"$tx/need"
  need_old >"$tx/need"
}

# What the content store has is taken from there: those are the very files that were installed.
ask_controller() {
  : >"$tx/asked"
  [ "$pushed" = no ] || return 0
  printf '%s' "$stored" | while read -r name arch version file size sum; do
    if grep -q "^$name $arch $version " "$tx/need"; then
      printf 'missing old %s %s %s\n' "$file" "$sum" "$size"
      printf '%s %s %s\n' "$name" "$arch" "$version" >>"$tx/asked"
    fi
  done
  awk 'FILENAME == ARGV[1] { asked[$0] = 1; next } !(($1 " " $2 " " $3) in asked)' "$tx/asked" "$tx/need" >"$tx/need.rest"
  mv "$tx/need.rest" "$tx/need"
}

# --- an old version from its installed files -----------------------------------------------------

# What dpkg-repack does, in sh: nothing is installed on the host for it. What cannot be known is the
# packaged content of configuration files that somebody changed.
rebuild() ( # NAME ARCH VERSION: builds TRANSACTION/rebuilt.deb
  umask 022
  rebuild_id=$(named "$1" "$2")
  rebuild_root=$tx/rebuild
  rm -rf "$rebuild_root"
  own_folder "$rebuild_root" || return 1
  mkdir -m 0755 "$rebuild_root/root" "$rebuild_root/root/DEBIAN" || return 1
  rebuild_control "$rebuild_id" "$rebuild_root/root/DEBIAN" || return 1
  rebuild_files "$rebuild_id" "$rebuild_root" || return 1
  rebuild_conffiles "$rebuild_root"
  chmod 0755 "$rebuild_root/root"
  dpkg-deb -Zgzip -z1 -b "$rebuild_root/root" "$tx/rebuilt.deb" >&2 </dev/null
  rebuild_code=$?
  rm -rf "$rebuild_root"
  return "$rebuild_code"
)

rebuild_control() { # ID FOLDER
  dpkg-query -s "$1" 2>/dev/null | awk '
    /^[^ ]/ { skip = ($1 == "Status:" || $1 == "Conffiles:" || $1 == "Config-Version:") }
    !skip' >"$2/control"
  [ -s "$2/control" ] || return 1
  dpkg-query --control-list "$1" 2>/dev/null | while read -r part; do
    case $part in
      preinst | postinst | prerm | postrm | config)
        dpkg-query --control-show "$1" "$part" >"$2/$part" && chmod 0755 "$2/$part"
        ;;
      templates | triggers | shlibs | symbols | md5sums)
        dpkg-query --control-show "$1" "$part" >"$2/$part" && chmod 0644 "$2/$part"
        ;;
    esac
  done
  dpkg-query -W -f='${Conffiles}\n' "$1" | sed -n 's/^ \(\/.*\) \([0-9a-f]\{32\}\)\( .*\)*$/\1 \2\3/p' \
    | grep -v ' obsolete$' >"$2/../../conffiles"
  sed 's/ [0-9a-f]\{32\}.*$//' "$2/../../conffiles" >"$2/conffiles"
  if [ ! -s "$2/conffiles" ]; then rm -f "$2/conffiles"; fi
}

# dpkg -L names a diverted file by its own path and says on the next line where it lies.
rebuild_files() { # ID FOLDER
  dpkg-query -L "$1" 2>/dev/null | awk '
    /^\// { if (path != "") print path "\t" path; path = $0; next }
    /^(locally diverted to|diverted by [^ ]+ to): \// {
      to = $0; sub(/^[^:]*: /, "", to); if (path != "") print path "\t" to; path = "" }
    END { if (path != "") print path "\t" path }' | grep -v '^/\.	' >"$2/paths"
  # A path with others below it is a folder in the package, even where the host has a symbolic link
  # there (a merged /usr).
  awk -F '\t' '{ path[NR] = $1; parent = $1
      while (match(parent, /\/[^\/]*$/) && RSTART > 1) { parent = substr(parent, 1, RSTART - 1); inner[parent] = 1 } }
    END { for (i = 1; i <= NR; i++) print (path[i] in inner) ? "d" : "f" }' "$2/paths" >"$2/kinds"
  paste "$2/kinds" "$2/paths" >"$2/all"
  : >"$2/plain"
  tab=$(printf '\t')
  while IFS=$tab read -r kind path real; do
    if [ "$kind" = d ] && [ -h "$path" ]; then
      mkdir -p "$2/root$path"
    elif [ "$path" != "$real" ]; then
      mkdir -p "$2/root${path%/*}" && cp -a "$real" "$2/root$path"
    elif [ -e "$path" ] || [ -h "$path" ]; then
      printf '%s\n' ".$path" >>"$2/plain"
    fi
  done <"$2/all"
  tar -C / --no-recursion -cf - -T "$2/plain" 2>/dev/null | tar -C "$2/root" -xpf - >&2
}

# A changed configuration file must not go into the package: dpkg would take it for the packaged
# one and overwrite it in silence at the next update. A placeholder keeps it "changed by the
# administrator"; --force-confold keeps the administrator's file.
rebuild_conffiles() { # FOLDER
  while read -r line; do
    path=$(printf '%s' "$line" | sed 's/ [0-9a-f]\{32\}.*$//')
    sum=$(printf '%s' "$line" | sed 's/^.* \([0-9a-f]\{32\}\).*$/\1/')
    if [ "$(md5sum <"$path" 2>/dev/null | cut -c1-32)" != "$sum" ]; then
      mkdir -p "$1/root${path%/*}"
      rm -f "$1/root$path"
      printf '# The packaged content of this file was not known when the package was rebuilt.\n' >"$1/root$path"
      chmod 0644 "$1/root$path"
    fi
  done <"$1/conffiles"
}
