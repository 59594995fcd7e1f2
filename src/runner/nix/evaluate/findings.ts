import type { Finding } from "../../../protocol/data.ts";
import { MAX_FINDINGS } from "../../../protocol/data.ts";
import { attributeName } from "../../../protocol/attribute.ts";
import type { LogPosition } from "../log/event.ts";
import { shorten } from "../log/clean.ts";
import { DEPRECATED, isKnownOutput, isSystem, outputKind } from "./outputs.ts";
import type { Roots } from "./position.ts";
import { inTree } from "./position.ts";
import type { Place } from "./said.ts";

/** Collects findings of one evaluation: each once, as many as are told. */
export class Findings {
  readonly #roots: Roots;
  readonly #found = new Map<string, Finding>();

  constructor(roots: Roots) {
    this.#roots = roots;
  }

  add(path: readonly string[], place: LogPosition | null, message: string): void {
    const finding: Finding = {
      about: shorten(attributeName(path), 1_024),
      message: shorten(message, 4_096),
      position: inTree(place, this.#roots),
    };
    const key = JSON.stringify([finding.about, finding.message]);
    if (this.#found.size < MAX_FINDINGS && !this.#found.has(key)) this.#found.set(key, finding);
  }

  /** What the names of outputs alone tell. */
  outputs(names: readonly (readonly [string, Place])[]): void {
    for (const [name, place] of names) {
      const now = Object.hasOwn(DEPRECATED, name) ? DEPRECATED[name] : undefined;
      if (now !== undefined) this.add([name], place, `is deprecated: its name is ${now}`);
      else if (!isKnownOutput(name)) this.add([name], place, "is no output that is known");
    }
  }

  systems(output: string, names: readonly (readonly [string, Place])[]): void {
    if (outputKind(output).by !== "system") return;
    for (const [name, place] of names)
      if (!isSystem(name)) this.add([output, name], place, "is no system");
  }

  settings(names: readonly string[], place: Place): void {
    for (const name of names)
      this.add(["nixConfig", name], place, `was not taken: ${wayTo(name.replace(/^extra-/u, ""))}`);
  }

  list(): Finding[] {
    return [...this.#found.values()];
  }
}

/** Who may have what a flake's `nixConfig` asks for, and how. Nothing of it is ever taken from the flake. */
function wayTo(setting: string): string {
  switch (setting) {
    case "substituters":
    case "trusted-public-keys":
    case "trusted-substituters":
      return "caches and their keys are those that the runner's operator sets (nix in the isolation of the runner's configuration)";
    case "allow-import-from-derivation":
      return "import_from_derivation: true on the entry under evaluate in .github/snowcat.yml of the default branch allows it";
    case "sandbox":
    case "sandbox-paths":
    case "extra-sandbox-paths":
      return "the sandbox is the runner's";
    default:
      return "settings are those of the runner's operator (nix in the isolation of the runner's configuration)";
  }
}
