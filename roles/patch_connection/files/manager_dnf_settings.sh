# shellcheck shell=sh
# Chooses which of the host's dnf settings are used by patchctl. Needs awk.

# dnf's own name of its settings file; yum 4 is dnf under its old name.
dnf_main_settings() {
  for file in /etc/dnf/dnf.conf /etc/yum.conf; do
    if [ -f "$file" ]; then printf '%s\n' "$file"; return; fi
  done
  return 1
}

# Writes FILE for `dnf -c`: dnf's own defaults, ours, and only those settings of the host's [main] that are
# named here. A site's settings may make dnf do something that was not planned (another version than the named
# one, additional packages, removals), or nothing at all.
#   transaction   where dnf keeps its own files and logs, and rpm's flags that do not change its decisions
#   repositories  where packages come from, how they are fetched, which may be used; this may contain
#                 passwords of proxies: FILE must be removed after use
# Fails if the settings cannot be read, or FILE cannot be written.
#
# plugins: needed, since `dnf download` is one of them.
# strict, best: give the named version or an error, never "skipped". installonly_limit: the plan removes no
# old kernel. DNF_DISABLE_ALIASES: a site's alias could change the meaning of our command.
dnf_settings() { # transaction|repositories FILE
  dnf_settings_host=$(dnf_main_settings) || return
  awk -v scope="$1" '
    BEGIN {
      both = "(cachedir|persistdir|system_cachedir|logdir|log_size|log_rotate|log_compress|logfilelevel)" \
        "|(installonlypkgs|module_platform_id|arch|basearch|ignorearch|varsdir|pluginpath|pluginconfpath)" \
        "|(allow_vendor_change|fastestmirror|user_agent|countme)"
      kept["transaction"] = both
      kept["repositories"] = both "|(reposdir|gpgcheck|repo_gpgcheck|skip_if_unavailable)" \
        "|(proxy|proxy_username|proxy_password|proxy_auth_method|username|password)" \
        "|(proxy_sslcacert|proxy_sslverify|proxy_sslclientcert|proxy_sslclientkey)" \
        "|(sslverify|sslcacert|sslclientcert|sslclientkey|sslverifystatus|ssl_verify_host)" \
        "|(timeout|minrate|throttle|bandwidth|retries|ip_resolve|max_parallel_downloads|zchunk)" \
        "|(metadata_expire|metadata_timer_sync|max_downloads_per_mirror|gpgkey_dns_verification)" \
        "|(exclude|excludepkgs|includepkgs)"
      print "[main]"
      print "strict=1\nbest=1\nobsoletes=1\ninstall_weak_deps=0\nclean_requirements_on_remove=0"
      print "installonly_limit=0\ncolor=never\ndeltarpm=0\nmultilib_policy=best"
      print "protected_packages=glob:/etc/yum/protected.d/*.conf glob:/etc/dnf/protected.d/*.conf" \
        " dnf rpm yum systemd systemd-udev sudo glibc"
      section = "main"
    }
    /^[ \t]*[#;]/ { next }
    /^\[/ { section = $0; sub(/^\[/, "", section); sub(/\].*/, "", section); telling = 0 }
    section != "main" { if (scope == "repositories") other = other $0 "\n"; next }
    /^\[/ { next }
    /^[ \t]/ { if (telling) print; next } # the value goes on
    {
      name = tolower($0); sub(/[ \t]*=.*/, "", name)
      telling = index($0, "=") && name ~ ("^(" kept[scope] ")$")
      if (telling && scope == "transaction" && name == "tsflags") telling = 0
      if (telling) print
    }
    END { printf "%s", other }' "$dnf_settings_host" >"$2" || return
  # dnf treats its copy of a repository as outdated if its settings are newer.
  touch -r "$dnf_settings_host" "$2"
}

# Prints all that the host's files say about repositories, unchanged.
dnf_print_repositories() {
  dnf_settings_host=$(dnf_main_settings) || return
  dnf_folders=$(awk -F '[ \t]*=[ \t]*' '$1 == "reposdir" { gsub(/,/, " ", $2); print $2 }' "$dnf_settings_host")
  for folder in . ${dnf_folders:-/etc/yum.repos.d /etc/yum/repos.d /etc/distro.repos.d}; do
    if [ "$folder" = . ]; then set -- "$dnf_settings_host"; else set -- "$folder"/*.repo; fi
    for file in "$@"; do
      if [ -f "$file" ]; then cat "$file"; printf '\n'; fi
    done
  done
}

# Prints `ID yes|no` for each repository that a file defines: must its packages be signed? If the repository
# does not say, [main] counts; dnf's own default is no.
dnf_gpgchecks() {
  dnf_print_repositories | awk '
    /^\[/ { section = $0; sub(/^\[/, "", section); sub(/\].*/, "", section); seen[section] = 1 }
    /^gpgcheck[ \t]*=/ {
      value = tolower($0); sub(/^[^=]*=[ \t]*/, "", value); sub(/[ \t]*$/, "", value)
      checks[section] = value ~ /^(0|no|false|off)$/ ? "no" : "yes" # what cannot be read lifts no check
    }
    END {
      for (name in seen)
        if (name != "main") print name, (name in checks ? checks[name] : checks["main"] == "yes" ? "yes" : "no")
    }'
}

# --- whose signature counts ----------------------------------------------------------------------

# Prints the words of the repository's `gpgkey`, as dnf reads them, one a line.
dnf_keys_named() { # REPOSITORY
  dnf_named=$(dnf_print_repositories | awk -v id="$1" '
    /^[ \t]*[#;]/ { next }
    /^\[/ { section = $0; sub(/^\[/, "", section); sub(/\].*/, "", section); telling = 0; next }
    section != id { next }
    /^[ \t]/ { if (telling) print; next } # the value goes on
    { telling = /^gpgkey[ \t]*=/; if (telling) { sub(/^[^=]*=/, ""); print } }')
  # dnf knows the values of its variables.
  case $dnf_named in
    *'$'*)
      dnf_dumped=$(LC_ALL=C dnf -C -q config-manager --dump "$1" 2>/dev/null) || return
      dnf_named=$(printf '%s\n' "$dnf_dumped" | sed -n 's/^gpgkey = //p')
      [ -n "$dnf_named" ] || return
      ;;
  esac
  printf '%s\n' "$dnf_named" | awk '{ gsub(/,/, " "); for (i = 1; i <= NF; i++) { sub(/\r$/, "", $i); print $i } }'
}

# Makes FOLDER a keyring with only the keys that the repository names. Exit code 1: it names none, or one by an
# address, which is not downloaded here; then all keys that rpm trusts are accepted, as dnf does. 2: the keys
# cannot be found out.
dnf_make_keyring() { # FOLDER REPOSITORY
  dnf_keys=$(dnf_keys_named "$2") || return 2
  if [ -z "$dnf_keys" ]; then return 1; fi
  for dnf_key in $dnf_keys; do
    case $dnf_key in file:///* | /*) ;; *) return 1 ;; esac
  done
  dnf_new=${1%/*}/.new # no repository is called so
  rm -rf "$dnf_new" && mkdir -p "$dnf_new" || return 2
  # A key may be missing, or too weak for this system: it is ignored.
  for dnf_key in $dnf_keys; do dnf_rpmkeys "$dnf_new" --import "${dnf_key#file://}" >/dev/null 2>&1; done
  mv "$dnf_new" "$1" || return 2
}

# A newer rpm has keys outside its database, too.
dnf_rpmkeys() { # KEYRING WORDS
  dnf_keyring=$1
  shift
  rpmkeys --dbpath "$dnf_keyring" --define "_keyringpath $dnf_keyring/pubkeys/" \
    --define '_pkgverify_level all' --define '_pkgverify_flags 0x0' "$@" </dev/null
}

# Is FILE signed by a key that the repository names? Prints why not. The caller also checks that rpm trusts the
# key: rpm's keyring has the keys of all repositories, and all that somebody ever imported.
dnf_signed_for() { # KEYRINGS REPOSITORY FILE
  if [ ! -d "$1/$2" ]; then
    dnf_made=0
    dnf_make_keyring "$1/$2" "$2" || dnf_made=$?
    case $dnf_made in
      0) ;;
      1) return 0 ;;
      *) printf 'it cannot be told which keys repository %s names in gpgkey=' "$2" && return 1 ;;
    esac
  fi
  if dnf_rpmkeys "$1/$2" --checksig "$3" >/dev/null 2>&1; then return 0; fi
  printf 'rpm trusts the key that it is signed by, and repository %s does not name it in gpgkey=' "$2"
  return 1
}
