/**
 * The Nix side of an evaluation. It walks the outputs in a fixed order and says what it meets, when it meets it, by
 * `builtins.trace`: one line of JSON behind a nonce that the evaluated code does not know. So an attribute that fails,
 * loops or kills the evaluator costs only itself: what came before it has been said already, and the next process goes
 * on behind it. Works in pure mode and on every Nix since 2.4.
 */
const WALK =
  String.raw`
p:
let
  inherit (builtins) attrNames elem elemAt foldl' functionArgs genList getContext head intersectAttrs isAttrs isFunction isList
    isString length listToAttrs seq substring stringLength tail toJSON trace typeOf unsafeDiscardStringContext unsafeGetAttrPos;

  say = line: next: trace "` +
  "${p.nonce} ${unsafeDiscardStringContext (toJSON line)}" +
  String.raw`" next;
  each = f: foldl' (done: x: seq (f x) done) true;
  suffix = end: s: stringLength s >= stringLength end && substring (stringLength s - stringLength end) (-1) s == end;
  isDerivation = v: isAttrs v && (v.type or null) == "derivation";
  recurses = v: isAttrs v && (v.recurseForDerivations or false) == true;
  known = path: p.skip ? ` +
  "${toJSON path}" +
  String.raw`;
  position = name: set: let at = unsafeGetAttrPos name set; in if at == null then null else { inherit (at) file line column; };
  describe = v: { lambda = "a function"; set = "a set"; list = "a list"; string = "a string"; int = "a number"; float = "a number"; bool = "a boolean"; path = "a path"; "null" = "null"; }.` +
  "${typeOf v}" +
  String.raw` or (typeOf v);
  refuse = path: reason: say [ "refused" path reason ] true;

  # What the protocol wants to know of a derivation. The context proves that Nix itself made drvPath: a set may claim anything.
  derivation = path: v:
    if !(v ? drvPath && v ? outPath && v ? name && v ? system) then refuse path "has type \"derivation\" and is none: drvPath, outPath, name or system is missing"
    else if !(isString v.drvPath && suffix ".drv" v.drvPath && (getContext v.drvPath) ? ` +
  "${unsafeDiscardStringContext v.drvPath}" +
  String.raw`) then refuse path "has type \"derivation\" and is none: its drvPath is a plain string"
    else say [ "derivation" path {
      path = v.drvPath;
      inherit (v) name system;
      outputs = listToAttrs (map (o: { name = o; value = "` +
  "${v.${o}.outPath}" +
  String.raw`"; }) (v.outputs or [ "out" ]));
      features = v.requiredSystemFeatures or [ ];
    } ] true;

  # An app names a program; the derivation behind it is in the string's context.
  app = path: v:
    if isDerivation v then derivation path v
    else if !(isAttrs v && v ? program) then refuse path "is ` +
  "${describe v}" +
  String.raw`, not an app: it needs type and program"
    else if isDerivation v.program then derivation path v.program
    else if !(isString v.program) then refuse path "has a program that is ` +
  "${describe v.program}" +
  String.raw`, not a string"
    else say [ "program" path { program = v.program; derivations = attrNames (getContext v.program); } ] true;

  configuration = inner: path: v:
    foldl' (go: name: parent: if isAttrs parent && parent ? ` +
  "${name}" +
  String.raw` then go parent.` +
  "${name}" +
  String.raw` else refuse path "is not a configuration: it has no ` +
  "${name}" +
  String.raw`")
      (derivation path) (reverse inner) v;
  reverse = list: genList (i: elemAt list (length list - 1 - i)) (length list);

  # Everything below a set, in the order of names. recurse: whether a plain set is looked into.
  visit = recurse: path: v:
    if isDerivation v then derivation path v
    else if isAttrs v && (recurse || recurses v) then
      if length path > p.depth then refuse path "is nested deeper than ` +
  "${toString p.depth}" +
  String.raw` sets" else set (visit recurse) path (removeAttrs v [ "recurseForDerivations" ])
    else refuse path (if isAttrs v then "is a set, not a derivation; recurseForDerivations = true would have it looked into" else "is ` +
  "${describe v}" +
  String.raw`, not a derivation");

  member = leaf: path: parent: name:
    let at = path ++ [ name ]; in if known at then true else say [ "start" at (position name parent) ] (leaf at parent.` +
  "${name}" +
  String.raw`);
  set = leaf: path: v: members 0 leaf path v;
  members = from: leaf: path: v:
    if !(isAttrs v) then refuse path "is ` +
  "${describe v}" +
  String.raw`, not a set"
    else let names = attrNames v; in say [ "names" path (length names) ] (each (i: member leaf path v (elemAt names i)) (genList (i: i + from) (length names - from)));

  leaves = {
    derivations = visit false;
    jobs = visit true;
    inherit app;
    nixos = configuration [ "config" "system" "build" "toplevel" ];
    darwin = configuration [ "system" ];
  };

  # A function is called with those of the arguments that it declares; one that needs others is left as it is.
  call = v: if isFunction v && each' (name: p.args ? ` +
  "${name}" +
  String.raw` || (functionArgs v).` +
  "${name}" +
  String.raw`) (attrNames (functionArgs v)) then v (intersectAttrs (functionArgs v) p.args) else v;
  each' = f: foldl' (ok: x: ok && f x) true;

  # Goes down a path; says so when it is not there.
  descend = spelled: found: v: path: rest:
    let value = if p.calls then call v else v; in
    if rest == [ ] then found path value
    else if isList value && p.calls then refuse spelled "goes through a list"
    else if isAttrs value && value ? ` +
  "${head rest}" +
  String.raw` then
      say [ "at" spelled (position (head rest) value) ] (descend spelled found value.` +
  "${head rest}" +
  String.raw` (path ++ [ (head rest) ]) (tail rest))
    else if isFunction value then refuse spelled "goes through a function that needs arguments"
    else say [ "missing" spelled ] true;

  # One unit of work: { path, shape: "set" | "leaf", leaf, from, declared }.
  unit = root: u:
    if known u.path then true else say [ "start" u.path null ]
      (descend u.path (path: v: if u.shape == "set" then members u.from leaves.` +
  "${u.leaf}" +
  String.raw` path v else leaves.` +
  "${u.leaf}" +
  String.raw` path v) root [ ] u.path);

  # First look: which outputs there are, and for which systems.
  outline = root:
    if !(isAttrs root) then refuse [ ] "is ` +
  "${describe root}" +
  String.raw`, not a set of outputs"
    else say [ "outputs" (attrNames root) ] (each (kind:
      if root ? ` +
  "${kind}" +
  String.raw` then say [ "start" [ kind ] (position kind root) ] (
        if isAttrs root.` +
  "${kind}" +
  String.raw` then say [ "systems" kind (attrNames root.` +
  "${kind}" +
  String.raw`) ] true
        else refuse [ kind ] "is ` +
  "${describe root.${kind}}" +
  String.raw`, not a set")
      else true) p.kinds);
in
root: if p.mode == "outline" then outline root else each (unit root) p.units
`;

/** What the walk is told. Plain JSON. */
export interface WalkParameters {
  readonly nonce: string;
  readonly mode: "outline" | "walk";
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

export type Leaf = "derivations" | "jobs" | "app" | "nixos" | "darwin";

export interface Unit {
  readonly path: readonly string[];
  /** `set`: its members are the attributes. `leaf`: it is one itself. */
  readonly shape: "set" | "leaf";
  readonly leaf: Leaf;
  /** Members before this one (in the order of names) are done. */
  readonly from: number;
}

/** The expression for one process: `root` is Nix text that yields the outputs. */
export function walkExpression(parameters: WalkParameters, root: string): string {
  return `(${WALK}) (builtins.fromJSON ${nixString(JSON.stringify(parameters))}) (${root})`;
}

export function flakeRoot(reference: string): string {
  return `(builtins.getFlake ${nixString(reference)}).outputs`;
}

/** `file` is an absolute path. */
export function fileRoot(file: string): string {
  return `import (/. + ${nixString(file)})`;
}

/** A Nix string literal that holds exactly this text. */
export function nixString(text: string): string {
  return `"${text.replace(/["\\]|\$\{/gu, (found) => `\\${found}`)}"`;
}
