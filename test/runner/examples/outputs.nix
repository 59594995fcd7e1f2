# Every derivation of a flake's outputs: [ { path, drv, system } ], and the programs of its apps.
{ flake }:
let
  outputs = builtins.getFlake flake;
  attrs = set: map (name: { inherit name; value = set.${name}; }) (builtins.attrNames set);
  one = path: drv: { inherit path; drv = drv.drvPath; inherit (drv) system; };
  perSystem = output:
    builtins.concatMap (s: map (a: one [ output s.name a.name ] a.value) (attrs s.value)) (attrs (outputs.${output} or { }));
  machines = output: top: map (m: one [ output m.name ] (top m.value)) (attrs (outputs.${output} or { }));
in
{
  derivations = builtins.concatMap perSystem [ "packages" "checks" "devShells" ]
    ++ map (f: one [ "formatter" f.name ] f.value) (attrs (outputs.formatter or { }))
    ++ machines "nixosConfigurations" (m: m.config.system.build.toplevel)
    ++ machines "darwinConfigurations" (m: m.system);
  apps = builtins.concatMap (s: map (a: { path = [ "apps" s.name a.name ]; inherit (a.value) program; }) (attrs s.value))
    (attrs (outputs.apps or { }));
}
