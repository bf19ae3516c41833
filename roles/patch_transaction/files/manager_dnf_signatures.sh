# shellcheck shell=sh
# Finds out who made a package file, as rpm and the host's repositories know it. dnf checks a file from disk only
# with an option, and then against all keys of rpm's keyring; `digests OK` does not say who made the file. Needs the
# same files as manager_dnf.sh.
# shellcheck disable=SC2154  # set by read_input and open_call

# Checks the files of $call/todo. A file that the plan calls unsigned is known only by its SHA-256.
dnf_check_signatures() { # prints what is wrong
  dnf_list_sources >"$call/sources" || return
  while read -r repository file; do
    if ! dnf_is_trusted "$file"; then
      printf '%s is not signed by a key that rpm knows on this host: %s\n' "${file##*/}" \
        "$(bounded rpmkeys --define '_pkgverify_level all' --checksig "$file" 2>&1 </dev/null | tail -n 1 | sed 's/^.*: //')"
      return 1
    elif [ "$repository" != - ] && ! dnf_foreign=$(dnf_signed_for "$call/keys" "$repository" "$file"); then
      printf '%s is not signed by a key of its repository: %s\n' "${file##*/}" "$dnf_foreign"
      return 1
    fi
  done <"$call/sources"
}

# Prints `REPOSITORY FILE`; `-` for an old file, which was checked when it was saved, and for unsigned ones.
dnf_list_sources() {
  printf '%s' "$packages" >"$call/planned"
  REPOSITORIES=$repositories UNSIGNED=$unsigned awk -v planned="$call/planned" -v new="$tx/new/" '
    BEGIN {
      count = split(ENVIRON["REPOSITORIES"], line, "\n")
      for (i = 1; i <= count; i++) { split(line[i], f, " "); from[f[1] " " f[2]] = f[3] }
      count = split(ENVIRON["UNSIGNED"], line, "\n")
      for (i = 1; i <= count; i++) delete from[line[i]]
      while ((getline line_of < planned) > 0) {
        split(line_of, f, " ")
        if ((f[1] " " f[2]) in from) of[new f[7]] = from[f[1] " " f[2]]
      }
    }
    $1 == "install" { print (($2 in of) ? of[$2] : "-"), $2 }' "$call/todo"
}

# The digests of an unsigned file must still be right. Any other message means that the file was changed, or signed
# with a key that is not known here. A site's macros weaken neither check.
dnf_is_trusted() { # FILE
  dnf_is_signed "$1" && return
  case $(bounded rpmkeys --define '_pkgverify_level digest' --define '_pkgverify_flags 0x0' --checksig "$1" 2>&1 </dev/null) in
    *': digests OK') dnf_is_unsigned "$1" ;;
    *) return 1 ;;
  esac
}

dnf_is_signed() { # FILE: by a key that rpm has
  bounded rpmkeys --define '_pkgverify_level all' --define '_pkgverify_flags 0x0' --checksig "$1" >/dev/null 2>&1 </dev/null
}

dnf_is_unsigned() { # FILE: does the plan say so, or did this host rebuild it itself?
  case "
$unsigned" in
    *"
$(rpm -qp --nosignature --qf '%{NAME} %{ARCH}' "$1" 2>/dev/null)
"*) return 0 ;;
  esac
  [ -f "$tx/rebuilt" ] && grep -qxF -e "$(sha256_of "$1")" "$tx/rebuilt"
}

# dnf can check the signatures of all files or of none; if one file has no signature, the result of
# dnf_check_signatures for each file counts.
dnf_gpgcheck() { if [ -z "$unsigned" ] && [ ! -f "$tx/rebuilt" ]; then echo 1; else echo 0; fi; }

# May the undo install this file? It must be signed as rpm wants it, and be the installed package itself, or be
# signed with a key that the planned version's repository names.
dnf_is_old_of() { # FILE NAME ARCH VERSION
  dnf_is_trusted "$1" || return
  if dnf_is_the_installed "$1" "$2-$4.$3" || ! dnf_is_signed "$1"; then return 0; fi
  dnf_from=$(printf '%s' "$repositories" | awk -v name="$2" -v arch="$3" '$1 == name && $2 == arch { print $3; exit }')
  [ -n "$dnf_from" ] && dnf_signed_for "$call/keys" "$dnf_from" "$1" >/dev/null
}

# Compares the sums of the header, which contain those of all files; rpm has them in its database.
dnf_is_the_installed() { # FILE NEVRA
  dnf_sums='%{SHA256HEADER} %{SHA1HEADER} %{SIGMD5}'
  dnf_of_file=$(rpm -qp --nosignature --qf "$dnf_sums" "$1" 2>/dev/null) || return
  [ "$dnf_of_file" != '(none) (none) (none)' ] && [ "$dnf_of_file" = "$(rpm -q --qf "$dnf_sums" "$2" 2>/dev/null)" ]
}
