import * as z from "zod";

const Path = z.array(z.string());
const Place = z
  .object({ file: z.string(), line: z.number(), column: z.number() })
  .nullable()
  .catch(null);
export type Place = z.output<typeof Place>;
const Named = z.array(z.tuple([z.string(), Place]));

/** What the walk says about one derivation, before it is known to be a derivation that the protocol can carry. */
export const SaidDerivation = z.object({
  path: z.string(),
  name: z.string(),
  system: z.string(),
  outputs: z.record(z.string(), z.string().nullable()),
  features: z
    .union([
      z.array(z.string()),
      z.string().transform((list) => list.split(/\s+/u).filter((name) => name !== "")),
    ])
    .catch([]),
});
export type SaidDerivation = z.output<typeof SaidDerivation>;

/** `clan.core` of a machine's configuration: where clan would deploy it, and whether it is left out unless it is named. */
export const ClanMachine = z.object({ targetHost: z.string().nullable(), explicit: z.boolean() });
export type ClanMachine = z.output<typeof ClanMachine>;

type AttributePath = readonly string[];

/** A line of the walk. */
export type Said =
  /** Of the outline: names of outputs, then of one output's systems, each with its place. `outlined`: that was all. */
  | { readonly kind: "outputs"; readonly names: readonly (readonly [string, Place])[] }
  | {
      readonly kind: "systems";
      readonly output: string;
      readonly systems: readonly (readonly [string, Place])[];
    }
  | { readonly kind: "outlined" }
  | { readonly kind: "settings"; readonly names: readonly string[]; readonly position: Place }
  /** What is being evaluated: an attribute, the way to one, something that is only looked at. */
  | {
      readonly kind: "start" | "at" | "look";
      readonly path: AttributePath;
      readonly position: Place;
    }
  | {
      readonly kind: "derivation";
      readonly path: AttributePath;
      readonly derivation: SaidDerivation | null;
    }
  | {
      readonly kind: "program";
      readonly path: AttributePath;
      readonly program: string;
      readonly derivations: readonly string[];
    }
  | { readonly kind: "refused"; readonly path: AttributePath; readonly reason: string }
  | { readonly kind: "missing"; readonly path: AttributePath }
  /** Of a machine that is clan's, by its own configuration. */
  | { readonly kind: "clan"; readonly path: AttributePath; readonly machine: ClanMachine }
  | {
      readonly kind: "finding";
      readonly path: AttributePath;
      readonly position: Place;
      readonly reason: string;
    };

const started = z
  .tuple([z.enum(["start", "at", "look"]), Path, Place])
  .transform(([kind, path, position]) => ({ kind, path, position }));

const LINES: Readonly<Record<string, z.ZodType<Said>>> = {
  start: started,
  at: started,
  look: started,
  outputs: z.tuple([z.literal("outputs"), Named]).transform(([kind, names]) => ({ kind, names })),
  systems: z
    .tuple([z.literal("systems"), z.string(), Named])
    .transform(([kind, output, systems]) => ({ kind, output, systems })),
  outlined: z.tuple([z.literal("outlined")]).transform(([kind]) => ({ kind })),
  settings: z
    .tuple([z.literal("settings"), z.array(z.string()), Place])
    .transform(([kind, names, position]) => ({ kind, names, position })),
  derivation: z
    .tuple([z.literal("derivation"), Path, SaidDerivation.nullable().catch(null)])
    .transform(([kind, path, derivation]) => ({ kind, path, derivation })),
  program: z
    .tuple([
      z.literal("program"),
      Path,
      z.object({ program: z.string(), derivations: z.array(z.string()) }),
    ])
    .transform(([kind, path, { program, derivations }]) => ({ kind, path, program, derivations })),
  refused: z
    .tuple([z.literal("refused"), Path, z.string()])
    .transform(([kind, path, reason]) => ({ kind, path, reason })),
  clan: z
    .tuple([z.literal("clan"), Path, ClanMachine])
    .transform(([kind, path, machine]) => ({ kind, path, machine })),
  missing: z.tuple([z.literal("missing"), Path]).transform(([kind, path]) => ({ kind, path })),
  finding: z
    .tuple([z.literal("finding"), Path, Place, z.string()])
    .transform(([kind, path, position, reason]) => ({ kind, path, position, reason })),
};

/** Reads the walk's lines out of Nix's messages: `trace: <nonce> <JSON>`. Null for any other message. */
export function parseSaid(message: string, nonce: string): Said | null {
  const prefix = `trace: ${nonce} `;
  if (!message.startsWith(prefix)) return null;
  const line: unknown = JSON.parse(message.slice(prefix.length));
  const kind: unknown = Array.isArray(line) ? line[0] : null;
  const schema = typeof kind === "string" && Object.hasOwn(LINES, kind) ? LINES[kind] : undefined;
  const parsed = schema?.safeParse(line);
  if (parsed?.success !== true)
    throw new Error("the walk said something that its reader does not know", {
      cause: parsed?.error,
    });
  return parsed.data;
}
