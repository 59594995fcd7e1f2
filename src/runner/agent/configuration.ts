import { readFile } from "node:fs/promises";
import { join, normalize } from "node:path";
import * as z from "zod";
import { System } from "../../protocol/identifiers.ts";
import { CredentialFiles } from "./credentials.ts";
import { ExchangeConfiguration } from "../nix/exchange/configuration.ts";
import { IsolationConfiguration } from "../isolation/configuration.ts";

const absolutePath = z.string().regex(/^\/[^\0]*$/u, "must be an absolute path");

/** Jobs have these to themselves: what the machine has there, no job ever sees. */
const OF_JOBS = ["/tmp", "/home", "/proc", "/dev"] as const;

/** Null where jobs see the machine's own folder. */
function hiddenBy(path: string): string | null {
  const plain = `${normalize(path)}/`.replaceAll(/\/+/gu, "/");
  return OF_JOBS.find((one) => plain.startsWith(`${one}/`)) ?? null;
}

/** The runner's configuration file: JSON, strict. The operator writes it; it holds no secret. */
export const RunnerConfiguration = z
  .strictObject({
    /** Base address of the Worker, such as `https://snowcat.example.org`. */
    url: z.url({ protocol: /^https?$/u }),
    /** Everything the runner owns on disk lies beneath. */
    stateDirectory: absolutePath,
    /** For people; fixed when it enrols. */
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u),
    /** Attempts at once. Two, so that building starts while an evaluation goes on. */
    slots: z.int().min(1).max(256).default(2),
    /** Null: what Nix here says it builds. */
    systems: z.array(System).max(32).nullable().default(null),
    features: z.array(z.string().max(128)).max(64).nullable().default(null),
    /** `none` also needs `--demo-without-isolation`. */
    isolation: z.union([
      z.literal("none"),
      IsolationConfiguration.omit({ stateDirectory: true, daemonNix: true }),
    ]),
    /** The store through which the pool's runners pass closures; null: this one shares nothing. */
    exchange: ExchangeConfiguration.nullable().default(null),
    /** File of the policy that says which machines it may change, and how; null: none. For the pool `deploy` only. */
    deployPolicy: absolutePath.nullable().default(null),
    /** A folder with the tools of deploy methods (`colmena`, `clan`, …), before all others on their PATH; null: the system's own. */
    toolFolder: absolutePath.nullable().default(null),
    /** Jobs are declined while less is free beneath the state directory (bytes). */
    minimumFreeBytes: z.int().nonnegative().default(1_073_741_824),
    /** What the fetch step may use beside the job's own tokens, for this pool. */
    credentials: CredentialFiles.prefault({}),
    /** Files whose lines are secrets that no output may show. */
    redactFiles: z.array(absolutePath).default([]),
  })
  .superRefine(({ isolation, toolFolder }, context) => {
    const hidden = toolFolder === null || isolation === "none" ? null : hiddenBy(toolFolder);
    if (hidden !== null)
      context.addIssue({
        code: "custom",
        path: ["toolFolder"],
        message: `lies below ${hidden}, and jobs have a ${hidden} of their own: no deploy would find its tools. Put them elsewhere, such as /opt/snowcat-tools`,
      });
  });
export type RunnerConfiguration = z.infer<typeof RunnerConfiguration>;

/** @throws with the file's name and what is wrong in it. */
export async function readConfiguration(file: string): Promise<RunnerConfiguration> {
  const text = await readFile(file, "utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Error(
      `${file} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  const parsed = RunnerConfiguration.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new Error(`${file} is not a runner's configuration:\n${z.prettifyError(parsed.error)}`);
}

/** Where the agent keeps its key and what is not acknowledged yet; the one place it writes to. */
export function agentDirectory(configuration: Pick<RunnerConfiguration, "stateDirectory">): string {
  return join(configuration.stateDirectory, "agent");
}
