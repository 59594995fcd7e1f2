{ system, python }:
let
  pin = import ./source.nix { inherit system; };
in
import ./run.nix {
  name = "bitpoll-unstable-${pin.date}";
  inherit system python;
  inherit (pin) source;
  script = ''
    mkdir -p $out/bin $out/share/bitpoll
    cat $source > $out/share/bitpoll/source

    cat > $out/bin/bitpoll-manage <<EOF
    #!/bin/sh
    # The path to Python is written down here, as in the real package: a new Python moves it without a build error.
    python=$python/lib/python3.12/site-packages
    case "\$1" in
      check)
        [ -e \$python/django ] || { echo "no module named django in \$python" >&2; exit 1; }
        echo "System check identified no issues (0 silenced)." ;;
      *) echo "unknown command: \$1" >&2; exit 2 ;;
    esac
    EOF
    printf '#!/bin/sh\necho listening\n' > $out/bin/bitpoll
    chmod +x $out/bin/bitpoll $out/bin/bitpoll-manage
  '';
}
