import { readFile } from "node:fs/promises";
import type { DeployWork } from "../../protocol/machine.ts";
import type { LaunchFile } from "../nix/launch.ts";
import { matchesRef, type Speaker } from "./policy/judge.ts";
import type { DeployPolicy } from "./policy/policy.ts";

/** Characters of one secret. */
const MOST = 64 * 1_024;

/** `variable`: what names the file's path to the tools, beside the folder that all are in. */
export type SecretFile = LaunchFile & { readonly variable?: string };

export type Secrets =
  | { kind: "read"; files: SecretFile[] }
  /** They are promised to the deploy and cannot be given: it does not begin. */
  | { kind: "missing"; missing: [string, ...string[]] };

/**
 * What the operator's rules give to one deploy: machine, repository, ref and what is done all have to fit. They reach a method's
 * programs as files of a private tmpfs, never an environment, an argument or the machine.
 * @param machine the operator's own name for it.
 */
export async function secretsFor(
  { secrets }: Pick<DeployPolicy, "secrets">,
  { host, repository }: Speaker,
  machine: string,
  { ref, action }: Pick<DeployWork, "ref" | "action">,
): Promise<Secrets> {
  const kind = action.kind === "generation" ? "rollback" : "deploy";
  const fit = secrets.filter(
    (rule) =>
      rule.machines.includes(machine) &&
      rule.repositories.some((one) => one.host === host && one.id === repository) &&
      rule.kinds.includes(kind) &&
      matchesRef(rule.refs, ref),
  );
  const files: SecretFile[] = [];
  const missing: string[] = [];
  for (const { name, file, variable } of fit) {
    const content = await readFile(file, "utf8").catch(codeOf);
    if (typeof content !== "string") missing.push(`secret ${name}: ${content.code}`);
    else if (content.length > MOST) missing.push(`secret ${name}: above ${MOST} characters`);
    else files.push({ name, content, ...(variable === undefined ? {} : { variable }) });
  }
  const [first, ...rest] = missing;
  return first === undefined
    ? { kind: "read", files }
    : { kind: "missing", missing: [first, ...rest] };
}

/** Texts that no output may show: each secret, and each of its lines. */
export function textsOf(files: readonly LaunchFile[]): string[] {
  return files
    .flatMap(({ content }) => [content.trim(), ...content.split(/\r?\n/u)])
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

/** The operator's path is nobody else's business: the reason alone is told. */
function codeOf(error: unknown): { code: string } {
  if (error instanceof Error && "code" in error) return { code: String(error.code) };
  throw error;
}
