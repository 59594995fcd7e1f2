# machine2
let
  domain = "machine2.example.org";
in
import <config-shared> { inherit domain; }
