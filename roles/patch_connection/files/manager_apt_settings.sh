# shellcheck shell=sh
# Chooses which of the host's apt settings are used by patchctl. Needs apt-config and awk.

# Writes a file for `-c` to standard output: apt's own defaults, and only those of the host's settings that are
# named here. A site's settings may make apt do something that was not planned (remove, keep back, only print,
# replace configuration files), or nothing at all.
#   transaction   hooks around dpkg, dpkg's options that do not change its decisions, apt's logs
#   repositories  where packages come from, how they are fetched, which versions are preferred; this may
#                 contain passwords of proxies: the file must be removed after use
#   marks         where apt keeps its own files
# Hooks and maintainer scripts see the host's settings as always: no environment is changed.
# Fails if the settings cannot be read. STUB is a path to write to.
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
    # `--force-…` and similar options change the decisions of dpkg; others change its paths, or make it do nothing.
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

# Lines of name, value with `%XX` for apt's special characters, and value; separated by tabs.
apt_settings_told() {
  timeout 60 apt-config dump --format '%F%N%V%N%v%n' </dev/null
}

# apt's settings without any file of the host.
apt_settings_default() { # STUB
  printf 'Dir::Etc::Main "/dev/null";\nDir::Etc::Parts "/dev/null";\n' >"$1" || return
  (APT_CONFIG=$1 && export APT_CONFIG && apt_settings_told)
}
