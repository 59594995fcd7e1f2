# What a krops machine builds by itself, of the sources that were put into its /var/src, as `nixos-rebuild -I /var/src` does:
# `nix-build -I /var/src /var/src/nixos/deployed.nix --argstr name machine1`.
{ name }:
let
  shared = import <config-machine/configuration.nix>;
in
(import ./system.nix {
  inherit name shared;
  inherit (shared) domain;
  system = "x86_64-linux";
  # What it runs is what its sources were locked to.
  page = builtins.readFile <lnbits-src/flake.lock>;
}).config.system.build.toplevel
