import { type Binding, outlineOf, type Token, tokensOf } from "./nix-text.ts";

/** KRO-2: one machine of a krops repository is named in several places, and they are kept by hand. */

/** The files that name machines. Null where there is no such file or folder. */
export type KropsFiles = {
  /** `krops.nix`, or its template. */
  krops: { path: string; text: string } | null;
  /** `build-local.nix`, or its template. */
  build: { path: string; text: string } | null;
  /** Names of folders in `config/machines`. */
  folders: readonly string[] | null;
};

export const PLACES = [
  "krops-attribute",
  "krops-inherit",
  "krops-all",
  "build-attribute",
  "build-all",
  "folder",
] as const;
export type Place = (typeof PLACES)[number];

/** For people who have the files before them. */
export const PLACE_WORDS = {
  "krops-attribute": "krops.nix (an attribute)",
  "krops-inherit": "krops.nix (inherit)",
  "krops-all": "krops.nix (all)",
  "build-attribute": "build-local.nix (an attribute)",
  "build-all": "build-local.nix (all)",
  folder: "config/machines",
} as const satisfies Record<Place, string>;

export type NamedMachine = {
  machine: string;
  in: Place[];
  /** Places that name other machines and not this one. A place that names none, or is not there, is nobody's lack. */
  missing: Place[];
  /** Other machines that its own attribute names, each with the text: the wrong folder would go to the machine. */
  others: { machine: string; text: string }[];
};

/** The attribute that means every machine: no machine. */
const ALL = "all";
const FOLDERS =
  /(?:^|\/)(?:config\/machines|build|machine-specific)\/([A-Za-z0-9][A-Za-z0-9._-]*)/gu;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u;

/**
 * Every machine that is named anywhere, sorted by name. Files are read as text: what they compute is not seen.
 * @param expected places that named machines before, and count though they name none now
 */
export function machinesNamed(
  files: KropsFiles,
  expected: ReadonlySet<Place> = new Set(),
): NamedMachine[] {
  const krops = files.krops === null ? null : read(files.krops.text);
  const build = files.build === null ? null : read(files.build.text);
  const folders = new Set(files.folders ?? []);
  const sure = new Set(
    [...(krops?.exported ?? []), ...(build?.exported ?? []), ...folders].filter(isMachine),
  );
  const known = new Set([...sure, ...alike(krops, sure), ...alike(build, sure)]);
  const places: Record<Place, (name: string) => boolean> = {
    "krops-attribute": (name) => krops?.bindings.some((one) => one.name === name) ?? false,
    "krops-inherit": (name) => krops?.inherited.has(name) ?? false,
    "krops-all": (name) => mentions(krops?.all, name),
    "build-attribute": (name) =>
      build?.bindings.some((one) => one.name === name) === true ||
      (build?.strings.has(name) ?? false),
    "build-all": (name) => mentions(build?.all, name),
    folder: (name) => folders.has(name),
  };
  const used = PLACES.filter(
    (place) => expected.has(place) || [...known].some((name) => places[place](name)),
  );
  return [...known].toSorted().map((machine) => ({
    machine,
    in: used.filter((place) => places[place](machine)),
    missing: used.filter((place) => !places[place](machine)),
    others: [...(krops?.bindings ?? []), ...(build?.bindings ?? [])]
      .filter(({ name }) => name === machine)
      .flatMap(({ value }) => othersIn(value, machine, known)),
  }));
}

type Read = {
  bindings: Binding[];
  inherited: Set<string>;
  /** Names that its result has for sure, machines or not. */
  exported: string[];
  /** Words of `all`; undefined where it has none. */
  all: Token[] | undefined;
  /** Whole strings: names in `genAttrs [ "a" ]`. */
  strings: Set<string>;
};

function read(text: string): Read {
  const tokens = tokensOf(text);
  const { bindings, inherited } = outlineOf(tokens);
  const all = bindings.find(({ name }) => name === ALL)?.value;
  // Bound by a call with its own name: `machine1 = buildForMachine "machine1"`.
  const own = bindings
    .filter(({ name, value }) => value.some((one) => one.kind === "text" && one.text === name))
    .map(({ name }) => name);
  // In an `inherit` beside `all`; one of `lib` or `pkgs` is bound by no call.
  const calls = bindings.filter(({ value }) => calleeOf(value) !== null).map(({ name }) => name);
  const listed = inherited.filter((name) => calls.includes(name) || mentions(all, name));
  const strings = new Set(tokens.filter(({ kind }) => kind === "text").map((one) => one.text));
  return { bindings, inherited: new Set(inherited), exported: [...own, ...listed], all, strings };
}

/** Bound by the same call as a machine: one more, that somebody forgot to export. */
function alike(file: Read | null, sure: ReadonlySet<string>): string[] {
  if (file === null) return [];
  const callees = new Set(
    file.bindings.filter(({ name }) => sure.has(name)).map(({ value }) => calleeOf(value)),
  );
  return file.bindings
    .filter(({ name, value }) => {
      const callee = calleeOf(value);
      return callee !== null && callees.has(callee) && isMachine(name);
    })
    .map(({ name }) => name);
}

/** `pkgs.krops.writeDeploy` of `pkgs.krops.writeDeploy "a" { … }`; null for what is no call, or one of `import`. */
function calleeOf(value: readonly Token[]): string | null {
  let index = 0;
  const path: string[] = [];
  while (value[index]?.kind === "id") {
    path.push(value[index]?.text ?? "");
    if (value[index + 1]?.text !== ".") break;
    index += 2;
  }
  const argument = value[index + 1];
  const isCall =
    argument !== undefined && (argument.kind !== "sign" || ["{", "(", "["].includes(argument.text));
  const callee = path.join(".");
  return isCall && !["", "import", "let", "with", "rec", "if", "assert"].includes(callee)
    ? callee
    : null;
}

function mentions(tokens: readonly Token[] | undefined, name: string): boolean {
  return (tokens ?? []).some(({ kind, text }) =>
    kind === "id" ? text === name : kind === "text" && words(text).includes(name),
  );
}

const words = (text: string): string[] => text.split(/[^A-Za-z0-9._-]+/u);

function othersIn(
  value: readonly Token[],
  machine: string,
  known: ReadonlySet<string>,
): { machine: string; text: string }[] {
  return value
    .filter(({ kind }) => kind === "text")
    .flatMap(({ text }) => {
      const named = [...text.matchAll(FOLDERS)].map(([, name = ""]) => name);
      return [text, ...named]
        .filter((name) => name !== machine && known.has(name))
        .map((name) => ({ machine: name, text: text.slice(0, 200) }));
    });
}

const isMachine = (name: string): boolean => name !== ALL && NAME.test(name);
