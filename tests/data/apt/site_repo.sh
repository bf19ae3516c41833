#!/bin/sh
# A flat repository of small packages, as a site has one.
# usage: sh site_repo.sh FOLDER LABEL; on standard input lines `NAME|VERSION|ARCH|DEPENDS|FLAGS`.
# FLAGS: nosha (its index has MD5 alone), phased (an update for 0 % of all machines).
set -eu

package() { # NAME VERSION ARCH DEPENDS FLAGS
  root=$(mktemp -d)
  chmod 0755 "$root"
  mkdir -p "$root/DEBIAN" "$root/usr/share/$1"
  printf '%s\n' "Package: $1" "Version: $2" "Architecture: $3" 'Maintainer: Site <site@example.org>' \
    ${4:+"Depends: $4"} 'Description: a package of the site' >"$root/DEBIAN/control"
  printf '%s\n' "$2" >"$root/usr/share/$1/version"
  file=$1_$2_$3.deb
  dpkg-deb -Zgzip -b "$root" "$file" >/dev/null
  rm -rf "$root"
  dpkg-deb -f "$file"
  printf 'Filename: ./%s\nSize: %s\nMD5sum: %s\n' "$file" "$(wc -c <"$file")" "$(md5sum <"$file" | cut -c 1-32)"
  case $5 in *nosha*) ;; *) printf 'SHA256: %s\n' "$(sha256sum <"$file" | cut -c 1-64)" ;; esac
  case $5 in *phased*) echo 'Phased-Update-Percentage: 0' ;; esac
  echo
}

main() { # FOLDER LABEL
  rm -rf "$1"
  mkdir -p "$1"
  cd "$1"
  while IFS='|' read -r name version arch depends flags; do
    package "$name" "$version" "$arch" "$depends" "$flags" </dev/null
  done >Packages
  printf 'Origin: Site\nLabel: %s\nCodename: site\nDate: %s\nSHA256:\n %s %s Packages\n' "$2" \
    "$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')" "$(sha256sum <Packages | cut -c 1-64)" "$(wc -c <Packages)" >Release
}

main "$@"
