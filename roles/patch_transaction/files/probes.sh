# shellcheck shell=sh
# The operator's probes: run before anything changes, after the update, and after an undo. Needs lib.sh, base.sh
# and state.sh.
# shellcheck disable=SC2154  # set by read_input, open_call

# How many seconds a probe may take until it counts as failed, and how many run at the same time. The controller
# uses the same numbers (protocol/payloads.py).
PROBE_S=10
PROBES_AT_ONCE=20

# Prints a line `probe:NUMBER ok|failed|note|skipped SECONDS DETAIL` for each probe; SECONDS is how long after the
# first call a failure may still become a success. `skipped`: none of the probe's packages was or is on this host.
list_probes() {
  printf '%s' "$probes" | {
    asked=0
    while read -r number kind within target expect about; do
      if [ -z "$number" ]; then continue; fi
      rm -rf "$call/probe.$number" && mkdir "$call/probe.$number" || exit
      ask_probe "$call/probe.$number" "$number" "$kind" "$within" "$target" "$expect" "$about" </dev/null 6>&- &
      asked=$((asked + 1))
      if [ "$asked" -ge "$PROBES_AT_ONCE" ]; then
        wait
        asked=0
      fi
    done
    wait
  } || return
  printf '%s' "$probes" | while read -r number kind within _; do
    if [ -s "$call/probe.$number/line" ]; then
      cat "$call/probe.$number/line" || exit
    else
      printf 'probe:%s failed %s %s: it was not answered\n' "$number" "$within" "$kind"
    fi
  done
}

ask_probe() { # FOLDER NUMBER KIND WITHIN TARGET EXPECT ABOUT
  probe_folder=$1
  if ! concerns "$7"; then
    put "$1/line" "probe:$2 skipped $4 $3: the host has none of its packages"
    return
  fi
  detail=$(probe "$3" "$(decode "$5")" "$(decode "$6")")
  if [ "$detail" = ok ]; then
    put "$1/line" "probe:$2 ok $4 $3"
  elif may_fail "$3 $5 $6"; then
    put "$1/line" "probe:$2 note $4 $(plain "did not pass before the update: $3: $detail")"
  else
    put "$1/line" "probe:$2 failed $4 $(plain "$3: ${detail:-no answer}")"
  fi
}

# An undo restores the old state: a probe that failed before the update may fail after the undo.
may_fail() { # KIND TARGET EXPECT as they came
  [ "$stage_name" = verify_undo ] && [ -f "$tx/before/probes" ] || return 1
  grep -qxF -e "$1" "$tx/before/probes"
  [ $? -eq 1 ] # 2: it could not be read
}

# A failure from before would look like the update's and cause an undo, and after the undo it would look like a
# failed undo. So a host with a failing probe is not changed.
probes_before() {
  first_asked=$(uptime_s)
  while :; do
    passed=$(($(uptime_s) - first_asked))
    save "$call/round" list_probes
    if [ "$(verdict "$call/round" "$passed" "$(probe_names)")" != wait ] || [ "$passed" -ge "$attach" ]; then
      break
    fi
    sleep 2
  done
  while read -r name status _ detail; do
    if [ "$status" = failed ]; then
      detail="failed before the update, so the host was not changed: $detail"
    fi
    check "$name" "$status" "$detail"
  done <"$call/round"
  save "$tx/before/probes" list_passed
}

list_passed() {
  printf '%s' "$probes" | while read -r number kind _ target expect _; do
    if grep -q "^probe:$number ok " "$call/round"; then
      printf '%s\n' "$kind $target $expect" # its escapes are not for echo
    fi
  done
}

probe_names() {
  printf '%s' "$probes" | while read -r number _; do printf 'probe:%s ' "$number"; done
}

