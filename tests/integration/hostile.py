"""Make a host of the lab give hostile text in each answer of discovery."""

from patchctl.lab.handle import Lab

# Run anywhere, either leaves a file `pwned` behind: by Jinja on the controller, by a shell there or
# on the host. The rest clears a screen, sets a title, and turns the direction of text.
SHOWN = "\x1b[2J\x1b]0;x\x07\x9b31m\u202e"
WORD = "{{lookup('pipe','touch${IFS}pwned')}}$(touch${IFS}pwned)`touch${IFS}pwned`" + SHOWN
TEXT = "{{ lookup('pipe', 'touch pwned') }}$(touch pwned)`touch pwned`;touch pwned" + SHOWN

# Real programs stay where they are; in front of them stand some that lie.
_HOSTILE = r"""
set -e
umask 022
mkdir -p /opt/lies
cat >/opt/lies/text
printf '%s' "$WORD" >/opt/lies/word
lie() { # PROGRAM: the body is on standard input
  { echo '#!/bin/sh'; echo 'text=$(/bin/cat /opt/lies/text) word=$(/bin/cat /opt/lies/word)'
    echo "real=$(command -v "$1" || echo false)"
    /bin/cat; } >"/opt/lies/$1.new"
  chmod 755 "/opt/lies/$1.new"
}
lie uname <<'X'
printf '%s\n' "$text"
X
lie cat <<'X'
case ${1-} in
  /proc/sys/kernel/hostname | /proc/1/comm | /etc/machine-id) printf '%s\n' "$text" ;;
  /proc/sys/kernel/random/boot_id | /proc/1/stat) printf '%s\n' "$text" ;;
  *) exec "$real" "$@" ;;
esac
X
lie dpkg <<'X'
case ${1-} in
  --print-architecture) printf '%s\n' "$text" ;;
  --get-selections) "$real" "$@"; printf '%s\thold\n' "$word" ;;
  *) exec "$real" "$@" ;;
esac
X
lie dpkg-query <<'X'
"$real" "$@"
case "$*" in
  *Status-Abbrev*)
    printf 'ii \t%s\t1\tall\t%s\t1\n' lying lying unattended-upgrades unattended-upgrades
    for at in 1 2 3 4 5 6; do
      set -- 'ii ' lying 1 amd64 lying 1
      case $at in
        1) set -- "$text" lying 1 amd64 lying 1 ;;
        2) set -- 'ii ' "$text" 1 amd64 lying 1 ;;
        3) set -- 'ii ' lying "$text" amd64 lying 1 ;;
        4) set -- 'ii ' lying 1 "$text" lying 1 ;;
        5) set -- 'ii ' lying 1 amd64 "$text" 1 ;;
        6) set -- 'ii ' lying 1 amd64 lying "$text" ;;
      esac
      printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@"
    done ;;
esac
X
lie apt-get <<'X'
case "$*" in
  indextargets*)
    "$real" "$@"
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\tyes\t%s\n' \
      "$word" "$word" "$word" "$text" "$text" "$text" "$text" "$text" "$text" ;;
  *update) "$real" "$@"; printf 'E: %s\n' "$text" ;;
  *) exec "$real" "$@" ;;
esac
X
lie apt-cache <<'X'
"$real" "$@"
for at in 1 2 3 4; do # package, installed, candidate, repository
  set -- lying 1 2 "$word"
  case $at in
    1) set -- "$word" 1 2 "$word" ;;
    2) set -- other "$word" 2 "$word" ;;
    3) set -- another 1 "$word" "$word" ;;
  esac
  printf '%s:\n  Installed: %s\n  Candidate: %s\n  Version table:\n' "$1" "$2" "$3"
  printf '     %s 500\n        500 %s %s/%s all Packages\n' "$3" "$4" "$4" "$4"
  printf ' *** %s 100\n        100 /var/lib/dpkg/status\n' "$2"
done
X
lie apt-config <<'X'
"$real" "$@"
printf 'APT::Periodic::Unattended-Upgrade "%s";\n' "$text"
printf 'Unattended-Upgrade::Automatic-Reboot "%s";\n' "$text"
X
lie systemctl <<'X'
case "$*" in
  show*)
    "$real" "$@"
    printf '\nId=%s\nLoadState=loaded\nActiveState=%s\nSubState=%s\nUnitFileState=%s\n' \
      "$text" "$text" "$text" "$text" lying.service "$text" "$text" "$text" \
      packagekit-offline-update.service "$text" "$text" "$text" ;;
  list-units*) "$real" "$@"; printf '%s loaded failed failed %s\n' "$word" "$text" ;;
  *) exec "$real" "$@" ;;
esac
X
lie systemd-detect-virt <<'X'
printf '%s\n' "$text"
X
lie ss <<'X'
printf 'Netid State Recv-Q Send-Q Local Peer Process\n'
printf 'tcp LISTEN 0 128 0.0.0.0:1234 0.0.0.0:* users:(("%s",pid=1,fd=3))\n' "$text"
printf 'tcp LISTEN 0 128 %s:1234 0.0.0.0:*\n' "$word"
printf '%s LISTEN 0 128 0.0.0.0:%s 0.0.0.0:*\n' "$word" "$word"
X
lie df <<'X'
"$real" "$@"
printf '%s 1000 10 990 1%% /%s\n' "$word" "$text"
X
lie awk <<'X'
for last; do :; done
if [ -n "${MARK-}" ]; then # what quotes the whole answer: files of /proc are read by the shell
  "$real" "$@" | TEXT=$text "$real" -F '\t' -v OFS='\t' '
    $1 ~ /^ (hostname|kernel|machine-id|boot-id|pid1)$/ { $2 = ENVIRON["TEXT"] } { print }'
  exit
fi
case $last in
  /proc/self/mounts) printf '/\t%s\n' "$text" ;;
  *) exec "$real" "$@" ;;
esac
X
lie podman <<'X'
case "$*" in
  ps*) printf '%s\t%s\t%s\t%s\n' "$text" "$text" "$text" "$text" ;;
  images*) printf '%s\t%s\n' "$text" "$text" ;;
esac
X
lie stat <<'X'
case "$*" in
  *"%Y /var/lib/apt/lists") printf '%s\n' "$text" ;;
  *) exec "$real" "$@" ;;
esac
X
rm -f /etc/os-release
quoted=$(sed "s/'/'\\\\''/g" /opt/lies/text)
for key in ID VERSION_ID VERSION_CODENAME PRETTY_NAME ID_LIKE; do
  printf "%s='%s'\n" "$key" "$quoted"
done >/etc/os-release
: >"/boot/vmlinuz-$(cat /opt/lies/text)"
echo required >/run/reboot-required
{ cat /opt/lies/text; echo; } >/run/reboot-required.pkgs
cp /bin/sleep "/opt/$(cat /opt/lies/text)"
"/opt/$(cat /opt/lies/text)" 1000 >/dev/null 2>&1 &
sleep 1
rm "/opt/$(cat /opt/lies/text)"
printf 'cat /opt/lies/text; cat /opt/lies/text >&2\n' >~ops/.bashrc
for new in /opt/lies/*.new; do
  name=${new##*/}
  mv "$new" "/usr/local/sbin/${name%.new}"
done
"""


def lie(lab: Lab, host: str) -> None:
    """Make the host answer with `TEXT`, or with `WORD` where a space ends a value, where it can."""
    word = WORD.replace("'", "'\\''")
    lab.check(host, f"WORD='{word}'\n{_HOSTILE}", stdin=TEXT.encode())
