# A real one: two machines. An overlay is laid over a checkout of ../fleet.
let
  deploy = import ./nix/krops.nix;
  sourcesOf = name: {
    config-shared = toString ./config/shared.nix;
    config-machine = toString (./config/machines + "/${name}");
    web-app-dist = toString (./build + "/${name}/dist");
    lnbits-src = toString ./lnbits;
    nixos = toString ./nix;
  };
  machine1 = deploy { name = "machine1"; sources = sourcesOf "machine1"; };
  machine2 = deploy { name = "machine2"; sources = sourcesOf "machine2"; };
in
{
  inherit machine1 machine2;
}
