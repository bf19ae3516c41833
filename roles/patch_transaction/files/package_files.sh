# shellcheck shell=sh
# Package files: the new ones of the plan, and the old ones that an undo needs.
# Needs lib.sh, base.sh, packages.sh.
# shellcheck disable=SC2154  # set by read_input, open_call and the manager's file

is_file() { # PATH SIZE SHA256
  [ -f "$1" ] && [ ! -h "$1" ] && [ "$(($(wc -c <"$1")))" = "$2" ] && [ "$(sha256_of "$1")" = "$3" ]
}

sha256_of() { # PATH
  whole_sum=$(sha256sum <"$1")
  printf '%s' "${whole_sum%% *}"
}

# The controller chooses the names; the package manager's cache may have the files under the same names.
take_file() { # SOURCE TARGET SIZE SHA256
  [ -f "$1" ] || return 1
  cp -L "$1" "$2.part" 2>/dev/null && is_file "$2.part" "$3" "$4" && mv -f "$2.part" "$2" && return 0
  rm -f "$2.part"
  return 1
}

# Prints `NAME ARCH TO FILE SIZE SHA256` of files that are still missing.
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
      || take_file "$(cached_path "$file")" "$tx/new/$file" "$size" "$sum" || true # the next ways follow
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

# Prints why files are missing: the error of the download, or a full disk.
fetch_error() {
  fetch_cause=''
  if [ -f "$call/download.log" ]; then fetch_cause=$(cause_in "$call/download.log"); fi
  if [ -z "$fetch_cause" ] && ! true 2>/dev/null >"$call/room"; then fetch_cause=$(why_unwritable); fi
  plain "${fetch_cause:+ ($fetch_cause)}"
}

# --- old versions --------------------------------------------------------------------------------

old_name() { # NAME ARCH VERSION: the manager's own way to name it
  awk -v name="$1" -v arch="$2" -v version="$3" "$FILE_NAME"' BEGIN { printf "%s", file_name(name, version, arch) }'
}

# Prints `ACTION NAME ARCH FROM FILE INSTALLED-ARCH` of the planned packages that are not at `from` by PLACES. An
# update may change the architecture; FILE contains the old one, as in old_name. One awk for all, since processes
# are the main cost on a host.
list_going_back() { # PLACES-FILE
  printf '%s' "$packages" | awk -v before="$tx/before/installed" -v places="$1" "$FILE_NAME"'
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
      print $3, $1, $2, $4, file_name($1, $4, arch), arch
    }'
}

take_old() { # SOURCE NAME ARCH VERSION FILE WAY
  [ ! -h "$1" ] || [ "$6" = repository ] || return 1
  # The sum is written first: an undo uses no file without a recorded sum.
  is_package "$1" "$2" "$3" "$4" && cp -L "$1" "$tx/old/$5.part" \
    && is_package "$tx/old/$5.part" "$2" "$3" "$4" && [ -n "$(sha256_of "$tx/old/$5.part")" ] \
    && printf '%s %s %s %s %s\n' "$2" "$3" "$4" "$6" "$(sha256_of "$tx/old/$5.part")" >>"$tx/old.ways" \
    && mv -f "$tx/old/$5.part" "$tx/old/$5"
}

# Prints `NAME ARCH FROM FILE` of files that are still missing.
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
    take_old "$(cached_path "$file")" "$name" "$arch" "$version" "$file" cache || true # the next ways follow
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
    rebuild "$name" "$arch" "$version" && is_package "$call/rebuilt" "$name" "$arch" "$version" \
      && take_old "$call/rebuilt" "$name" "$arch" "$version" "$file" rebuilt
    rm -f "$call/rebuilt"
  done <"$call/need"
  save "$call/need" list_need_old
}

# Files that the content store has come from there: they are the very files that were installed.
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
