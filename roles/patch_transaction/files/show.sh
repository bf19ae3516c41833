# shellcheck shell=sh
# Shows or removes what patchctl keeps on this host. Needs lib.sh, base.sh, job.sh.
# shellcheck disable=SC2034,SC2154  # set by read_claim, used by need_base

list_kept() {
  if ! read_claim; then
    say claim "damaged - 0 0 -"
  elif [ "$claim_state" != none ]; then
    say claim "$claim_state $claim_run $claim_fence $claim_since ${claim_transaction:--}"
  fi
  if [ -f "$BASE/updaters" ]; then
    while read -r unit; do say held "$unit"; done <"$BASE/updaters"
  fi
  busy=$(running_job)
  if [ -n "$busy" ]; then say running "$busy"; fi
  for folder in "$BASE"/*/; do
    folder=${folder%/}
    if [ ! -f "$folder/created" ] || [ -h "$folder" ]; then continue; fi
    read -r created _ <"$folder/created"
    kib=$(du -sk "$folder" 2>/dev/null | cut -f 1)
    say transaction "${folder##*/} $created ${kib:-0} $(outcome_of "$folder")"
  done
}

outcome_of() { # FOLDER
  for part in undo apply; do
    if [ -f "$1/$part/result" ] && [ -n "$(result_word "$1/$part/result")" ]; then
      printf '%s-%s' "$part" "$(result_word "$1/$part/result")"
      return
    elif [ -f "$1/$part/started" ]; then
      printf '%s-unfinished' "$part"
      return
    fi
  done
  if [ -f "$1/prepared" ]; then printf prepared; else printf begun; fi
}

clean() {
  busy=$(running_job)
  if [ -n "$busy" ]; then refuse "transaction ${busy% *} (${busy#* }) runs on this host; wait for its end"; fi
  list_kept
  release_updaters || refuse "not all updaters that were stopped for a run could be started again"
  rm -rf "$BASE" || refuse "not all of $BASE could be removed"
  answer ok
}

call_s=120

main() { # show|clean
  [ "$(id -u)" = 0 ] || refuse "not root on the host; become must give root"
  if [ ! -e "$BASE" ] && [ ! -h "$BASE" ]; then
    answer ok
    return
  fi
  need_base
  case $1 in
    show)
      list_kept
      answer ok
      ;;
    clean) clean ;;
    *) refuse "unknown word $1" ;;
  esac
}

printf 'question %s -\n' "${1-}"
main "$@" </dev/null
exit "$answer_code"
