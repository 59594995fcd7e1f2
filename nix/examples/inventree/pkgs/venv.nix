# The Python packages of uv.lock, with their dependencies between each other.
{ system }:
let
  run = import ./run.nix;
  lock = builtins.fromTOML (builtins.readFile ../uv.lock);
  # Old packages that use setuptools without saying so.
  overrides = [ "django-allauth" "odfpy" ];
  packages = builtins.listToAttrs (map (package: {
    inherit (package) name;
    value = run {
      name = "python3.12-${package.name}-${package.version}";
      inherit system;
      inherit (package) version;
      needs = map (needed: packages.${needed.name}) (package.dependencies or [ ]);
      backend = if package.legacy or false && !(builtins.elem package.name overrides) then "" else "setuptools";
      script = ''
        [ -n "$backend" ] || { echo "ModuleNotFoundError: No module named 'setuptools'"; exit 1; }
        mkdir -p $out/site-packages
        echo "$name $version" > $out/site-packages/METADATA
      '';
    };
  }) lock.package);
in
{
  inherit packages;
  venv = run {
    name = "inventree-venv";
    inherit system;
    needs = builtins.attrValues packages;
    script = ''
      mkdir -p $out/bin $out/site-packages
      for package in $needs; do cat $package/site-packages/METADATA; done > $out/site-packages/all
      printf '#!/bin/sh\nexec /bin/sh "$@"\n' > $out/bin/python
      chmod +x $out/bin/python
    '';
  };
}
