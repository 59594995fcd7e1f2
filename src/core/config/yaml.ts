import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Alias,
  type Document,
  type Node,
  type Pair,
} from "yaml";

/** A place in a text: lines and columns count from 1, and the line is one that the text has. */
export type Place = { line: number; column: number };
export type TextProblem = Place & { message: string };

/** What a text holds as plain data, and where each part of it stands. */
export type Parsed =
  | { ok: true; value: unknown; placeOf: (path: readonly PropertyKey[]) => Place }
  | { ok: false; problems: TextProblem[] };

/** Expansions of aliases: enough for sharing by hand, too few to blow up. */
const MOST_ALIASES = 50;
/** Levels of lists and maps: the configuration has six. */
const DEEPEST = 32;
/** What a value may be tagged as; the others make dates, bytes and sets of text. */
const TAGS = new Set(
  ["str", "int", "float", "bool", "null", "map", "seq"].map((name) => `tag:yaml.org,2002:${name}`),
);

/**
 * Reads YAML 1.2 as data that JSON could hold. What YAML allows beyond that (aliases in circles, keys that are maps, types
 * of its own) is a problem at its place; so is whatever the parser itself cannot stand. Never throws.
 */
export function parseYaml(text: string): Parsed {
  const lines = new LineCounter();
  const place = (offset: number): Place => placeAt(text, lines, offset);
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      // Looked for below, in linear time and by what becomes of a key.
      uniqueKeys: false,
      logLevel: "error",
    });
    const wrong = [...document.errors, ...document.warnings].map(({ pos, message }) => ({
      ...place(pos[0]),
      message: worded(message),
    }));
    if (wrong.length > 0) return { ok: false, problems: wrong };
    if (document.directives?.yaml.version !== "1.2")
      return { ok: false, problems: [{ ...place(0), message: "must be YAML 1.2" }] };
    const odd = new Look(document).problems;
    if (odd.length > 0)
      return { ok: false, problems: odd.map((one) => ({ ...place(one.offset), ...one })) };
    return {
      ok: true,
      value: document.toJS({ maxAliasCount: MOST_ALIASES * 2 }),
      placeOf: (path) => place(offsetOf(document, path)),
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, problems: [{ line: 1, column: 1, message: worded(message) }] };
  }
}

/** The end of a text counts as its last line that holds something: GitHub has no other to show a message on. */
function placeAt(text: string, lines: LineCounter, offset: number): Place {
  const at = Math.min(offset, text.trimEnd().length);
  const { line, col } = lines.linePos(at);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function worded(message: string): string {
  return /call stack/u.test(message) ? TOO_DEEP : message;
}

const TOO_DEEP = `nested too deeply: no more than ${DEEPEST} lists and maps in each other`;

/** What is odd in a document, by offset in the text; one pass over its nodes. */
class Look {
  readonly problems: { offset: number; message: string }[] = [];
  /** How many aliases are expanded below an anchor; null while it is open. */
  readonly #anchors = new Map<string, number | null>();

  constructor(document: Document) {
    this.#node(document.contents, 0);
  }

  /** @returns how many aliases are expanded in it. */
  #node(node: unknown, depth: number): number {
    if (isAlias(node)) return this.#alias(node);
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) return 0;
    if (node.tag !== undefined && !TAGS.has(node.tag))
      this.#odd(node, `the type ${node.tag} means nothing here`);
    const { anchor } = node;
    if (anchor !== undefined) this.#anchors.set(anchor, null);
    let expanded = 0;
    if (isMap(node) || isSeq(node)) {
      if (depth >= DEEPEST) this.#odd(node, TOO_DEEP);
      else if (isMap(node)) expanded = this.#map(node.items, depth + 1);
      else for (const item of node.items) expanded += this.#node(item, depth + 1);
    }
    if (anchor !== undefined) this.#anchors.set(anchor, expanded);
    return expanded;
  }

  #map(items: readonly Pair[], depth: number): number {
    const seen = new Set<string>();
    let expanded = 0;
    for (const { key, value } of items) {
      const name = isScalar(key) ? String(key.value) : null;
      if (name === null || name === "__proto__") this.#odd(key, "a key must be plain text");
      else if (seen.has(name)) this.#odd(key, `${name}: the key is there twice`);
      else seen.add(name);
      this.#node(key, depth);
      expanded += this.#node(value, depth);
    }
    return expanded;
  }

  #alias(alias: Alias): number {
    const below = this.#anchors.get(alias.source);
    if (below === undefined) this.#odd(alias, `*${alias.source}: there is no anchor of that name`);
    else if (below === null)
      this.#odd(alias, `*${alias.source}: an alias inside of its own anchor`);
    const expanded = 1 + (below ?? 0);
    if (expanded > MOST_ALIASES) {
      this.#odd(
        alias,
        `*${alias.source}: too many aliases in each other (${MOST_ALIASES} at most)`,
      );
      return 0;
    }
    this.#expanded += expanded;
    if (this.#expanded > MOST_ALIASES && !this.#full) {
      this.#full = true;
      this.#odd(alias, `*${alias.source}: too many aliases (${MOST_ALIASES} at most)`);
    }
    return expanded;
  }

  #expanded = 0;
  #full = false;

  #odd(node: unknown, message: string): void {
    this.problems.push({ offset: (node as Node | null)?.range?.[0] ?? 0, message });
  }
}

/** Where the value of a path (or its key, or the nearest thing around it) begins in the text. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = (document.contents as Node | null)?.range?.[0] ?? 0;
  for (const part of path) {
    if (isAlias(node)) return offset;
    if (isMap(node)) {
      const pair = node.items.find(
        (item: Pair) => isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (pair === undefined) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else {
      const item = isSeq(node) && typeof part === "number" ? node.items[part] : undefined;
      if (item === undefined) return offset;
      offset = (item as Node).range?.[0] ?? offset;
      node = item;
    }
  }
  return offset;
}
