# shellcheck shell=sh
# Configuration files of the planned packages: as they were, as the transaction left them, and which
# somebody edited after it. Needs lib.sh, base.sh, packages.sh.
# shellcheck disable=SC2154  # set by read_input, open_call and the manager's file
#
# before/conffiles/shipped   `PATH SUM`, as the packages have them    present, absent   paths
#                  sums      `SUM  PATH` of what was there            files.tar         the files
#                  leftovers what the manager had laid beside them already
#                  watched, after   as the transaction left them      noted             when

# `SUM  PATH` of those that are there; of a symbolic link its target counts.
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

# As the transaction leaves them, those of new packages too. Only what differs from this later was
# edited by somebody.
note_conffiles() { # FOLDER
  if [ -f "$1/noted" ]; then return; fi
  try_save "$call/shipped" list_conffiles "$call/installed.now" \
    && try_save "$call/watched" list_watched "$1" && try_save "$1/watched" sort -u "$call/watched" \
    && try_save "$1/after" list_sums "$1/watched" && keep "$1/noted" "$(now)"
}

list_watched() { # FOLDER
  cat "$1/present" "$1/absent" && list_paths "$call/shipped"
}

# Paths that are neither as the transaction left them nor as they were before it. Where nobody wrote
# down how it left them, those that are not as before.
list_edited() { # FOLDER WATCHED-FILE
  list_sums "$2" >"$call/sums.now" || return
  awk -v before="$1/sums" -v after="$1/after" -v now="$call/sums.now" -v known="$([ -f "$1/noted" ] && echo 1)" '
    function read_sums(file, into,  line, at) {
      while ((getline line < file) > 0) { at = index(line, "  "); into[substr(line, at + 2)] = substr(line, 1, at) }
    }
    BEGIN { read_sums(before, first); read_sums(now, found); if (known) read_sums(after, left) }
    (found[$0] "") != (first[$0] "") && (!known || (found[$0] "") != (left[$0] ""))' "$2"
}

# Before packages go back: what somebody edited after the transaction is theirs and stays. What it
# was before the transaction is laid aside, and the edited file, too: the manager may take it away with a new
# package, or lay the old one in its place.
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

# File by file: an archive that is unpacked whole would take later edits away.
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

# `config-kept PATH BESIDE`: the update left it alone although its version differs, which lies beside
# it. `config-changed PATH -`: it changed the file.
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

# `stays PATH COPY`: what somebody edited, and where it lies as it was before the transaction; `-`
# where it was not there. `removed PATH COPY`: it went with its new package, COPY is as it was edited.
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
