# machine2
let
  domain = "machine2.example.org";
in
import ../../shared.nix { inherit domain; }
