# shellcheck shell=sh
# Files in /etc that are not configuration files of a package but are written by maintainer scripts
# (ca-certificates.conf, bundles, caches): an undo restores them, too. Needs lib.sh, base.sh and a package
# manager's file.
# A file that the transaction did not change, or that somebody changed after it, stays as it is. Without a record
# of the state after the transaction nobody knows who changed a file, so it stays, too.
# shellcheck disable=SC2034,SC2154  # set by read_input and detached.sh, used by package_work.sh
#
# etc/paths, before, files.tar, whole   /etc before the transaction     after, changed, noted   after it
# etc/old      changed files, as they were before          edited, restored   what an undo did
# etc/beside   files that were beside others before, as their package has them

# Users and groups are not restored: files of a new user must not become files of nobody.
list_etc() { # paths without the leading slash
  # find reports an error for a folder that is removed meanwhile; that is rare, and rarer in a second try.
  cd / && { find_etc >"$call/etc.found" || find_etc >"$call/etc.found"; } || return
  LC_ALL=C awk '!/[^ -~]/ { print; n++ } END { exit n == 0 }' "$call/etc.found" >"$call/etc.plain" \
    && sort "$call/etc.plain"
}

find_etc() (
  set -f # the globs are for find
  set --
  for glob in $OWN_IN_ETC; do set -- "$@" ! -name "$glob"; done
  find etc -xdev -name .git -prune -o -type f -size -2048k \
    ! -name 'passwd*' ! -name 'group*' ! -name 'shadow*' ! -name 'gshadow*' ! -name 'sub?id*' \
    ! -name ld.so.cache ! -name mtab ! -name resolv.conf \
    ! -name hostname ! -name hosts ! -name adjtime "$@" -print
)

# Prints `MD5  PATH`; for a link that replaced a file, the sum of its target's name. One md5sum for all: /etc has a
# thousand files, and a process costs more than a small file. A file may be removed meanwhile, but none that
# exists is left out.
list_etc_sums() { # FILE with paths
  cd / && true >"$call/etc.links" && while IFS= read -r path; do
    if [ -h "$path" ]; then
      printf '%s  %s\n' "$(link_sum "$path")" "$path" >>"$call/etc.links" || return
    elif [ -f "$path" ]; then
      printf '%s\0' "$path"
    fi
  done <"$1" >"$call/etc.files" || return
  xargs -0 -r md5sum <"$call/etc.files" >"$call/etc.md5" 2>/dev/null
  plain_sums "$call/etc.md5" >"$call/etc.told" || return
  if [ -s "$call/etc.links" ]; then cat "$call/etc.links" >>"$call/etc.told" || return; fi
  awk -v sums="$call/etc.told" '
    BEGIN { while ((getline line < sums) > 0) told[substr(line, 35)] }
    !($0 in told)' "$1" >"$call/etc.untold" || return
  while IFS= read -r path; do
    if [ -f "$path" ] && [ -r "$path" ]; then return 1; fi
  done <"$call/etc.untold"
  cat "$call/etc.told"
}

link_sum() { # PATH
  link_whole=$(printf 'link to %s' "$(readlink "$1")" | md5sum)
  printf '%s' "${link_whole%% *}"
}

# Only the first start sees /etc in its old state. Fails if that could not be saved.
save_etc() {
  if [ -f "$tx/etc/whole" ]; then return; fi
  need_folder "$tx/etc"
  try_save "$tx/etc/paths" list_etc && try_save "$tx/etc/beside" list_beside && try_save "$tx/etc/before" list_etc_sums "$tx/etc/paths" || return
  keep_etc_files && return
  save_error="/etc cannot be kept in $tx/etc: $(why_unwritable)"
  return 1
}

keep_etc_files() {
  tar -C / -cf "$tx/etc/files.tar" --verbatim-files-from --no-unquote -T "$tx/etc/paths" >&2
  # 1: a file changed or was removed while tar read it; it only matters that the archive is complete.
  [ $? -le 1 ] && tar -tf "$tx/etc/files.tar" >/dev/null && keep "$tx/etc/whole" "$(now)"
}

