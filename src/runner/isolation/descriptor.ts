import * as z from "zod";
import { IsolationConfiguration } from "./configuration.ts";

/** What the supervisor tells the part inside. */
export const Start = z.strictObject({
  config: IsolationConfiguration,
  self: z.strictObject({
    kind: z.enum(["source", "bundle"]),
    node: z.string(),
    root: z.string(),
    entry: z.string(),
  }),
  agent: z
    .strictObject({
      /** Arguments after this program's own name; or a whole argv when `program` is set. */
      argv: z.array(z.string()),
      program: z.boolean(),
      /** The command line's entry beneath the project's root, when the sources run as they are. */
      sourceEntry: z.string(),
      env: z.record(z.string(), z.string()),
    })
    .nullable(),
});
export type Start = z.output<typeof Start>;

/** What an agent needs to use the isolation it was started in. It is no secret: the socket's folder guards. */
export const Descriptor = z.strictObject({
  launcherSocket: z.string(),
  storeRoot: z.string().nullable(),
  store: z.enum(["private", "host"]),
  /** As in the configuration. */
  nixFolder: z.string().nullable(),
  /** The agent's garbage collection roots, as seen from where the store is at /nix. */
  roots: z.string(),
  stateDirectory: z.string(),
  agentUid: z.int(),
  agentDirectory: z.string(),
  limits: z.string(),
  /** What builds are held to, for people. */
  builds: z.string(),
  /** The folder of `readEndings`; null where builds are not ours to end. */
  endings: z.string().nullable(),
  egress: z.array(z.string()),
  /** The folder of the agent's relays. */
  ways: z.string(),
});
export type Descriptor = z.output<typeof Descriptor>;

/** The agent finds its descriptor (JSON) here. */
export const DESCRIPTOR_VARIABLE = "SNOWCAT_ISOLATION";

/** Lines that the part inside writes to the supervisor. */
export const Report = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("ready"), descriptor: Descriptor }),
  z.strictObject({ kind: z.literal("failed"), reason: z.string() }),
  z.strictObject({ kind: z.literal("agent-exited"), exitCode: z.int() }),
]);
export type Report = z.output<typeof Report>;
