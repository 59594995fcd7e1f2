# Everything, as one function. Whoever builds from here names what they want: evaluating it all would reach `traps`.
{ local ? "false", system ? builtins.currentSystem }:
let
  run = import ./nix/run.nix;
  version = (builtins.fromTOML (builtins.readFile ./python/pyproject.toml)).project.version;
  architectures = [ "x86_64-linux" "aarch64-linux" ];
  each = f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) architectures);

  csi = system: run {
    name = "nix-csi-${version}";
    inherit system;
    script = "mkdir -p $out/bin; echo '#!/bin/sh' > $out/bin/nix-csi; chmod +x $out/bin/nix-csi";
  };
  environment = role: system: run {
    name = "nix-csi-${role}";
    inherit system;
    csi = csi system;
    services = ./environments + "/${role}";
    script = "mkdir -p $out/etc; cp $services $out/etc/services; echo $csi > $out/etc/csi";
  };
  environments = each (system: { cache = environment "cache" system; node = environment "node" system; });

  keys = map (name: builtins.readFile (./keys + "/${name}"))
    (builtins.filter (name: builtins.match ".*\\.pub" name != null) (builtins.attrNames (builtins.readDir ./keys)));
  manifest = {
    apiVersion = "v1";
    kind = "List";
    items = [
      { kind = "StatefulSet"; metadata.name = "nix-cache"; spec.package = "${environments.${system}.cache}"; }
      { kind = "DaemonSet"; metadata.name = "nix-csi-node"; spec.package = "${environments.${system}.node}"; }
      { kind = "Secret"; metadata.name = "authorized-keys"; stringData.keys = builtins.concatStringsSep "" keys; }
    ] ++ (if local == "true" then [ { kind = "Namespace"; metadata.name = "nix-csi-local"; } ] else [ ]);
  };
  script = name: text: run {
    inherit name system text;
    passAsFile = [ "text" ];
    script = "{ echo '#!/bin/sh'; echo 'set -eu'; cat $textPath; } > $out; chmod +x $out";
  };
in
{
  inherit environments;
  csi = each csi;

  kubenixApply = {
    manifestJSONFile = run {
      name = "manifest.json";
      inherit system;
      text = builtins.toJSON manifest;
      passAsFile = [ "text" ];
      script = "cat $textPath > $out";
    };
    # As easykubenix has it: whether it is a dry run, and whether it prunes, are arguments.
    deploymentScript = script "deploy" "exec kluctl deploy --no-update-check --target local --discriminator nix-csi --project-dir ${builtins.toFile "project" "the manifest"} \"$@\"\n";
  };

  # Building these makes a script; only running it pushes.
  push = script "push" (builtins.concatStringsSep "\n"
    (map (system: "nix copy --to \"$CACHE\" ${environments.${system}.cache} ${environments.${system}.node}") [ system ]));
  pushImage = script "push-image" "skopeo copy docker-archive:image.tar \"docker://$REGISTRY/nix-csi:$COMMIT\"\n";

  integrationTest = script "integration-test" ''
    kubectl wait --for=condition=complete --timeout=300s job/ctest
    kubectl exec job/ctest -- ls /nix/store
  '';

  repoenv = script "repoenv" "echo python, ruff, kluctl\n";

  traps = throw "default.nix was enumerated: only declared attributes may be touched";
}
