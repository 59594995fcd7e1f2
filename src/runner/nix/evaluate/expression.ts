/** Nix text that the walk and the expression for nix-eval-jobs share: what a derivation is, and why something is none. */
export const PRELUDE = String.raw`
  inherit (builtins) attrNames elem elemAt foldl' functionArgs genList getAttr getContext hasAttr head intersectAttrs isAttrs
    isFunction isList isPath isString length listToAttrs seq stringLength substring tail toJSON trace tryEval typeOf
    unsafeDiscardStringContext unsafeGetAttrPos;

  suffix = end: s: stringLength s >= stringLength end && substring (stringLength s - stringLength end) (-1) s == end;
  isDerivation = v: isAttrs v && (v.type or null) == "derivation";
  recurses = v: isAttrs v && (v.recurseForDerivations or false) == true;
  describe = v:
    let names = { lambda = "a function"; set = "a set"; list = "a list"; string = "a string"; int = "a number"; float = "a number"; bool = "a boolean"; path = "a path"; "null" = "null"; };
    in if hasAttr (typeOf v) names then getAttr (typeOf v) names else typeOf v;
  reverse = list: genList (i: elemAt list (length list - 1 - i)) (length list);
  tooDeep = "is nested deeper than " + toString p.depth + " sets";
  noDerivation = v: if isAttrs v then "is a set, not a derivation; recurseForDerivations = true would have it looked into" else "is " + describe v + ", not a derivation";
  noSet = v: if isDerivation v then "is a derivation, not a set of them" else "is " + describe v + ", not a set";
  noConfiguration = name: "is not a configuration: it has no " + name;

  # The context proves that Nix itself made drvPath: a set may claim anything.
  objection = v:
    if !(v ? drvPath && v ? outPath && v ? name && v ? system) then "has type \"derivation\" and is none: drvPath, outPath, name or system is missing"
    else if !(isString v.drvPath && suffix ".drv" v.drvPath && hasAttr (unsafeDiscardStringContext v.drvPath) (getContext v.drvPath)) then "has type \"derivation\" and is none: its drvPath is a plain string"
    else null;
`;

/**
 * The Nix side of an evaluation. It walks the outputs in a fixed order and says what it meets, when it meets it, by
 * `builtins.trace`: one line of JSON behind a nonce that the evaluated code does not know. So an attribute that fails,
 * loops or kills the evaluator costs only itself: what came before it has been said already, and the next process goes
 * on behind it. Works in pure mode and on every Nix since 2.4. (No `$` with a brace below: the text is a JavaScript template.)
 */
