#!/bin/sh
# Print the payload that it was given.
set -u

main() {
    printf 'user %s\n' "$(id -un)"
    printf 'arguments %s\n' "$*"
    printf 'payload <%s>\n' "$PATCHCTL_INPUT"
}

main "$@" </dev/null
