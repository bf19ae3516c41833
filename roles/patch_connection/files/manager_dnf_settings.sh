# shellcheck shell=sh
# Which of the host's settings of dnf count in what patchctl does. Needs awk.

# As dnf names the file; yum 4 is dnf under its old name.
dnf_main_settings() {
  for file in /etc/dnf/dnf.conf /etc/yum.conf; do
    if [ -f "$file" ]; then printf '%s\n' "$file"; return; fi
  done
  return 1
}

# Writes FILE for `dnf -c`: dnf's own defaults, ours, and of the host's [main] those settings alone that
# are named here. What a site sets may make dnf do another thing than was planned (another version
# than was named, what was not asked for besides, removals), or nothing at all.
#   transaction   where dnf keeps its own files and logs, and rpm's flags that leave its decisions alone
#   repositories  where packages come from, how they are fetched, which may be taken; this may have
#                 passwords of proxies: FILE is not to stay
# Fails where they cannot be told, or FILE cannot be written.
#
# plugins: `dnf download` is one of them.
# strict, best: the named version or an error, never "skipped". installonly_limit: the plan removes no
# old kernel. An alias could make another command of ours: DNF_DISABLE_ALIASES does not allow it.
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
  # dnf takes what it has of a repository for old where its settings are newer.
  touch -r "$dnf_settings_host" "$2"
}

# `ID yes|no` of each repository that a file defines: does it want its packages signed? What it does
# not say, [main] says; dnf itself wants none.
dnf_gpgchecks() {
  dnf_settings_host=$(dnf_main_settings) || return
  dnf_folders=$(awk -F '[ \t]*=[ \t]*' '$1 == "reposdir" { gsub(/,/, " ", $2); print $2 }' "$dnf_settings_host")
  for folder in . ${dnf_folders:-/etc/yum.repos.d /etc/yum/repos.d /etc/distro.repos.d}; do
    if [ "$folder" = . ]; then set -- "$dnf_settings_host"; else set -- "$folder"/*.repo; fi
    for file in "$@"; do
      if [ -f "$file" ]; then cat "$file"; printf '\n'; fi
    done
  done | awk '
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
