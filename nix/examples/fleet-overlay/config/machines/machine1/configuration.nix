# machine1
let
  domain = "machine1.example.org";
in
import <config-shared> { inherit domain; }
