{
  description = "A Django application packaged with Nix";

  outputs = { self }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = f: builtins.listToAttrs (map (system: { name = system; value = f system; }) systems);
      run = import ./nix/run.nix;
      build = system: rec {
        python = import ./nix/python.nix { inherit system; };
        bitpoll = import ./nix/bitpoll.nix { inherit system python; };
      };
    in
    {
      packages = each (system: { inherit (build system) bitpoll python; default = (build system).bitpoll; });

      apps = each (system: rec {
        bitpoll = { type = "app"; program = "${(build system).bitpoll}/bin/bitpoll"; };
        bitpoll-manage = { type = "app"; program = "${(build system).bitpoll}/bin/bitpoll-manage"; };
        default = bitpoll;
      });

      devShells = each (system: {
        default = run {
          name = "bitpoll-shell";
          inherit system;
          inherit (build system) python;
          script = "echo $python > $out";
        };
      });

      checks = each (system: {
        settings = run {
          name = "bitpoll-settings";
          inherit system;
          inherit (build system) bitpoll;
          script = "grep BITPOLL_SETTINGS $bitpoll/share/bitpoll/source > $out";
        };
      });

      nixosModules.default = { ... }: { };

      # The host that `nixos-rebuild switch --flake .#polls` would switch.
      nixosConfigurations.polls = {
        pkgs.system = "x86_64-linux";
        config.system.build.toplevel = run {
          name = "nixos-system-polls-25.05";
          system = "x86_64-linux";
          inherit (build "x86_64-linux") bitpoll;
          script = ''
            mkdir -p $out/etc/systemd/system
            echo "ExecStart=$bitpoll/bin/bitpoll" > $out/etc/systemd/system/bitpoll.service
          '';
        };
      };
    };
}
