import * as z from "zod";

/**
 * What a deploy by an outside tool is told of it, an arm for each method but `plain`. Names and paths are a repository's:
 * none can be taken for an option, a pattern, a tag, or a way out of the tree.
 */

/** A machine, node, profile or configuration as the tool's own files name it. */
const ToolName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u);

/** A path within the tree or what an operator lays over it: relative, never above its root; `.` is the root. */
export const TreePath = z
  .string()
  .max(1_024)
  .regex(/^(?![-/])(?!(?:.*\/)?\.\.(?:\/|$))[^\u0000-\u001f\u007f]+$/u);

/** An absolute path on a machine, without `..`. */
export const MachinePath = z
  .string()
  .max(1_024)
  .regex(/^\/(?!(?:.*\/)?\.\.(?:\/|$))[^\u0000-\u001f\u007f]+$/u);

/** An attribute path as it is written after `-A` or `#`. */
const ToolAttribute = z
  .string()
  .max(1_024)
  .regex(/^(?!-)[^\u0000-\u001f\u007f]+$/u);

/** Arguments, word for word; no shell reads them. */
const Argument = z
  .string()
  .max(4_096)
  .regex(/^[^\u0000]*$/u);

/** Directory of `flake.nix`. */
const flake = { directory: TreePath };

/** A name of a Kubernetes namespace or object. */
const KubernetesName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/u);
const Seconds = z.number().positive().max(86_400);

/** A folder that krops sends, and what is compared of it, by SHA-256. */
const KropsSource = z.strictObject({
  /** A folder of the tree or the overlay, and where krops puts it. */
  from: TreePath,
  to: MachinePath,
  /** Within the folder: they have to be there before, and to be the same on the machine afterwards. */
  files: z.array(TreePath).min(1).max(32),
});

const Krops = z.strictObject({
  kind: z.literal("krops"),
  /** The machine in `build.krops` and, as `<attribute>` and `bin/build-<attribute>`, in `build.local`. */
  attribute: ToolAttribute,
  /** Files of classic Nix. `local`: its result builds what is sent, before the deploy; null where there is no such stage. */
  build: z.strictObject({ local: TreePath.nullable(), krops: TreePath }),
  /** Folders that must not be empty when it is sent: what is empty wipes the machine's. */
  dist: z.array(TreePath).max(32),
  sources: z.array(KropsSource).max(32),
  /** A file on the machine without which krops sends nothing. */
  sentinel: MachinePath,
});

/** What must hold in the cluster after the deployment script; that a pod is ready does not say that its service is. */
const KubernetesCheck = z.discriminatedUnion("kind", [
  /** A job that has to complete within the time. */
  z.strictObject({
    kind: z.literal("job"),
    namespace: KubernetesName,
    name: KubernetesName,
    timeoutSeconds: Seconds,
  }),
  /** A file in a workload's container that has to have each of these texts, such as the builders of a machines file. */
  z.strictObject({
    kind: z.literal("file"),
    namespace: KubernetesName,
    workload: z
      .string()
      .max(300)
      .regex(/^(?:pod|deployment|statefulset|daemonset)\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/u),
    container: KubernetesName.nullable(),
    path: MachinePath,
    contains: z.array(z.string().min(1).max(1_024)).min(1).max(64),
    timeoutSeconds: Seconds,
  }),
  /** A service that has to answer with success, asked through the API server. */
  z.strictObject({
    kind: z.literal("answer"),
    namespace: KubernetesName,
    service: KubernetesName,
    port: z.int().min(1).max(65_535),
    path: z
      .string()
      .max(1_024)
      .regex(/^\/[^\u0000-\u0020\u007f]*$/u),
    timeoutSeconds: Seconds,
  }),
]);

const Kubernetes = z.strictObject({
  kind: z.literal("kubernetes"),
  /** Where the deployment script is. */
  entry: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("file"),
      file: TreePath,
      attribute: ToolAttribute,
      /** Passed as `--argstr`. */
      args: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_'-]*$/u), z.string().max(4_096)),
    }),
    z.strictObject({ kind: z.literal("flake"), ...flake, attribute: ToolAttribute }),
  ]),
  /** Of the script. What prunes is not among them. */
  arguments: z.array(Argument).max(64),
  /** Whether objects that are no longer there are deleted: asked for, and allowed, by itself. */
  prune: z.boolean(),
  /** A folder in which nothing but public keys may be, and at least one. */
  keys: TreePath.nullable(),
  checks: z.array(KubernetesCheck).max(32),
});

/** How the tool of a method is called. The kind is the method's name. */
export const ToolWork = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("nixos-rebuild"), ...flake, configuration: ToolName }),
  z.strictObject({ kind: z.literal("deploy-rs"), ...flake, node: ToolName, profile: ToolName }),
  z.strictObject({ kind: z.literal("colmena"), ...flake, node: ToolName }),
  z.strictObject({ kind: z.literal("clan"), ...flake, machine: ToolName }),
  z.strictObject({ kind: z.literal("darwin"), ...flake, configuration: ToolName }),
  Krops,
  Kubernetes,
  /** A command of the repository, in a directory of its tree. */
  z.strictObject({
    kind: z.literal("script"),
    directory: TreePath,
    argv: z.array(Argument.min(1)).min(1).max(128),
  }),
]);
export type ToolWork = z.infer<typeof ToolWork>;
