# The pin: a commit of the upstream branch and the hash of what is fetched for it. A bump changes rev, date and hash together.
{ system }:
let
  rev = "4a3e6a5c0d1f2e3b4a5968778695a4b3c2d1e0f9";
  date = "2025-11-11";
  hash = "sha256-j06zPjJdP003D8tUEvS76ySf1wQrLgr470s+W8OeWfk=";
in
{
  inherit rev date;
  # ../upstream stands in for the forge: a fixed-output derivation as a download is, without the network.
  source = import ./run.nix {
    name = "bitpoll-source";
    inherit system;
    upstream = ../upstream;
    outputHash = hash;
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
    script = "cat $upstream/${rev}/source > $out";
  };
}
