import * as z from "zod";

const Path = z.array(z.string());
const Place = z
  .object({ file: z.string(), line: z.number(), column: z.number() })
  .nullable()
  .catch(null);

/** What the walk says about one derivation, before it is known to be a derivation that the protocol can carry. */
export const SaidDerivation = z.object({
  path: z.string(),
  name: z.string(),
  system: z.string(),
  outputs: z.record(z.string(), z.string()),
  features: z
    .union([
      z.array(z.string()),
      z.string().transform((list) => list.split(/\s+/u).filter((name) => name !== "")),
    ])
    .catch([]),
});
export type SaidDerivation = z.output<typeof SaidDerivation>;

/** A line of the walk. */
export type Said =
  | { readonly kind: "outputs"; readonly names: readonly string[] }
  | { readonly kind: "systems"; readonly output: string; readonly systems: readonly string[] }
  | {
      readonly kind: "start";
      readonly path: readonly string[];
      readonly position: z.output<typeof Place>;
    }
  | {
      readonly kind: "at";
      readonly path: readonly string[];
      readonly position: z.output<typeof Place>;
    }
  | { readonly kind: "names"; readonly path: readonly string[]; readonly count: number }
  | {
      readonly kind: "derivation";
      readonly path: readonly string[];
      readonly derivation: SaidDerivation | null;
    }
  | {
      readonly kind: "program";
      readonly path: readonly string[];
      readonly program: string;
      readonly derivations: readonly string[];
    }
  | { readonly kind: "refused"; readonly path: readonly string[]; readonly reason: string }
  | { readonly kind: "missing"; readonly path: readonly string[] };

const Line = z.union([
  z
    .tuple([z.literal("outputs"), z.array(z.string())])
    .transform(([kind, names]) => ({ kind, names })),
  z
    .tuple([z.literal("systems"), z.string(), z.array(z.string())])
    .transform(([kind, output, systems]) => ({ kind, output, systems })),
  z
    .tuple([z.enum(["start", "at"]), Path, Place])
    .transform(([kind, path, position]) => ({ kind, path, position })),
  z
    .tuple([z.literal("names"), Path, z.number()])
    .transform(([kind, path, count]) => ({ kind, path, count })),
  z
    .tuple([z.literal("derivation"), Path, SaidDerivation.nullable().catch(null)])
    .transform(([kind, path, derivation]) => ({ kind, path, derivation })),
  z
    .tuple([
      z.literal("program"),
      Path,
      z.object({ program: z.string(), derivations: z.array(z.string()) }),
    ])
    .transform(([kind, path, { program, derivations }]) => ({ kind, path, program, derivations })),
  z
    .tuple([z.literal("refused"), Path, z.string()])
    .transform(([kind, path, reason]) => ({ kind, path, reason })),
  z.tuple([z.literal("missing"), Path]).transform(([kind, path]) => ({ kind, path })),
]);

/** Reads the walk's lines out of Nix's messages: `trace: <nonce> <JSON>`. Null for any other message. */
export function parseSaid(message: string, nonce: string): Said | null {
  const prefix = `trace: ${nonce} `;
  if (!message.startsWith(prefix)) return null;
  const parsed = Line.safeParse(JSON.parse(message.slice(prefix.length)));
  if (!parsed.success)
    throw new Error("the walk said something that its reader does not know", {
      cause: parsed.error,
    });
  return parsed.data as Said;
}
