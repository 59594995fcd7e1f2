# A script that builds a machine's web application into build/<machine>/dist of the checkout it is run in.
{ name }:
import ./run.nix {
  name = "build-${name}";
  system = "x86_64-linux";
  machine = name;
  script = ''
    mkdir -p $out/bin
    {
      echo '#!/bin/sh'
      echo 'set -eu'
      echo "mkdir -p build/$machine/dist"
      echo "cat web-app/index.html machine-specific/$machine/env/.env > build/$machine/dist/index.html"
    } > $out/bin/build-$machine
    chmod +x $out/bin/build-$machine
  '';
}
