{ system, version ? "3.12" }:
import ./run.nix {
  name = "python-${version}-env";
  inherit system;
  script = ''
    for module in django caldav icalendar lxml; do
      mkdir -p $out/lib/python${version}/site-packages/$module
      echo "$module" > $out/lib/python${version}/site-packages/$module/__init__.py
    done
  '';
}
