import * as z from "zod";

const About = {
  /** Spelt; components that hold a dot are quoted. */
  attr: z.string(),
  /** Not told before 2.10. */
  attrPath: z.array(z.string()).optional(),
};

const Job = z.object({
  ...About,
  drvPath: z.string(),
  name: z.string(),
  system: z.string(),
  /** Null where it is not known before the build (since 2.24). */
  outputs: z.record(z.string(), z.string().nullable()),
  /** Since 2.33, and only where the tool may read the derivation. */
  requiredSystemFeatures: z.array(z.string()).optional(),
});

const Failure = z.object({ ...About, error: z.string() });

/** One line of nix-eval-jobs' output. What else it holds (inputs, cache status, needed builds, meta) is left alone. */
export type JobLine =
  | ({ readonly kind: "job"; readonly path: readonly string[] } & Omit<
      z.output<typeof Job>,
      "attr" | "attrPath"
    >)
  | { readonly kind: "error"; readonly path: readonly string[]; readonly error: string };

/** Reads a line; null for what is none: a warning on the wrong stream, a line cut in two. */
export function parseJobLine(line: string): JobLine | null {
  const json = parsed(line);
  const failure = Failure.safeParse(json);
  if (failure.success) {
    const { error } = failure.data;
    return { kind: "error", path: pathOf(failure.data), error };
  }
  const job = Job.safeParse(json);
  if (!job.success) return null;
  const { drvPath, name, system, outputs, requiredSystemFeatures } = job.data;
  return {
    kind: "job",
    path: pathOf(job.data),
    drvPath,
    name,
    system,
    outputs,
    ...(requiredSystemFeatures === undefined ? {} : { requiredSystemFeatures }),
  };
}

/** The names that we give hold neither dots nor quotes, so that the spelt path is as good. */
function pathOf({ attr, attrPath }: { attr: string; attrPath?: string[] | undefined }): string[] {
  return attrPath ?? (attr === "" ? [] : attr.split("."));
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