# Prints files that were put beside files of /etc instead of replacing them, without the leading slash.
list_beside() (
  cd / || return
  set -f # the globs are for find
  set --
  for ending in $LEFT_BESIDE; do set -- "$@" -o -name "*.$ending"; done
  shift
  find etc -xdev -type f "(" "$@" ")" || find etc -xdev -type f "(" "$@" ")"
)

# Like `say_conffiles`, for files that maintainer scripts or their tool (ucf) write.
say_etc() {
  if [ ! -f "$tx/etc/noted" ]; then return; fi
  while IFS= read -r path; do
    if [ -e "/$path" ]; then say_paths config-changed "/$path" -; fi
  done <"$tx/etc/changed"
  if [ ! -f "$tx/etc/beside" ]; then return; fi # begun by a patchctl that did not look
  try_save "$call/etc.beside" list_beside || return
  while IFS= read -r path; do
    if grep -qxF -e "$path" "$tx/etc/beside" \
      || grep -qxF -e "/${path%.*}" "$tx/before/conffiles/watched"; then continue; fi
    say_beside "/$path"
  done <"$call/etc.beside"
}

# Right after the transaction: only changed files are saved, since the rest of /etc contains secrets.
note_etc() {
  if [ ! -f "$tx/etc/whole" ] || [ -f "$tx/etc/noted" ]; then return; fi
  keep_etc_changed && keep "$tx/etc/noted" "$(now)" && rm -f "$tx/etc/files.tar"
}

keep_etc_changed() {
  try_save "$tx/etc/after" list_etc_sums "$tx/etc/paths" \
    && try_save "$tx/etc/changed" list_etc_changed || return
  if [ -s "$tx/etc/changed" ]; then
    need_folder "$tx/etc/old"
    tar -C "$tx/etc/old" -xpf "$tx/etc/files.tar" --no-wildcards --verbatim-files-from \
      --no-unquote -T "$tx/etc/changed" >&2 || return
  fi
}

# Prints lines of `before` that `after` does not have: changed or removed files. Configuration files are recorded
# elsewhere.
list_etc_changed() {
  awk -v after="$tx/etc/after" -v conffiles="$tx/before/conffiles/watched" '
    BEGIN {
      while ((getline line < after) > 0) same[line]
      while ((getline line < conffiles) > 0) own[substr(line, 2)]
    }
    !($0 in same) && !(substr($0, 35) in own) { print substr($0, 35) }' "$tx/etc/before"
}

# Called before packages go back, so that their scripts find the files that they know.
restore_etc() {
  if [ ! -f "$tx/etc/whole" ] || [ -f "$tx/etc/restored" ]; then return 0; fi
  etc_known=yes
  if [ ! -f "$tx/etc/noted" ]; then
    etc_known=no
    keep_etc_changed || return
  fi
  try_save "$call/etc.now" list_etc_sums "$tx/etc/changed" && true >"$call/etc.edited" || return
  while IFS= read -r path; do
    now_sum=$(sum_in "$call/etc.now" "$path") && then_sum=$(sum_in "$tx/etc/after" "$path") \
      && first_sum=$(sum_in "$tx/etc/before" "$path") || return
    if [ "$now_sum" = "$first_sum" ]; then
      continue # an earlier attempt of ours, or somebody, brought it back
    elif [ "$etc_known" = yes ] && [ "$now_sum" = "$then_sum" ]; then
      put_back "$tx/etc/old/$path" "/$path" || return
    else
      need_folder "$tx/kept" && mkdir -p "$tx/kept/${path%/*}" && cp -a "$tx/etc/old/$path" "$tx/kept/$path" >&2 \
        && printf '/%s\n' "$path" >>"$call/etc.edited" || return
    fi
  done <"$tx/etc/changed"
  keep "$tx/etc/edited" "$(cat "$call/etc.edited")" && keep "$tx/etc/restored" "$(now)"
}

sum_in() { # FILE PATH
  WANTED=$2 awk 'substr($0, 35) == ENVIRON["WANTED"] { print substr($0, 1, 32) }' "$1"
}

say_etc_edited() {
  if [ ! -f "$tx/etc/edited" ]; then return; fi
  while IFS= read -r path; do
    if [ -n "$path" ]; then say_paths stays "$path" "$tx/kept$path"; fi
  done <"$tx/etc/edited"
}
