import { readFile } from "node:fs/promises";
import * as z from "zod";
import type { ToolEnd } from "../../../../src/runner/deploy/methods/method.ts";

/** Paths of objects, as kluctl patches them. */
export type Manifest = readonly string[];

/** Known ways in which a deployment program says other than what it did. */
export interface Lies {
  /** Its exit code is that of the last command of a pipe, or of a script without `set -e`. */
  readonly exitCode?: number;
  /** Written in a dry run, and left out afterwards. */
  readonly skips?: readonly string[];
  /** Deleted with `--prune` (kluctl finds them by its discriminator)… */
  readonly orphans?: readonly string[];
  /** …and without it: `kluctl.io/delete`, or a `kubectl delete` of the script's own. */
  readonly deletes?: readonly string[];
  /** A `--dry-run` that is lost on the way: `$@` is not handed on. */
  readonly ignoresDryRun?: boolean;
  /** A `--dry-run` of the script's own, in each run. */
  readonly alwaysDry?: boolean;
  /** Deletes in earnest what the dry run did not show. */
  readonly surprises?: readonly string[];
  readonly says?: string;
  /** Between the objects. */
  readonly meanwhile?: () => Promise<void>;
}

const Kubeconfig = z.object({
  clusters: z.tuple([z.object({ cluster: z.strictObject({ server: z.string() }) })]),
  users: z.tuple([z.object({ user: z.strictObject({}) })]),
});

/**
 * A stand-in for `kubenixDeploy` of easykubenix (kluctl.nix@88a025f), which hands its arguments to `kluctl deploy`: server-side
 * apply by PATCH, object after object, going on after a failure (kluctl pkg/deployment/utils/apply_utils.go@b8269b5).
 */
export async function kluctl(
  manifest: Manifest,
  lies: Lies,
  argv: readonly string[],
  kubeconfig: string,
): Promise<ToolEnd & { stdout: string }> {
  const known = ["--dry-run", "--yes", "--short-output", "--prune", "--abort-on-error"];
  const strange = argv.find((word) => !known.includes(word));
  if (strange !== undefined) return end(1, `Error: unknown flag: ${strange}`);
  const dry =
    lies.alwaysDry === true || (argv.includes("--dry-run") && lies.ignoresDryRun !== true);
  if (!dry && !argv.includes("--yes") && lies.ignoresDryRun !== true) return end(1, "aborted");
  const config = Kubeconfig.parse(JSON.parse(await readFile(kubeconfig, "utf8")));
  const { server } = config.clusters[0].cluster;
  const query = dry ? "?dryRun=All&fieldManager=kluctl" : "?fieldManager=kluctl";
  let failed = 0;
  const ask = async (method: string, path: string, body: unknown): Promise<void> => {
    const answer = await fetch(`${server}${path}`, {
      method,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
    await answer.arrayBuffer();
    if (!answer.ok && answer.status !== 404) failed += 1;
  };
  for (const path of manifest) {
    if (!dry && lies.skips?.includes(path) === true) continue;
    await ask("PATCH", `${path}${query}`, {
      metadata: { name: path.split("/").at(-1) },
      spec: {},
    });
    await lies.meanwhile?.();
  }
  const deleted = [
    ...(argv.includes("--prune") ? (lies.orphans ?? []) : []),
    ...(lies.deletes ?? []),
    ...(dry ? [] : (lies.surprises ?? [])),
  ];
  for (const path of deleted)
    await ask("DELETE", path, {
      propagationPolicy: "Background",
      ...(dry ? { dryRun: ["All"] } : {}),
    });
  return end(lies.exitCode ?? (failed > 0 ? 1 : 0), `${lies.says ?? ""}${failed} failed\n`);
}

const end = (exitCode: number, log: string): ToolEnd & { stdout: string } => ({
  exitCode,
  timedOut: false,
  log,
  stdout: "",
});