# Prints the result of this round: `well`, `lost` (a failure whose time is over), or `wait`. It is `well` only if
# each of the names has its line.
verdict() { # ROUND-FILE SECONDS-SINCE-FIRST-CALL NAMES
  awk -v passed="$2" -v names="$3" -v settle="$settle" '
    { seen[$1]; status = $2; if (status !~ /^(ok|note|skipped)$/) { bad = 1; if ($3 + 0 <= passed) lost = 1 } }
    END {
      n = split(names, wanted, " ")
      for (i = 1; i <= n; i++) if (!(wanted[i] in seen)) { bad = 1; if (settle + 0 <= passed) lost = 1 }
      print (lost ? "lost" : bad ? "wait" : "well")
    }' "$1"
}

concerns() { # PACKAGE,PACKAGE...|-: is one of them installed, or was it before?
  [ "$1" != - ] || return 0
  awk -v names="$1" '
    BEGIN { n = split(names, list, ","); for (i = 1; i <= n; i++) wanted[list[i]] = 1 }
    ($1 in wanted) && substr($4, 2, 1) == "i" { found = 1 } END { exit (found ? 0 : 3) }' \
    "$tx/before/installed" "$call/installed.now"
  [ $? -ne 3 ] # where it cannot be told the probe is asked
}

decode() { # what the controller wrote with octal escapes; `-` is empty
  [ "$1" = - ] || printf '%b' "$1"
}

# --- probes: each prints `ok` when all is well, else why not ---------------------------------------

probe() { # KIND TARGET EXPECT
  case $1 in
    http) probe_http "$2" "$3" ;;
    tcp) probe_tcp "${2%:*}" "${2##*:}" ;;
    command) probe_command "$2" ;;
    unit) probe_unit "$2" ;;
    *) echo "unknown kind of probe" ;;
  esac
}

in_time() { timeout -k 2 "$PROBE_S" "$@"; }

probe_command() { # COMMAND
  in_time /bin/sh -c "$1" >/dev/null 2>&1 </dev/null
  probe_code=$?
  case $probe_code in
    0) echo ok ;;
    124 | 137) echo "no answer within $PROBE_S s" ;;
    *) echo "exit code $probe_code" ;;
  esac
}

probe_unit() { # UNIT
  if ! with_systemctl; then
    echo "inconclusive, the host has no systemd"
  elif in_time systemctl is-active --quiet -- "$1" </dev/null; then
    echo ok
  else
    unit_state=$(in_time systemctl is-active -- "$1" 2>/dev/null </dev/null)
    echo "$1 is ${unit_state:-not told of within $PROBE_S s}"
  fi
}

probe_http() { # URL EXPECT
  get "$1" | head -c 1048576 >"$probe_folder/body"
  code=unknown
  if [ -f "$probe_folder/code" ]; then read -r code <"$probe_folder/code"; fi
  if [ "$code" = none ]; then
    echo "inconclusive, the host has nothing to ask with (curl, wget, python3, perl, busybox)"
  elif [ "$code" = 124 ] || [ "$code" = 137 ]; then
    echo "$1 does not answer within $PROBE_S s"
  elif [ "$code" != 0 ] && [ "$(($(wc -c <"$probe_folder/body")))" -lt 1048576 ]; then
    echo "$1 does not answer well: $(plain "$(tail -n 1 "$probe_folder/error")")"
  elif [ -n "$2" ] && ! grep -qF -e "$2" "$probe_folder/body"; then
    echo "$1 answers without the expected text"
  else
    echo ok
  fi
}

# Prints the body of the answer, with any tool that the host has; the status code goes into the file `code`.
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
    echo none >"$probe_folder/code"
    return
  fi
  in_time "$@" 2>"$probe_folder/error" </dev/null
  echo $? >"$probe_folder/code"
}

GET_PYTHON='
import sys, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=8) as answer:
        sys.stdout.buffer.write(answer.read(1048576))
except Exception as error:
    sys.exit(str(error))
'

# perl-base has sockets but no HTTP client; HTTP/1.0 needs no more than sockets.
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
  in_time "$@" >/dev/null 2>"$probe_folder/error" </dev/null
  case $? in
    0) echo ok ;;
    124 | 137) echo "no connection within $PROBE_S s" ;;
    *) echo "no connection: $(plain "$(tail -n 1 "$probe_folder/error")")" ;;
  esac
}
