import type { Root, Unit } from "../expression.ts";
import { nixString, PRELUDE } from "../expression.ts";

/**
 * What nix-eval-jobs is given instead of a flake: a set of one member for each unit, and below it what the walk would meet.
 * The tool passes over what is no derivation; here that throws, so that it is told as the walk tells it. Names are encoded,
 * because the tool spells paths out and reads them back, and takes a number for an index and a functor for a call.
 */
const JOBS = String.raw`
p:
let
${PRELUDE}
  refuse = reason: throw (p.nonce + " " + reason);
  encode = name: "_" + builtins.replaceStrings [ "%" "." "\"" ] [ "%25" "%2E" "%22" ] name;
  open = f: names: listToAttrs (map (name: { name = encode name; value = f name; }) names) // { recurseForDerivations = true; };
  members = v: attrNames (removeAttrs v [ "recurseForDerivations" ]);

  derivation = v: let no = objection v; in if no != null then refuse no else removeAttrs v [ "__functor" ];
  visit = look: depth: v:
    if isDerivation v then derivation v
    else if isAttrs v && (look == "set" || recurses v) then
      if depth > p.depth then refuse tooDeep else open (name: visit look (depth + 1) (getAttr name v)) (members v)
    else if look == "ignore" then { }
    else refuse (noDerivation v);
  configuration = inner: depth: v:
    foldl' (go: name: parent: if isAttrs parent && hasAttr name parent then go (getAttr name parent) else refuse (noConfiguration name))
      derivation (reverse inner) v;
  leaves = {
    derivations = visit "recurse";
    legacy = visit "ignore";
    jobs = visit "set";
    nixos = configuration [ "config" "system" "build" "toplevel" ];
    darwin = configuration [ "system" ];
    home = configuration [ "activationPackage" ];
  };
  set = leaf: depth: only: v:
    if !(isAttrs v) || isDerivation v then refuse (noSet v)
    else open (name: leaf (depth + 1) (getAttr name v)) (if only == null then members v else only);
  unit = root: u:
    let
      leaf = getAttr u.leaf leaves;
      depth = length u.path;
      at = v:
        if u.shape == "set" && !(u.leaf == "derivations" && depth == 1 && isDerivation v) then set leaf depth (u.only or null) v
        else leaf depth v;
      down = v: path:
        if path == [ ] then at v
        else if isAttrs v && hasAttr (head path) v then down (getAttr (head path) v) (tail path)
        else if isFunction v then refuse "goes through a function that needs arguments"
        else refuse p.missing;
    in
    down root u.path;
in
root: listToAttrs (genList (i: { name = "_" + toString i; value = unit root (elemAt p.units i); }) (length p.units))
`;

export interface JobsParameters {
  readonly nonce: string;
  /** What stands behind the nonce for a unit that is not there. */
  readonly missing: string;
  readonly units: readonly Unit[];
  readonly depth: number;
}

export function jobsExpression(parameters: JobsParameters, root: Root): string {
  return `(${JOBS}) (builtins.fromJSON ${nixString(JSON.stringify(parameters))}) (${root.outputs})`;
}

/** The attribute path that a line is about; null where it is none of ours. */
export function decodePath(path: readonly string[], units: readonly Unit[]): string[] | null {
  const [first = "", ...rest] = path;
  const unit = /^_\d{1,6}$/u.test(first) ? units[Number(first.slice(1))] : undefined;
  if (unit === undefined || rest.some((part) => !part.startsWith("_"))) return null;
  return [...unit.path, ...rest.map((part) => decode(part.slice(1)))];
}

const ESCAPES: Readonly<Record<string, string>> = { "%25": "%", "%2E": ".", "%22": '"' };

function decode(name: string): string {
  return name.replace(/%(?:25|2E|22)/gu, (found) => ESCAPES[found] ?? found);
}
