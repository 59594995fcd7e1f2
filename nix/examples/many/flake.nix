{
  description = "N attributes: the numbers stand in files beside this one";

  outputs = { self }:
    let
      line = file: builtins.head (builtins.match "([^\n]*)\n?" (builtins.readFile file));
      number = file: builtins.fromJSON (line file);
      make = system: import ./many.nix {
        inherit system;
        n = number ./n;
        failures = number ./failures;
        shape = line ./shape;
        broken = line ./broken == "true";
        seed = line ./seed;
      };
    in
    { packages.x86_64-linux = make "x86_64-linux"; };
}
