# A real one: two machines. An overlay is laid over a checkout of ../fleet.
let
  deploy = import ./nix/krops.nix;
  sourcesOf = name: {
    config-shared = ./config/shared.nix;
    config-machine = ./config/machines + "/${name}";
    web-app-dist = ./build + "/${name}/dist";
    lnbits-src = ./lnbits;
    nixos = ./nix;
  };
  machine1 = deploy { name = "machine1"; sources = sourcesOf "machine1"; };
  machine2 = deploy { name = "machine2"; sources = sourcesOf "machine2"; };
in
{
  inherit machine1 machine2;
}
