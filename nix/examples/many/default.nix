# The same without a flake: nix build --file . packages.p00000 --argstr n 500
{ n ? "500", shape ? "flat", failures ? "0", broken ? "false", seed ? "", system ? "x86_64-linux" }:
{
  packages = import ./many.nix {
    inherit system shape seed;
    n = builtins.fromJSON n;
    failures = builtins.fromJSON failures;
    broken = broken == "true";
  };
}
