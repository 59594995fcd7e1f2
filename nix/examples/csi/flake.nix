# Only for `nix flake update`, which keeps the pins: nothing is built from here.
{
  outputs = { self }: { };
}
