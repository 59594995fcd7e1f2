import * as z from "zod";

/** How the tools of methods are called for a machine. What is not said is what the tools themselves go by: its name. */

const Name = z.string().min(1).max(63);
const Attribute = z.string().min(1).max(1_024);
const TreePath = z.string().min(1).max(1_024);
const MachinePath = z.string().min(2).max(1_024);
const Argument = z.string().max(4_096);
const Seconds = z.number().positive().max(86_400);
const Kubernetes = z.string().min(1).max(253);

const Directory = TreePath.optional().describe(
  "Directory of `flake.nix`. Without it: where the machine's attribute was found.",
);

const KropsSource = z.strictObject({
  from: TreePath.describe("A folder of the repository, or of what the deploy runner lays over it."),
  to: MachinePath.describe("Where krops puts it on the machine."),
  files: z
    .array(TreePath)
    .min(1)
    .max(32)
    .optional()
    .describe(
      "Files in it that have to be there, and the same on the machine afterwards. Without it: `flake.nix` and `flake.lock`.",
    ),
});

const Namespace = Kubernetes.describe("Its namespace.");
const timeout = {
  timeout_seconds: Seconds.optional().describe(
    "It is tried for so long (seconds). Without it: 300.",
  ),
};
const KubernetesCheck = z.union([
  z.strictObject({
    job: Kubernetes.describe("A job that has to complete."),
    namespace: Namespace,
    ...timeout,
  }),
  z.strictObject({
    file: MachinePath.describe("A file in a workload's container."),
    namespace: Namespace,
    workload: z.string().min(1).max(300).describe("Such as `statefulset/nix-cache`."),
    container: Kubernetes.optional().describe("Without it: the workload's first."),
    contains: z
      .array(z.string().min(1).max(1_024))
      .min(1)
      .max(64)
      .describe("Texts that it has to have, such as the names of builders."),
    ...timeout,
  }),
  z.strictObject({
    service: Kubernetes.describe("A service that has to answer, asked through the API server."),
    namespace: Namespace,
    port: z.int().min(1).max(65_535).describe("Its port."),
    path: z.string().min(1).max(1_024).optional().describe("Without it: `/`."),
    ...timeout,
  }),
]);
export type KubernetesCheckSource = z.infer<typeof KubernetesCheck>;

/** Keys of a machine, each for one method; `${name}` is the machine's. */
export const METHOD_SETTINGS = {
  nixos_rebuild: z
    .strictObject({
      directory: Directory,
      configuration: Name.optional().describe("Under `nixosConfigurations`."),
    })
    .optional()
    .describe("For `method: nixos-rebuild`."),
  deploy_rs: z
    .strictObject({
      directory: Directory,
      node: Name.optional().describe("Under `deploy.nodes`."),
      profile: Name.optional().describe("Without it: `system`."),
    })
    .optional()
    .describe("For `method: deploy-rs`."),
  colmena: z
    .strictObject({ directory: Directory, node: Name.optional().describe("In the hive.") })
    .optional()
    .describe("For `method: colmena`."),
  clan: z
    .strictObject({ directory: Directory, machine: Name.optional().describe("In the inventory.") })
    .optional()
    .describe("For `method: clan`."),
  darwin: z
    .strictObject({
      directory: Directory,
      configuration: Name.optional().describe("Under `darwinConfigurations`."),
    })
    .optional()
    .describe("For `method: darwin`."),
  krops: z
    .strictObject({
      attribute: Attribute.optional().describe("The machine in `file` and in `local`."),
      file: TreePath.optional().describe("Without it: `krops.nix`."),
      local: TreePath.optional().describe(
        "A file whose attribute has `bin/build-<attribute>`, which builds what is sent. Without it: there is no such stage.",
      ),
      dist: z
        .array(TreePath)
        .max(32)
        .optional()
        .describe(
          "Folders that must not be empty when they are sent. Without it: `build/${name}/dist` where there is `local`.",
        ),
      sources: z
        .array(KropsSource)
        .max(32)
        .optional()
        .describe("Sources whose files are compared on the machine afterwards."),
      sentinel: MachinePath.optional().describe(
        "A file on the machine without which krops sends nothing. Without it: `/var/src/.populate`.",
      ),
    })
    .optional()
    .describe("For `method: krops`."),
  kubernetes: z
    .strictObject({
      attribute: Attribute.describe("The deployment script."),
      file: TreePath.optional().describe("The file that has it. Without it: the flake."),
      args: z
        .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_'-]*$/u), z.string().max(4_096))
        .optional()
        .describe("Of the file, as `--argstr` has them."),
      directory: TreePath.optional().describe("Of the flake. Without it: the root."),
      arguments: z
        .array(
          Argument.refine((word) => !/^--prune(?:=|$)/u.test(word), {
            error: "what is pruned is asked for with `/deploy --prune`, never by the configuration",
          }),
        )
        .max(64)
        .optional()
        .describe("Of the script. Without it: `--yes`."),
      keys: TreePath.optional().describe(
        "A folder in which nothing but public keys may be, and at least one.",
      ),
      checks: z.array(KubernetesCheck).max(32).optional().describe("What must hold afterwards."),
    })
    .optional()
    .describe("For `method: kubernetes`."),
  script: z
    .strictObject({
      run: z
        .array(Argument.min(1))
        .min(1)
        .max(128)
        .describe("The command, as a list of its arguments; no shell reads it."),
      directory: TreePath.optional().describe("Where it is run. Without it: the root."),
    })
    .optional()
    .describe("For `method: script`."),
} as const;

const MethodSettings = z.strictObject(METHOD_SETTINGS);
export type MethodSettings = z.infer<typeof MethodSettings>;
