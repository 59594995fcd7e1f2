{
  description = "An application, its NixOS module and its upstream release";

  outputs = { self }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = f: builtins.listToAttrs (map (system: { name = system; value = f system; }) systems);
      run = import ./pkgs/run.nix;
      packagesFor = system: import ./pkgs { inherit system; };
    in
    {
      packages = each (system: packagesFor system // { default = (packagesFor system).server; });

      checks = each (system: {
        version = run {
          name = "inventree-version";
          inherit system;
          inherit (packagesFor system) src;
          wanted = (builtins.fromTOML (builtins.readFile ./pyproject.toml)).project.version;
          script = "grep \"\\\"$wanted\\\"\" $src/src/src/backend/InvenTree/source > $out";
        };
        # What `nix fmt` would find: tabs in Nix files.
        format = run {
          name = "inventree-format";
          inherit system;
          files = [ ./flake.nix ./module.nix ./pkgs ./tests ];
          script = ''
            tab=$(printf '\t')
            if grep -rn "$tab" $files; then echo "run nix fmt"; exit 1; fi
            echo formatted > $out
          '';
        };
      });

      formatter = each (system: run {
        name = "format";
        inherit system;
        script = ''
          mkdir -p $out/bin
          printf '#!/bin/sh\nfor f in "$@"; do sed -i "s/\\t/  /g" "$f"; done\n' > $out/bin/format
          chmod +x $out/bin/format
        '';
      });

      devShells = each (system: {
        default = run {
          name = "inventree-shell";
          inherit system;
          inherit (packagesFor system) venv src;
          script = "echo $venv $src > $out";
        };
        uv = run { name = "uv-shell"; inherit system; script = "echo uv > $out"; };
      });

      nixosModules.default = import ./module.nix { inherit self; };

      # A machine that uses the module, so that a pull request shows what it does to one.
      nixosConfigurations.example =
        let
          system = "x86_64-linux";
          packages = packagesFor system;
        in
        {
          pkgs.system = system;
          config.system.build.toplevel = run {
            name = "nixos-system-example-25.11";
            inherit system;
            inherit (packages) server cluster;
            script = ''
              mkdir -p $out/etc/systemd/system
              echo "ExecStart=$server/bin/inventree-server" > $out/etc/systemd/system/inventree-server.service
              echo "ExecStart=$cluster/bin/inventree-cluster" > $out/etc/systemd/system/inventree-cluster.service
              echo 25.11 > $out/nixos-version
            '';
          };
        };
    };
}
