# shellcheck shell=sh
# The operator's probes: asked before anything is changed, after the update, after an undo. Needs
# lib.sh and state.sh.
# shellcheck disable=SC2154  # set by read_input

# Prints a line `probe:NUMBER ok|failed|note SECONDS DETAIL` for each probe that concerns this host;
# SECONDS is how long after the first call a failure may still turn into success.
ask_probes() {
  printf '%s' "$probes" | while read -r number kind within target expect about; do
    if [ -z "$number" ] || ! concerns "$about"; then continue; fi
    detail=$(probe "$kind" "$(decode "$target")" "$(decode "$expect")")
    if [ -z "$detail" ]; then
      printf 'probe:%s ok %s %s\n' "$number" "$within" "$kind"
    elif may_fail "$kind $target $expect"; then
      printf 'probe:%s note %s %s\n' "$number" "$within" \
        "$(plain "did not pass before the update: $kind: $detail")"
    else
      printf 'probe:%s failed %s %s\n' "$number" "$within" "$(plain "$kind: $detail")"
    fi
  done
}

# An undo brings back what was: a probe that did not pass then need not pass now.
may_fail() { # KIND TARGET EXPECT as they came
  [ "$stage_name" = verify_undo ] && [ -f "$tx/before/probes" ] || return 1
  ! grep -qxF -e "$1" "$tx/before/probes"
}

# A failure of before would be taken for the update's and undo it; and an undo could not be told from
# a failed one. So a host that is not well is not changed.
probes_before() {
  first_asked=$(now)
  while :; do
    passed=$(($(now) - first_asked))
    ask_probes >"$tx/round"
    if [ "$(verdict "$tx/round" "$passed")" != wait ] || [ "$passed" -ge "$attach" ]; then break; fi
    sleep 2
  done
  while read -r name status _ detail; do
    if [ "$status" = failed ]; then
      detail="failed before the update, so the host was not changed: $detail"
    fi
    check "$name" "$status" "$detail"
  done <"$tx/round"
  printf '%s' "$probes" | while read -r number kind _ target expect _; do
    if grep -q "^probe:$number ok " "$tx/round"; then
      printf '%s\n' "$kind $target $expect" # its escapes are not for echo
    fi
  done >"$tx/before/probes"
}

# Prints what this round means: `well`, `lost` (a failure whose time is over), or `wait`.
verdict() { # ROUND-FILE SECONDS-SINCE-FIRST-CALL
  awk -v passed="$2" '$2 == "failed" { bad = 1; if ($3 <= passed) lost = 1 }
    END { print (lost ? "lost" : bad ? "wait" : "well") }' "$1"
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
