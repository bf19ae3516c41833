# shellcheck shell=sh
# Which of the host's settings of apt count in what patchctl does. Needs apt-config and awk.

# A file for `-c`, on standard output: apt's own defaults, and of the host's settings those alone that
# are named here. What a site sets may make apt do another thing than was planned (remove, keep back,
# only print, replace configuration files), or nothing at all.
#   transaction   hooks around dpkg, dpkg's options that leave its decisions alone, where apt logs
#   repositories  where packages come from, how they are fetched, which versions are preferred; this may
#                 have passwords of proxies: the file is not to stay
#   marks         where apt keeps its own files
# Hooks and maintainer scripts see the host's settings as ever: no environment is changed.
# Fails where they cannot be told. STUB is a path to write to.
apt_settings() ( # transaction|repositories|marks STUB
  apt_settings_host=$(apt_settings_told) || return
  apt_settings_own=$(apt_settings_default "$2") || return
  printf '%s\n=\n%s\n' "$apt_settings_host" "$apt_settings_own" | awk -F '\t' -v scope="$1" '
    BEGIN {
      kept["transaction"] = "dpkg::(pre-invoke|post-invoke|pre-install-pkgs|tools::options)|dir::log"
      kept["marks"] = "dir"
      kept["repositories"] = "acquire|dir|apt::(default-release|sandbox|key|machine-id)|update-manager" \
        "|apt::get::(always|never)-include-phased-updates"
    }
    function is_kept(name, value) {
      if (name ~ /^apt::architecture(s|-variants)?(::|$)/) return 1
      if (scope == "transaction" && name ~ /^dpkg::options::/) return is_harmless(value)
      return name ~ ("^(" kept[scope] ")(::|$)")
    }
    # `--force-…` and its like decide for dpkg; others send it elsewhere, or let it do nothing.
    function is_harmless(option) {
      return option ~ /^--/ && option !~ /^--(no-)?(force|refuse|triggers)/ \
        && option !~ /^--(root|admindir|instdir|no-act|dry-run|simulate|ignore-depends)/ \
        && option !~ /^--(selected-only|skip-same-version|auto-deconfigure|abort-after)/
    }
    # Only what stands in braces, without a name, may have characters that are written as `%XX`.
    function setting() {
      if ($1 !~ /::$/) return $1 " \"" $3 "\";"
      return substr($1, 1, length($1) - 2) " { \"" $2 "\"; };"
    }
    $0 == "=" { own = 1; for (i = 1; i <= tops; i++) print "#clear " top[i] ";"; next }
    NF != 3 { next } # the rest of a value with a line end
    {
      name = tolower($1)
      if (name ~ /^(commandline|apt::config)(::|$)/) next # what this very question set
      split($1, part, "::")
      if (!own && !(tolower(part[1]) in seen)) { seen[tolower(part[1])]; top[++tops] = part[1] }
      if (own && !is_kept(name, $2)) { print setting(); lines++ }
      if (!own && is_kept(name, $2)) host[++hosts] = setting()
    }
    END { for (i = 1; i <= hosts; i++) print host[i]; exit lines == 0 || tops == 0 }'
)

# Lines of name, value with `%XX` for what is special to apt, value; apart by tabs.
apt_settings_told() {
  timeout 60 apt-config dump --format '%F%N%V%N%v%n' </dev/null
}

# As apt is without any file of the host's.
apt_settings_default() { # STUB
  printf 'Dir::Etc::Main "/dev/null";\nDir::Etc::Parts "/dev/null";\n' >"$1" || return
  (APT_CONFIG=$1 && export APT_CONFIG && apt_settings_told)
}
