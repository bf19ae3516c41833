# shellcheck shell=sh
# Is the host as planned (verify), or as it was before (verify_undo)? Compared with the state from
# before, and asked by the operator's probes. A service may need a moment: what can still become
# well is asked again, in later calls too, until its time is over.
# shellcheck disable=SC2154  # set by read_input

check_packages() { # forward|back
  look
  place=to
  if [ "$1" = back ]; then place=from; fi
  if [ -n "$(not_at "$place")" ]; then
    check versions failed "not at the expected version: $(not_at "$place")"
  else
    check versions ok "$(grep -c . "$tx/places") packages as expected"
  fi
  half=$(audit)
  if [ -n "$half" ]; then
    check installed failed "not fully installed: $half"
  else
    check installed ok ""
  fi
  marks=$(changed_marks "$tx/before/auto" "$1" | tr '\n' ';')
  if [ -n "$marks" ]; then check marks failed "auto/manual: $marks"; else check marks ok ""; fi
}

# --- what may need a moment ------------------------------------------------------------------------

# Prints a line `NAME ok|failed|note SECONDS DETAIL` for each question; SECONDS is how long after
# the first call a failure may still turn into success.
ask_all() {
  ask_units
  ask_services
  ask_listeners
  ask_probes
}

ask_units() {
  failed_units >"$tx/failed.now"
  newly=$(awk 'FILENAME == ARGV[1] { before[$0] = 1; next } !($0 in before)' "$tx/before/failed" "$tx/failed.now" | tr '\n' ' ')
  if [ -n "$newly" ]; then
    echo "units failed $settle failed since the update: $newly"
  else
    echo "units ok 0"
  fi
}

ask_services() {
  with_systemctl || return 0
  ended=''
  while read -r service; do
    if [ -n "$service" ] && ! systemctl is-active --quiet "$service"; then ended="$ended$service "; fi
  done <"$tx/before/services"
  if [ -n "$ended" ]; then
    echo "services failed $settle ran before and do not run now: $ended"
  else
    echo "services ok 0"
  fi
}

ask_listeners() {
  listeners >"$tx/listeners.now"
  lost=$(lost_listeners "$tx/before/listeners" "$tx/listeners.now" | tr '\n' ' ')
  if [ -n "$lost" ]; then
    echo "listeners failed $settle nothing listens any more on $lost"
  else
    echo "listeners ok 0"
  fi
}

ask_probes() {
  printf '%s' "$probes" | while read -r number kind within target expect about; do
    if [ -z "$number" ] || ! concerns "$about"; then continue; fi
    detail=$(probe "$kind" "$(decode "$target")" "$(decode "$expect")")
    if [ -z "$detail" ]; then
      printf 'probe:%s ok %s %s\n' "$number" "$within" "$kind"
    else
      printf 'probe:%s failed %s %s\n' "$number" "$within" "$(plain "$kind: $detail")"
    fi
  done
}

concerns() { # PACKAGE,PACKAGE...|-: is one of them installed, or was it before?
  [ "$1" != - ] || return 0
  cat "$tx/before/installed" "$tx/installed.now" | awk -v names="$1" '
    BEGIN { n = split(names, list, ","); for (i = 1; i <= n; i++) wanted[list[i]] = 1 }
    ($1 in wanted) && substr($4, 2, 1) == "i" { found = 1 } END { exit !found }'
}

decode() { # what the controller wrote with octal escapes; `-` is empty
  [ "$1" = - ] || printf '%b' "$1"
}

# --- probes: each prints nothing when all is well, else why not ------------------------------------

probe() { # KIND TARGET EXPECT
  case $1 in
    http) probe_http "$2" "$3" ;;
    tcp) probe_tcp "${2%:*}" "${2##*:}" ;;
    command) timeout 10 /bin/sh -c "$2" >/dev/null 2>&1 </dev/null || echo "exit code $?" ;;
    unit) probe_unit "$2" ;;
    *) echo "unknown kind of probe" ;;
  esac
}

probe_unit() { # UNIT
  if ! with_systemctl; then
    echo "inconclusive, the host has no systemd"
  elif ! systemctl is-active --quiet -- "$1"; then
    echo "$1 is $(systemctl is-active -- "$1" 2>/dev/null)"
  fi
}

probe_http() { # URL EXPECT
  get "$1" | head -c 1048576 >"$tx/probe.body"
  read -r code <"$tx/probe.code"
  if [ "$code" = none ]; then
    echo "inconclusive, the host has nothing to ask with (curl, wget, python3, perl, busybox)"
  elif [ "$code" != 0 ] && [ "$(($(wc -c <"$tx/probe.body")))" -lt 1048576 ]; then
    echo "$1 does not answer well: $(plain "$(tail -n 1 "$tx/probe.error")")"
  elif [ -n "$2" ] && ! grep -qF -e "$2" "$tx/probe.body"; then
    echo "$1 answers without the expected text"
  fi
}

