#!/bin/sh
# In place of nixos-rebuild, for machines that have none: builds what NIX_PATH names, makes it the profile, switches to it.
set -eu
[ "${1-}" = switch ] || { echo "usage: nixos-rebuild switch" >&2; exit 1; }
echo "building the system configuration..." >&2
system=$(nix-build --no-out-link "$NIX_PATH/nixos/deployed.nix" --argstr name "$(hostname)")
nix-env -p /nix/var/nix/profiles/system --set "$system"
exec "$system/bin/switch-to-configuration" switch
