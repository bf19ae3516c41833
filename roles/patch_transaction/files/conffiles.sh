# shellcheck shell=sh
# Configuration files of the planned packages: before the transaction, after it, and those that somebody edited
# later. Needs lib.sh, base.sh, packages.sh.
# shellcheck disable=SC2154  # set by read_input, open_call and the manager's file
#
# before/conffiles/shipped   `PATH SUM`, as in the packages           present, absent   paths
#                  sums      `SUM  PATH` of the present files         files.tar         the files
#                  leftovers files that the manager had put beside them before
#                  watched, after   the files after the transaction   noted             the time

# Prints `SUM  PATH` of files that exist; for a symbolic link the sum of its target.
list_sums() { # FILE with paths
  true >"$call/sums.files" || return
  while IFS= read -r path; do
    if [ -h "$path" ]; then
      printf 'link:%s  %s\n' "$(readlink "$path")" "$path"
    elif [ -f "$path" ]; then
      printf '%s\0' "$path" >>"$call/sums.files" || return
    fi
  done <"$1"
  if [ ! -s "$call/sums.files" ]; then return; fi
  xargs -0 -r md5sum <"$call/sums.files" >"$call/sums.told" || return
  plain_sums "$call/sums.told"
}

list_paths() { # FILE of list_conffiles
  sed 's/ [0-9a-f]*$//' "$1"
}

list_present() { # FILE with paths
  while IFS= read -r path; do
    if [ -h "$path" ] || [ -f "$path" ]; then printf '%s\n' "$path"; fi
  done <"$1"
}

list_absent() { # FILE with paths
  while IFS= read -r path; do
    if [ ! -h "$path" ] && [ ! -f "$path" ]; then printf '%s\n' "$path"; fi
  done <"$1"
}

list_leftovers() { # FILE with paths: what the manager has laid beside them
  while IFS= read -r path; do
    for ending in $LEFT_BESIDE; do
      if [ -e "$path.$ending" ]; then printf '%s\n' "$path.$ending"; fi
    done
  done <"$1"
}

save_conffiles() { # FOLDER: copies and a list of what was there
  need_folder "$1"
  save "$1/shipped" list_conffiles "$tx/before/installed"
  save "$call/paths" list_paths "$1/shipped"
  save "$1/present" list_present "$call/paths"
  save "$1/absent" list_absent "$call/paths"
  save "$1/leftovers" list_leftovers "$call/paths"
  save "$call/relative" sed 's|^/||' "$1/present"
  tar -C / -cf "$1/files.tar" --verbatim-files-from --no-unquote -T "$call/relative" >&2 \
    || refuse "the configuration files cannot be kept in $1: $(why_unwritable)"
  save "$call/kept" tar -tf "$1/files.tar"
  [ "$(lines_of "$call/kept")" = "$(lines_of "$1/present")" ] \
    || refuse "not all configuration files could be kept in $1"
  save "$1/sums" list_sums "$1/present"
}

# Records the files as the transaction leaves them, those of new packages too. Only a later difference means that
# somebody edited a file.
note_conffiles() { # FOLDER
  if [ -f "$1/noted" ]; then return; fi
  try_save "$call/shipped" list_conffiles "$call/installed.now" \
    && try_save "$call/watched" list_watched "$1" && try_save "$1/watched" sort -u "$call/watched" \
    && try_save "$1/after" list_sums "$1/watched" && keep "$1/noted" "$(now)"
}

list_watched() { # FOLDER
  cat "$1/present" "$1/absent" && list_paths "$call/shipped"
}

# Prints paths that differ both from the state after the transaction and from that before it. Without a record of
# the state after it, those that differ from the state before.
list_edited() { # FOLDER WATCHED-FILE
  list_sums "$2" >"$call/sums.now" || return
  awk -v before="$1/sums" -v after="$1/after" -v now="$call/sums.now" -v known="$([ -f "$1/noted" ] && echo 1)" '
    function read_sums(file, into,  line, at) {
      while ((getline line < file) > 0) { at = index(line, "  "); into[substr(line, at + 2)] = substr(line, 1, at) }
    }
    BEGIN { read_sums(before, first); read_sums(now, found); if (known) read_sums(after, left) }
    (found[$0] "") != (first[$0] "") && (!known || (found[$0] "") != (left[$0] ""))' "$2"
}

