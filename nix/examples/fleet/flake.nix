{
  description = "Machines: an inventory in the manner of clan, templates in the manner of krops";

  outputs = { self }:
    let
      inventory = import ./inventory.nix;
      names = builtins.attrNames inventory.machines;
      ofClass = class: builtins.filter (name: inventory.machines.${name}.machineClass == class) names;
      each = list: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) list);
      machine = name: import ./nix/system.nix ({
        inherit name;
        inherit (inventory.machines.${name}) system;
      } // import (./machines + "/${name}/configuration.nix"));
    in
    {
      clan.inventory = inventory;

      nixosConfigurations = each (ofClass "nixos") machine;

      darwinConfigurations = each (ofClass "darwin") (name: {
        pkgs.system = inventory.machines.${name}.system;
        system = (machine name).config.system.build.toplevel;
      });

      # The committed template of the krops side, checked like any package.
      checks.x86_64-linux = {
        template-krops = (import ./example-krops.nix).example-machine;
        template-build = (import ./example-build-local.nix).example-machine;
      };
    };
}
