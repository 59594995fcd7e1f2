# machine1
let
  domain = "machine1.example.org";
in
import ../../shared.nix { inherit domain; }
