{ system }:
let
  run = import ./run.nix;
  src = import ./src.nix { inherit system; };
  python = import ./venv.nix { inherit system; };
  program = { name, text }: run {
    inherit name system src text;
    inherit (python) venv;
    passAsFile = [ "text" ];
    script = ''
      mkdir -p $out/bin
      { echo '#!/bin/sh'; echo "INVENTREE_SRC=$src; VENV=$venv"; cat $textPath; } > $out/bin/inventree-$name
      chmod +x $out/bin/inventree-$name
    '';
  };
in
{
  inherit src;
  inherit (python) venv;
  server = program { name = "server"; text = "echo gunicorn from $VENV"; };
  cluster = program { name = "cluster"; text = "echo manage.py qcluster"; };
  invoke = program { name = "invoke"; text = "echo invoke in $INVENTREE_SRC"; };
  refresh-users = program { name = "refresh-users"; text = "echo users refreshed"; };
  # Prints a key when it is run: it is built, and never run in a log that others can read.
  gen-secret = program { name = "gen-secret"; text = "head -c 32 /dev/urandom | base64"; };
}
