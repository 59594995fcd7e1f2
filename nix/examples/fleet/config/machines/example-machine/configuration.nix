# The canonical template: every shared parameter is shown here.
let
  domain = "example.org";
in
import <config-shared> { inherit domain; }
