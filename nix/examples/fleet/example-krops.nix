# Copy to krops.nix (which git ignores). A machine is named three times: here as an attribute, in `inherit`, and in `all`.
let
  deploy = import ./nix/krops.nix;
  example-machine = deploy {
    name = "example-machine";
    sources = { config-shared = toString ./config/shared.nix; config-machine = toString ./config/machines/example-machine; };
  };
in
{
  inherit example-machine;
  all = import ./nix/run.nix {
    name = "deploy-all";
    system = "x86_64-linux";
    machines = [ example-machine ];
    # Goes on after a failure, as scripts of this kind do.
    script = "{ echo '#!/bin/sh'; for m in $machines; do echo \"$m || echo failed: $m\"; done; } > $out; chmod +x $out";
  };
}
