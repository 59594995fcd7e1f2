# N derivations whose number, shape and failures are arguments.
#   flat    each stands alone
#   shared  each needs one common dependency
#   chain   each needs the one before it
#   layers  ten to a layer, each needs one of the layer below
# `failures` of them exit with 3, spread evenly; with `broken = true` the common dependency fails instead.
# `seed` changes every derivation, so that nothing of an earlier run is found in the store.
{ n, system, shape ? "flat", failures ? 0, broken ? false, seed ? "" }:
let
  width = 5;
  digits = builtins.toString;
  name = i: let s = digits i; in "p" + builtins.substring 0 (width - builtins.stringLength s) "00000" + s;
  make = { name, needs ? [ ], script }: derivation {
    inherit name system needs seed;
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  common = make { name = "common"; script = if broken then "echo common is broken; exit 3" else "echo common > $out"; };
  # Spread evenly, the first among them.
  bucket = i: (i * failures) / n;
  fails = i: failures > 0 && (i == 0 || bucket i != bucket (i - 1));
  needs = i:
    if shape == "flat" then [ ]
    else if shape == "shared" then [ common ]
    else if shape == "chain" then (if i == 0 then [ ] else [ (at (i - 1)) ])
    else if shape == "layers" then (if i < 10 then [ ] else [ (at (i - 10)) ])
    else throw "shape: one of flat, shared, chain, layers; not ${shape}";
  # One thunk each: a chain is evaluated once, not once for every link.
  all = builtins.genList (i: make {
    name = name i;
    needs = needs i;
    script = if fails i then "echo ${name i} fails on purpose; exit 3" else "echo ${name i} > $out";
  }) n;
  at = builtins.elemAt all;
in
builtins.listToAttrs (builtins.genList (i: { name = name i; value = at i; }) n)
