# shellcheck shell=sh
# Files in /etc that are no package's configuration files but are written by maintainer scripts
# (ca-certificates.conf, bundles, caches): an undo brings them back, too. Needs lib.sh, base.sh and a
# package manager's file.
# What the transaction did not touch, or somebody changed after it, stays as it is; and where nobody
# wrote down how the transaction left it, nobody knows who changed it, so it stays, too.
# shellcheck disable=SC2034,SC2154  # set by read_input and detached.sh, used by package_work.sh
#
# etc/paths, before, files.tar, whole   /etc before the transaction     after, changed, noted   after it
# etc/old      what it changed, as it was                  edited, restored   what an undo did
# etc/beside   what lay beside other files already, as their package has them

# Users and groups stay: what a new user owns must not become nobody's.
list_etc() { # paths without the leading slash
  # A folder that goes while find walks is an error to it; that is rare, and not so twice.
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

# `MD5  PATH`; of a link that took a file's place the sum of its target's name. One md5sum for all of
# them: /etc has a thousand files, and a process costs more than a small file. A file may go while it
# is looked at, but none that is there is left out.
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

# Only the first start sees /etc as it was. False where it could not be kept.
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
  # 1: a file changed or went while it was read; what matters is that the archive is whole.
  [ $? -le 1 ] && tar -tf "$tx/etc/files.tar" >/dev/null && keep "$tx/etc/whole" "$(now)"
}

# What was laid beside files of /etc instead of replacing them, without the leading slash.
list_beside() (
  cd / || return
  set -f # the globs are for find
  set --
  for ending in $LEFT_BESIDE; do set -- "$@" -o -name "*.$ending"; done
  shift
  find etc -xdev -type f "(" "$@" ")" || find etc -xdev -type f "(" "$@" ")"
)

# As `say_conffiles`, of files that maintainer scripts write or that a tool of theirs kept (ucf).
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

# Right after the transaction: what it changed is kept, the rest of /etc holds secrets.
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

# Lines of `before` that have no equal in `after`: changed or gone. Configuration files have their
# own record.
list_etc_changed() {
  awk -v after="$tx/etc/after" -v conffiles="$tx/before/conffiles/watched" '
    BEGIN {
      while ((getline line < after) > 0) same[line]
      while ((getline line < conffiles) > 0) own[substr(line, 2)]
    }
    !($0 in same) && !(substr($0, 35) in own) { print substr($0, 35) }' "$tx/etc/before"
}

# Before packages go back, so that their scripts find what they knew.
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