const WALK = String.raw`
p:
let
${PRELUDE}
  say = line: next: trace (p.nonce + " " + unsafeDiscardStringContext (toJSON line)) next;
  each = f: foldl' (done: x: seq (f x) done) true;
  known = path: hasAttr (toJSON path) p.skip;
  position = name: set: let at = unsafeGetAttrPos name set; in if at == null then null else { inherit (at) file line column; };
  refuse = path: reason: say [ "refused" path reason ] true;
  finding = path: at: reason: say [ "finding" path at reason ] true;

  # What the protocol wants to know of a derivation.
  derivation = path: v:
    let no = objection v; in
    if no != null then refuse path no
    else say [ "derivation" path {
      path = v.drvPath;
      inherit (v) name system;
      outputs = listToAttrs (map (o: { name = o; value = toString (getAttr o v).outPath; }) (v.outputs or [ "out" ]));
      features = v.requiredSystemFeatures or [ ];
    } ] true;

  # An app names a program; the derivation behind it is in the string's context.
  app = path: v:
    if isDerivation v then derivation path v
    else if !(isAttrs v && v ? program) then refuse path ("is " + describe v + ", not an app: it needs type and program")
    else seq (appFindings path v) (
      if isDerivation v.program then derivation path v.program
      else if !(isString v.program) then refuse path ("has a program that is " + describe v.program + ", not a string")
      else say [ "program" path { program = v.program; derivations = attrNames (getContext v.program); } ] true);
  appFindings = path: v:
    let more = attrNames (removeAttrs v [ "type" "program" "meta" ]); in
    seq (if (v.type or null) == "app" then true else finding path (position "type" v) (if v ? type then "has a type that is not \"app\"" else "has no type: an app's is \"app\""))
      (if more == [ ] then true else finding path (position (head more) v) ("has an attribute that is none of an app: " + head more));

  configuration = inner: path: v:
    foldl' (go: name: parent: if isAttrs parent && hasAttr name parent then go (getAttr name parent) else refuse path (noConfiguration name))
      (derivation path) (reverse inner) v;

  # What a machine of clan's says of its deploys, where its inventory does not: its configuration is evaluated by now.
  quiet = v: let found = tryEval v; in if found.success then found.value else null;
  clan = path: v:
    let
      core = quiet (v.config.clan.core or null);
      host = quiet (core.networking.targetHost or null);
      explicit = quiet (core.deployment.requireExplicitUpdate or null);
    in
    if !(isAttrs core && length path == 2) then true
    else say [ "clan" path { targetHost = if isString host then host else null; explicit = explicit == true; } ] true;

  # Everything below a set, in the order of names. look: "set" looks into plain sets too, "recurse" into those that say so,
  # "ignore" does as well, and passes over what is no derivation.
  visit = look: path: v:
    if isDerivation v then derivation path v
    else if isAttrs v && (look == "set" || recurses v) then
      if length path > p.depth then refuse path tooDeep else set (visit look) path v
    else if look == "ignore" then true
    else refuse path (noDerivation v);

  member = leaf: path: parent: name:
    let at = path ++ [ name ]; in if known at then true else say [ "start" at (position name parent) ] (leaf at (getAttr name parent));
  set = leaf: path: v: members 0 null leaf path v;
  members = from: only: leaf: path: v:
    if !(isAttrs v) then refuse path (noSet v)
    else if isDerivation v then refuse path (noSet v)
    else let names = if only == null then attrNames (removeAttrs v [ "recurseForDerivations" ]) else only; in each (i: member leaf path v (elemAt names i)) (genList (i: i + from) (length names - from));

  leaves = {
    derivations = visit "recurse";
    legacy = visit "ignore";
    jobs = visit "set";
    inherit app;
    nixos = path: v: seq (configuration [ "config" "system" "build" "toplevel" ] path v) (clan path v);
    darwin = configuration [ "system" ];
    home = configuration [ "activationPackage" ];
  };

  # A function is called with those of the arguments that it declares; one that needs others is left as it is.
  call = v: if isFunction v && every (name: hasAttr name p.args || getAttr name (functionArgs v)) (attrNames (functionArgs v)) then v (intersectAttrs (functionArgs v) p.args) else v;
  every = f: foldl' (ok: x: ok && f x) true;

  # Goes down a path; says so when it is not there.
  descend = spelled: found: v: path: rest:
    let value = if p.calls then call v else v; name = head rest; in
    if rest == [ ] then found path value
    else if isList value && p.calls then refuse spelled "goes through a list"
    else if isAttrs value && hasAttr name value then
      say [ "at" spelled (position name value) ] (descend spelled found (getAttr name value) (path ++ [ name ]) (tail rest))
    else if isFunction value then refuse spelled "goes through a function that needs arguments"
    else say [ "missing" spelled ] true;

  # One unit of work: { path, shape: "set" | "leaf", leaf, from, only }.
  unit = root: u:
    let leaf = getAttr u.leaf leaves; in
    if known u.path then true else say [ "start" u.path null ]
      (descend u.path (path: v: if u.shape == "set" && !(u.leaf == "derivations" && length path == 1 && isDerivation v) then members u.from (u.only or null) leaf path v else leaf path v) root [ ] u.path);

  # First look: which outputs there are, and for which systems.
  named = set: map (name: [ name (position name set) ]) (attrNames set);
  outline = source: root:
    if !(isAttrs root) then refuse [ ] ("is " + describe root + ", not a set of outputs")
    else say [ "outputs" (named root) ] (seq (each (kind:
      let v = getAttr kind root; in
      if hasAttr kind root then say [ "start" [ kind ] (position kind root) ] (
        if isAttrs v then say [ "systems" kind (named v) ] true else refuse [ kind ] ("is " + describe v + ", not a set"))
      else true) p.kinds) (say [ "outlined" ] (if p.mode == "lint" then seq (settings source) (lint root) else true)));

  settings = source:
    let file = import source; in
    if source == null || !(isAttrs file.nixConfig or null) then true
    else say [ "settings" (attrNames file.nixConfig) (position "nixConfig" file) ] true;

  # What nix flake check would say of outputs in which nothing is built. Nothing is called.
  lint = root: each (kind: if hasAttr kind root then look root [ ] kind (getAttr kind lints) else true) (attrNames lints);
  look = parent: path: name: f:
    let at = path ++ [ name ]; v = tryEval (getAttr name parent); place = position name parent; in
    if known at then true else say [ "look" at place ] (if v.success then f at place v.value else finding at place "throws when it is looked at");
  all = f: path: at: v: if !(isAttrs v) then finding path at ("is " + describe v + ", not a set") else each (name: look v path name f) (attrNames v);
  lints = {
    overlay = overlay;
    overlays = all overlay;
    nixosModule = module;
    nixosModules = all module;
    darwinModules = all module;
    homeModules = all module;
    defaultTemplate = template;
    templates = all template;
    defaultBundler = all bundler;
    bundlers = all (all bundler);
  };
  overlay = path: at: v:
    if !(isFunction v) then finding path at ("is " + describe v + ", not a function: an overlay is final: prev: { … }")
    else if functionArgs v != { } then finding path at "takes a set of arguments: an overlay is final: prev: { … }"
    else true;
  module = path: at: v: if isFunction v || isAttrs v || isPath v || isString v then true else finding path at ("is " + describe v + ", not a module: a set, a function or a path");
  bundler = path: at: v: if isFunction v || (isAttrs v && v ? __functor) then true else finding path at ("is " + describe v + ", not a function: a bundler is drv: …");
  template = path: at: v:
    if !(isAttrs v) then finding path at ("is " + describe v + ", not a template")
    else let more = attrNames (removeAttrs v [ "path" "description" "welcomeText" ]); in
      seq (if !(v ? path) then finding path at "has no path" else true)
        (seq (if !(v ? description) then finding path at "has no description" else true)
          (if more == [ ] then true else finding path (position (head more) v) ("has an attribute that is none of a template: " + head more)));
in
source: root: if p.mode == "walk" then each (unit root) p.units else outline source root
`;

