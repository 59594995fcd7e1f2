# The shape of an evaluated NixOS system: a closure with units, and the system it is for.
{ name, system, domain, extraUnits ? [ ] }:
let
  shared = import ../config/shared.nix { inherit domain; };
in
{
  pkgs.system = system;
  config.networking.hostName = name;
  config.system.build.toplevel = import ./run.nix {
    name = "nixos-system-${name}-25.05";
    inherit system domain;
    units = shared.units ++ extraUnits;
    hosts = shared.hosts;
    script = ''
      mkdir -p $out/etc/systemd/system $out/bin
      for unit in $units; do echo "Description=$unit on $domain" > $out/etc/systemd/system/$unit; done
      for host in $hosts; do echo $host; done > $out/etc/hosts
      printf '#!/bin/sh\necho "switching to %s: $1"\n' $out > $out/bin/switch-to-configuration
      chmod +x $out/bin/switch-to-configuration
    '';
  };
}