# Called before packages go back: a file that somebody edited after the transaction stays. Its old content is saved
# beside it. The edited file is saved, too, as the manager may remove it with a new package or replace it by the
# old one.
find_edited() { # FOLDER
  if [ -f "$folder/edited" ]; then return; fi
  if [ ! -f "$tx/etc/whole" ]; then # no package was touched, so nothing will be put back
    keep "$folder/edited" ""
    return
  fi
  if [ ! -f "$1/noted" ]; then
    try_save "$call/shipped" list_conffiles "$call/installed.now" \
      && try_save "$call/watched" list_watched "$1" && try_save "$1/watched" sort -u "$call/watched" || return
  fi
  try_save "$call/edited" list_edited "$1" "$1/watched" || return
  while IFS= read -r path; do
    if grep -qxF -e "$path" "$1/present"; then
      need_folder "$tx/kept" && tar -C "$tx/kept" -xpf "$1/files.tar" --no-wildcards "${path#/}" >&2 || return
    fi
    if [ -e "$path" ]; then
      need_folder "$tx/kept" && need_folder "$tx/kept/edited" \
        && mkdir -p "$tx/kept/edited${path%/*}" && cp -a "$path" "$tx/kept/edited$path" >&2 || return
    fi
  done <"$call/edited"
  keep "$folder/edited" "$(cat "$call/edited")"
}

# Restores file by file: unpacking the whole archive would overwrite later edits.
restore_conffiles() { # FOLDER
  if [ ! -f "$tx/etc/whole" ]; then return; fi
  try_save "$call/sums.back" list_sums "$1/present" \
    && try_save "$call/changed" list_changed "$1/sums" "$call/sums.back" || return
  while IFS= read -r path; do
    if grep -qxF -e "$path" "$folder/edited"; then continue; fi
    need_folder "$call/back" && tar -C "$call/back" -xpf "$1/files.tar" --no-wildcards "${path#/}" >&2 \
      && put_back "$call/back$path" "$path" || return
  done <"$call/changed"
  while IFS= read -r path; do
    if ! grep -qxF -e "$path" "$folder/edited"; then rm -f "$path" || return; fi
  done <"$1/absent"
  while IFS= read -r path; do
    copy=$tx/kept/edited$path
    if [ -n "$path" ] && [ -f "$copy" ] && grep -qxF -e "$path" "$1/present" \
      && [ "$(sha256_of "$copy")" != "$(sha256_of "$path")" ]; then
      put_back "$copy" "$path" || return
    fi
  done <"$folder/edited"
  try_save "$call/leftovers" list_leftovers "$1/watched" || return
  while IFS= read -r path; do
    if ! grep -qxF -e "$path" "$1/leftovers"; then rm -f "$path" || return; fi
  done <"$call/leftovers"
}

list_changed() { # SUMS-BEFORE SUMS-NOW: paths of before that are gone or not the same
  awk -v now="$2" '
    BEGIN { while ((getline line < now) > 0) same[line] }
    !($0 in same) { print substr($0, index($0, "  ") + 2) }' "$1"
}

# Prints `config-kept PATH BESIDE`: the update did not change the file although the package's version differs,
# which is at BESIDE. `config-changed PATH -`: the update changed the file.
say_conffiles() { # FOLDER
  try_save "$call/sums.back" list_sums "$1/present" \
    && try_save "$call/changed" list_changed "$1/sums" "$call/sums.back" \
    && try_save "$call/leftovers" list_leftovers "$1/watched" || return
  while IFS= read -r path; do
    if [ -e "$path" ]; then say_paths config-changed "$path" -; fi
  done <"$call/changed"
  while IFS= read -r path; do
    if ! grep -qxF -e "$path" "$1/leftovers"; then say_beside "$path"; fi
  done <"$call/leftovers"
}

say_beside() { # PATH of what the manager laid beside a file
  case " $SAVED_BESIDE " in
    *" ${1##*.} "*) say note "${1%.*} was replaced or removed, as it was it lies in $1" ;;
    *) say_paths config-kept "${1%.*}" "$1" ;;
  esac
}

# Prints `stays PATH COPY`: somebody edited the file, and COPY has its content before the transaction, or is `-` if
# the file did not exist. `removed PATH COPY`: the file was removed with its new package; COPY has the edited file.
say_edited() { # FOLDER
  while IFS= read -r path; do
    if [ -z "$path" ]; then continue; fi
    if [ -e "$tx/kept$path" ] || [ -h "$tx/kept$path" ]; then
      say_paths stays "$path" "$tx/kept$path"
    elif [ -e "$path" ]; then
      say_paths stays "$path" -
    else
      say_paths removed "$path" "$tx/kept/edited$path"
    fi
  done <"$folder/edited"
}