# Prints the body of the answer, with whatever the host has; its code goes into probe.code.
get() { # URL
  url=$1
  if have curl; then
    set -- curl -sS -L -f -m 8 -- "$url"
  elif have wget; then
    set -- wget -nv -T 8 -t 1 -O - -- "$url"
  elif have python3; then
    set -- python3 -I -c "$GET_PYTHON" "$url"
  elif have perl && [ "${url#http://}" != "$url" ]; then
    set -- perl -e "$GET_PERL" "$url"
  elif have busybox; then
    set -- busybox wget -T 8 -O - "$url"
  else
    echo none >"$tx/probe.code"
    return
  fi
  timeout 10 "$@" 2>"$tx/probe.error" </dev/null
  echo $? >"$tx/probe.code"
}

GET_PYTHON='
import sys, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=8) as answer:
        sys.stdout.buffer.write(answer.read(1048576))
except Exception as error:
    sys.exit(str(error))
'

# perl-base has sockets but no HTTP client; HTTP/1.0 needs none of the rest.
# shellcheck disable=SC2016  # perl, not sh
GET_PERL='
use IO::Socket::INET;
my ($host, $port, $path) = $ARGV[0] =~ m{^http://([^/:?]+)(?::(\d+))?(.*)$} or die "not an address\n";
$path = "/$path" if $path !~ m{^/};
my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port || 80, Timeout => 8) or die "$@\n";
print $s "GET $path HTTP/1.0\r\nHost: $host\r\nConnection: close\r\n\r\n";
local $/; my $answer = <$s>;
my ($head, $body) = split /\r?\n\r?\n/, $answer, 2;
print $body;
$head =~ m{^HTTP/\S+ [23]} or die(($head =~ m{^([^\r\n]*)})[0] . "\n");
'

probe_tcp() { # HOST PORT
  if have python3; then
    set -- python3 -I -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)' "$1" "$2"
  elif have perl; then
    # shellcheck disable=SC2016  # perl, not sh
    set -- perl -MIO::Socket::INET -e \
      'IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Timeout => 5) or die "$@\n"' "$1" "$2"
  elif have bash; then
    # shellcheck disable=SC2016  # the inner shell expands them
    set -- bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2"
  elif have nc; then
    set -- nc -z -w 5 "$1" "$2"
  else
    echo "inconclusive, the host has nothing to connect with (python3, perl, bash, nc)"
    return
  fi
  if ! timeout 10 "$@" >/dev/null 2>"$tx/probe.error" </dev/null; then
    echo "no connection: $(plain "$(tail -n 1 "$tx/probe.error")")"
  fi
}

# --- the call --------------------------------------------------------------------------------------

# A service that dies soon after its start would be seen alive: look for so long after the last
# change, too.
WATCH_S=4

watched_enough() {
  ended=0
  if [ -f "$tx/ended" ]; then read -r ended <"$tx/ended"; fi
  [ $(($(now) - ended)) -ge "$WATCH_S" ]
}

# Prints what this round means: `well`, `lost` (a failure whose time is over), or `wait`.
verdict() { # ROUND-FILE SECONDS-SINCE-FIRST-CALL
  awk -v passed="$2" '$2 == "failed" { bad = 1; if ($3 <= passed) lost = 1 }
    END { print (lost ? "lost" : bad ? "wait" : "well") }' "$1"
}

ask_until_clear() { # JOB
  if [ ! -f "$tx/$1.since" ]; then now | keep "$tx/$1.since"; fi
  read -r since <"$tx/$1.since"
  call_end=$(($(now) + attach))
  while :; do
    passed=$(($(now) - since))
    ask_all >"$tx/round"
    outcome=$(verdict "$tx/round" "$passed")
    if [ "$outcome" = well ] && ! watched_enough; then
      sleep 1
      continue
    fi
    if [ "$outcome" != wait ] || [ "$(now)" -ge "$call_end" ]; then return; fi
    sleep 2
  done
}

say_round() {
  while read -r name status _ detail; do check "$name" "$status" "$detail"; done <"$tx/round"
}

# What is no reason to undo: files are new, some process still has the old ones in memory.
note_effect() {
  old_users=$(stale_processes)
  if [ -z "$old_users" ]; then
    check effective ok ""
  else
    check effective note "installed, not effective yet: $(printf '%s\n' "$old_users" | awk '{ print ($2 == "-" ? $3 : $2) }' | sort -u | tr '\n' ' ')"
    printf '%s\n' "$old_users" | while read -r line; do say stale "$line"; done
  fi
  case $(systemd-detect-virt --container 2>/dev/null) in
    none | '') check kernel ok "$(uname -r) runs" ;;
    *) check kernel note "not managed in a container" ;;
  esac
}

main() {
  need_transaction
  way=forward
  if [ "$stage_name" = verify_undo ]; then way=back; fi
  check_packages "$way"
  if [ -z "$failures" ]; then
    ask_until_clear "$stage_name"
    say_round
    note_effect
  fi
  say_state
  if [ -n "$failures" ] && [ "${outcome:-lost}" = wait ]; then
    answer running "$failures"
    return
  fi
  if [ -z "$failures" ]; then release_claim; fi
  conclude
}

stage "$@" </dev/null
