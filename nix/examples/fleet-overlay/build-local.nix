let
  buildForMachine = name: import ./nix/build-local.nix { inherit name; };
in
{
  machine1 = buildForMachine "machine1";
  machine2 = buildForMachine "machine2";
}
