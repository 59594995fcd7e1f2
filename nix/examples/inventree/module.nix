# services.inventree: two units that need each other's configuration and database. For use with nixpkgs; the flake only
# hands it out.
{ self }:
{ config, lib, pkgs, ... }:
let
  cfg = config.services.inventree;
  packages = self.packages.${pkgs.stdenv.hostPlatform.system};
  unit = package: name: {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      ExecStart = "${package}/bin/${name}";
      # Migrations run before the server answers.
      TimeoutStartSec = cfg.serverStartTimeout;
    };
  };
in
{
  options.services.inventree = {
    enable = lib.mkEnableOption "InvenTree";
    serverStartTimeout = lib.mkOption { type = lib.types.str; default = "10min"; };
  };
  config = lib.mkIf cfg.enable {
    systemd.services.inventree-server = unit packages.server "inventree-server";
    systemd.services.inventree-cluster = unit packages.cluster "inventree-cluster";
  };
}
