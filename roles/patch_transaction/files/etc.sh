# shellcheck shell=sh
# Files in /etc that are no package's configuration files but are written by maintainer scripts
# (ca-certificates.conf, bundles, caches): an undo brings them back, too. Needs lib.sh.
# What the transaction did not touch, or somebody changed after it, stays as it is.
# shellcheck disable=SC2154  # set by read_input

# Users and groups stay: what a new user owns must not become nobody's.
watched_etc() { # paths without the leading slash
  (
    cd / && find etc -xdev -name .git -prune -o -type f -size -2048k \
      ! -name 'passwd*' ! -name 'group*' ! -name 'shadow*' ! -name 'gshadow*' ! -name 'sub?id*' \
      ! -name '*.dpkg-*' ! -name '*.ucf-*' ! -name ld.so.cache ! -name mtab ! -name resolv.conf \
      ! -name hostname ! -name hosts ! -name adjtime -print
  ) | grep -v '[^[:print:]]' | sort
}

# One md5sum for all of them: /etc has a thousand files, and a process costs more than a small file.
etc_sums() { # LIST: `MD5  PATH`
  (
    cd / && while IFS= read -r path; do
      if [ -f "$path" ] && [ ! -h "$path" ]; then printf '%s\0' "$path"; fi
    done <"$1" | xargs -0 -r md5sum 2>/dev/null | sed '/^[\\]/d'
  )
}

# Only the first start sees /etc as it was.
save_etc() {
  if [ -f "$tx/etc/whole" ]; then return; fi
  own_folder "$tx/etc" || return
  watched_etc >"$tx/etc/paths"
  etc_sums "$tx/etc/paths" >"$tx/etc/before"
  tar -C / -cf "$tx/etc/files.tar" -T "$tx/etc/paths" >&2
  now | keep "$tx/etc/whole"
}

# After the transaction only what it changed is kept; the rest of /etc holds secrets.
note_etc() {
  if [ ! -f "$tx/etc/whole" ] || [ -f "$tx/etc/noted" ]; then return; fi
  etc_sums "$tx/etc/paths" >"$tx/etc/after"
  # A line of `before` that has no equal in `after`: changed or gone.
  awk 'FILENAME == ARGV[1] { after[$0] = 1; next } !($0 in after) { print substr($0, 35) }' \
    "$tx/etc/after" "$tx/etc/before" >"$tx/etc/changed"
  if [ -s "$tx/etc/changed" ]; then
    own_folder "$tx/etc/old" || return
    tar -C "$tx/etc/old" -xpf "$tx/etc/files.tar" -T "$tx/etc/changed" >&2
  fi
  rm -f "$tx/etc/files.tar"
  now | keep "$tx/etc/noted"
}

# Before packages go back, so that their scripts find what they knew.
restore_etc() {
  note_etc
  if [ ! -s "$tx/etc/changed" ] || [ -f "$tx/etc/restored" ]; then return; fi
  while read -r path; do
    now_sum=$(cd / && md5sum "$path" 2>/dev/null | cut -c 1-32)
    then_sum=$(awk -v path="$path" 'substr($0, 35) == path { print substr($0, 1, 32) }' "$tx/etc/after")
    if [ "$now_sum" = "$then_sum" ]; then
      cp -a "$tx/etc/old/$path" "/$path" >&2
    else
      say note "/$path was changed after the transaction and stays"
    fi
  done <"$tx/etc/changed"
  now | keep "$tx/etc/restored"
}
