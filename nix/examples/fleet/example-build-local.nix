# Copy to build-local.nix (which git ignores).
let
  buildForMachine = name: import ./nix/build-local.nix { inherit name; };
in
{
  example-machine = buildForMachine "example-machine";
}
