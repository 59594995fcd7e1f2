import { readFile } from "node:fs/promises";
import * as z from "zod";
import { HostKey, MachineName, Method } from "../../../protocol/machine.ts";
import { KropsSettings } from "../methods/krops/settings.ts";
import { isHostKeyLine } from "./host-key.ts";
import { Window } from "./window.ts";

const absolutePath = z.string().regex(/^\/[^\0]*$/u, "must be an absolute path");
const Host = z
  .string()
  .regex(/^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}$/u, "must be a host or an address");
const Port = z.int().min(1).max(65_535);
const Argv = z.array(z.string().min(1).max(4_096)).min(1).max(128);
/** An Ed25519 public key, raw, base64. */
const Key = z.string().regex(/^[A-Za-z0-9+/]{43}=$/u, "must be a raw Ed25519 key in base64");

/** What may be asked for: to look at a machine, to put a system on it, to go back to an earlier one of its own. */
export const Kind = z.enum(["observe", "deploy", "rollback"]);
export type Kind = z.infer<typeof Kind>;

/** `refs/heads/main`, or `refs/heads/release/*`: what begins so. */
const RefPattern = z
  .string()
  .regex(/^refs\/[^\u0000-\u0020\u007f*]+\*?$/u)
  .max(1_024);

/** A repository that may change the machine, by the ids that nobody else can take. */
const Repository = z.strictObject({
  /** The GitHub host, such as `github.com`. */
  host: z.string().min(1).max(255),
  id: z.int().positive(),
  /** What it calls the machine. */
  machine: MachineName,
  /** Refs whose commits may be deployed. */
  refs: z.array(RefPattern).min(1).max(64),
  kinds: z.array(Kind).min(1).default(["observe", "deploy", "rollback"]),
});

const Machine = z.strictObject({
  address: Host,
  port: Port.default(22),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/u)
    .default("root"),
  /** Whether each step is run by `sudo -n`, where the user is not root. */
  sudo: z.boolean().default(false),
  /** Whether the machine's program comes with each connection, or is the key's forced command there. */
  program: z.enum(["sent", "installed"]).default("sent"),
  /** Its host key: `ssh-ed25519 AAAA…`. It is who the machine is; another key is another machine. */
  hostKey: z.string().refine(isHostKeyLine, "must be `ssh-ed25519 <base64>`"),
  /** The private key that deploys log in with; readable by the agent's user alone. */
  identityFile: absolutePath,
  /** For observing only, where the machine has a key that can do no more. */
  observeIdentityFile: absolutePath.nullable().default(null),
  repositories: z.array(Repository).min(1).max(64),
  methods: z.array(Method).min(1).default(["plain"]),
  /** When deploys may begin; going back may at any time. Null: always. */
  windows: z.array(Window).min(1).max(32).nullable().default(null),
  /** Commands that a backup or a health check may run there, and those of the method `script`, word for word. */
  commands: z.array(Argv).max(64).default([]),
  /** For method krops. */
  krops: KropsSettings.optional(),
});
export type PolicyMachine = z.infer<typeof Machine>;

/** A Kubernetes cluster: a machine without ssh, changed by method kubernetes alone. */
const Cluster = z.strictObject({
  /** The operator's own kubeconfig, and the one context of it that is meant. Its credentials never reach the repository's code. */
  kubeconfig: absolutePath,
  context: z.string().regex(/^[A-Za-z0-9][^\u0000-\u001f\u007f]{0,252}$/u),
  /** Who the cluster is: SHA-256 of its authority's certificate (DER), as `SHA256:` and base64; another authority is another cluster. */
  authority: HostKey,
  /** Where Snowcat keeps its counter and lock (a ConfigMap); it has to exist. */
  namespace: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u)
    .default("snowcat"),
  /** Whether deploys may delete objects that are no longer in the repository, when they ask for it. */
  prune: z.boolean().default(false),
  repositories: z.array(Repository).min(1).max(64),
  windows: z.array(Window).min(1).max(32).nullable().default(null),
});
export type PolicyCluster = z.infer<typeof Cluster>;

/** A secret that the tools of a deploy are given as a file. Every rule has to fit. */
const Secret = z.strictObject({
  /** The file's name as the tools see it, in the folder that SNOWCAT_SECRETS names. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u),
  /** A variable that tools look for the file by, such as clan's SOPS_AGE_KEY_FILE; it holds the path, never the secret. */
  variable: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,62}$/u)
    .optional(),
  /** Where the operator keeps it; readable by the agent's user alone. */
  file: absolutePath,
  /** By this policy's own names for them. */
  machines: z.array(MachineName).min(1).max(256),
  repositories: z
    .array(z.strictObject({ host: z.string().min(1).max(255), id: z.int().positive() }))
    .min(1)
    .max(64),
  refs: z.array(RefPattern).min(1).max(64),
  kinds: z
    .array(z.enum(["deploy", "rollback"]))
    .min(1)
    .default(["deploy"]),
});

/**
 * A deploy runner's own policy, JSON, written by its operator: what it does not name, no signature allows. Machines by the
 * operator's own name for them.
 */
export const DeployPolicy = z
  .strictObject({
    machines: z.record(MachineName, Machine),
    clusters: z.record(MachineName, Cluster).optional(),
    /** Whose manifests are believed: runners' keys as they enrolled them. A builder that changes its key has both for a time. */
    builders: z.array(z.strictObject({ name: z.string().max(128), key: Key })).max(64),
    /** Secrets of the operator's, by rule; of two with one name only one may fit a deploy. */
    secrets: z.array(Secret).max(256).default([]),
    /** Hosts that a health check may reach though they are not public. */
    healthHosts: z
      .array(z.strictObject({ host: Host, port: Port }))
      .max(256)
      .default([]),
  })
  .superRefine(({ machines, clusters = {} }, context) => {
    const seen = new Map<string, string>();
    for (const [name, { authority }] of Object.entries(clusters)) {
      const other = seen.get(authority);
      if (other !== undefined || machines[name] !== undefined)
        context.addIssue({
          code: "custom",
          path: ["clusters", name],
          message: `is also ${other ?? "a machine"}: one cluster has one entry, with all its repositories`,
        });
      seen.set(authority, name);
    }
    for (const [name, { hostKey }] of Object.entries(machines)) {
      const other = seen.get(hostKey);
      if (other !== undefined)
        context.addIssue({
          code: "custom",
          path: ["machines", name, "hostKey"],
          message: `is also ${other}'s: one machine has one entry, with all its repositories`,
        });
      seen.set(hostKey, name);
    }
  });
export type DeployPolicy = z.infer<typeof DeployPolicy>;

/** @throws with the file's name and what is wrong in it. */
export async function readDeployPolicy(file: string): Promise<DeployPolicy> {
  const text = await readFile(file, "utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${file} is not JSON`, { cause });
  }
  const parsed = DeployPolicy.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new Error(`${file} is not a deploy policy:\n${z.prettifyError(parsed.error)}`);
}