/** What the walk is told. Plain JSON. */
export interface WalkParameters {
  readonly nonce: string;
  /** `lint`: the outline, and then what `nix flake check` would say of outputs in which nothing is built. */
  readonly mode: "outline" | "lint" | "walk";
  /** For the outline: output kinds that are split by system. */
  readonly kinds: readonly string[];
  readonly units: readonly Unit[];
  /** Paths (as JSON text) that are done or have failed. */
  readonly skip: Readonly<Record<string, true>>;
  /** Functions on the way are called with these; `calls` says whether at all. */
  readonly calls: boolean;
  readonly args: Readonly<Record<string, string>>;
  /** Components below which nested sets are not followed. */
  readonly depth: number;
}

export type Leaf = "derivations" | "legacy" | "jobs" | "app" | "nixos" | "darwin" | "home";

export interface Unit {
  readonly path: readonly string[];
  /** `set`: its members are the attributes. `leaf`: it is one itself. */
  readonly shape: "set" | "leaf";
  readonly leaf: Leaf;
  /** Members before this one (in the order of names) are done. */
  readonly from: number;
  /** Names of the members that are wanted; every one unless given. */
  readonly only?: readonly string[];
}

/** Nix texts: of the outputs, and of the path of the `flake.nix` that they come from (`null` for what is no flake). */
export interface Root {
  readonly outputs: string;
  readonly source: string;
}

/** The expression for one process. */
export function walkExpression(parameters: WalkParameters, root: Root): string {
  return `(${WALK}) (builtins.fromJSON ${nixString(JSON.stringify(parameters))}) (${root.source}) (${root.outputs})`;
}

/** A flake's locked reference as an expression. */
export function flakeExpression(reference: string): string {
  return `builtins.getFlake ${nixString(reference)}`;
}

/** `flake` is Nix text of a flake, `directory` where it lies in its tree. */
export function flakeRoot(flake: string, directory: string, formatterCheck: boolean): Root {
  const below = directory === "." || directory === "" ? "" : `/${directory}`;
  const tree = `((${flake}).sourceInfo.outPath + ${nixString(below)})`;
  return {
    outputs: formatterCheck ? `(${FORMATTER_CHECK}) (${flake}) ${tree}` : `(${flake}).outputs`,
    source: `${tree} + "/flake.nix"`,
  };
}

/** `file` is an absolute path. */
export function fileRoot(file: string): Root {
  return { outputs: `import (/. + ${nixString(file)})`, source: "null" };
}

/** The output under which the formatter's check stands. */
export const FORMATTER_CHECK_OUTPUT = "formatter-check";

/**
 * A flake's outputs with one more: for each system's formatter a derivation that copies the tree, runs the program that
 * `nix fmt` would run on it, and fails with the difference. Its tools are those of the flake's own nixpkgs; without one they
 * are the sandbox's shell's, where that is a busybox that has them.
 */
const FORMATTER_CHECK = String.raw`
flake: tree:
let
  inherit (flake) outputs;
  program = f: f.meta.mainProgram or f.pname or (builtins.parseDrvName f.name).name;
  check = system: f:
    let
      pkgs = flake.inputs.nixpkgs.legacyPackages or { };
      tools = if builtins.hasAttr system pkgs then builtins.getAttr system pkgs else null;
    in
    derivation {
      name = "${FORMATTER_CHECK_OUTPUT}";
      inherit system tree;
      builder = if tools == null then "/bin/sh" else tools.bash + "/bin/bash";
      PATH = if tools == null then "/bin" else tools.coreutils + "/bin:" + tools.diffutils + "/bin";
      formatter = f + "/bin/" + program f;
      args = [ "-c" ''
        set -e
        for tool in cp chmod diff; do
          command -v "$tool" > /dev/null || { echo "no $tool: the flake has no input nixpkgs to take it from, and the sandbox's shell brings none"; exit 1; }
        done
        export HOME="$TMPDIR/home" && mkdir "$HOME" && cp -r "$tree" "$TMPDIR/tree" && chmod -R u+w "$TMPDIR/tree" && cd "$TMPDIR/tree"
        "$formatter" .
        if ! diff -r -u "$tree" "$TMPDIR/tree"; then echo "the formatter changes these files: run nix fmt and commit"; exit 1; fi
        echo > "$out"
      '' ];
    };
in
if !(builtins.isAttrs outputs) then outputs
else outputs // { "${FORMATTER_CHECK_OUTPUT}" = if builtins.isAttrs (outputs.formatter or null) then builtins.mapAttrs check outputs.formatter else { }; }
`;

/** A Nix string literal that holds exactly this text. */
export function nixString(text: string): string {
  return `"${text.replace(/["\\]|\$\{/gu, (found) => `\\${found}`)}"`;
}
