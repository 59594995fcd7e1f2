import { userInfo } from "node:os";
import { parseArgs } from "node:util";
import * as z from "zod";
import { StorePath } from "../../protocol/identifiers.ts";
import { HealthCheck, type MachineOutcome } from "../../protocol/machine.ts";
import { agentDirectory, readConfiguration } from "../agent/configuration.ts";
import { deployerFor, deployLocally, LocalRecords, readDeployPolicy } from "../deploy/index.ts";
import type { LocalRequest } from "../deploy/index.ts";
import { loadIdentity } from "../enrolment/identity.ts";
import { inheritedEnvironment } from "../process/index.ts";
import { EXIT, UsageError } from "./exit.ts";

/** Of a check that is asked for on the command line (s). */
const PATIENCE = { graceSeconds: 60, intervalSeconds: 2, timeoutSeconds: 10 } as const;
const Seconds = z.coerce.number().positive().max(86_400);

/** `snowcat deploy --local`: a deploy by hand on a deploy runner, with GitHub and control plane out of reach. */
export async function deployCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      local: { type: "boolean" },
      config: { type: "string" },
      system: { type: "string" },
      generation: { type: "string" },
      why: { type: "string" },
      health: { type: "string", multiple: true },
      unit: { type: "string", multiple: true },
      "outside-windows": { type: "boolean" },
      "copy-seconds": { type: "string", default: "3600" },
      "activation-seconds": { type: "string", default: "900" },
      "confirmation-seconds": { type: "string", default: "300" },
      json: { type: "boolean" },
    },
  });
  if (values.local !== true)
    throw new UsageError("deploy needs --local: with the control plane at hand, comment `/deploy`");
  const { config, why } = values;
  const [machine, ...rest] = positionals;
  if (config === undefined || machine === undefined || rest.length > 0)
    throw new UsageError("deploy needs --config FILE and one MACHINE, as the policy calls it");
  if (why === undefined || why.trim() === "")
    throw new UsageError(
      "deploy --local needs --why REASON: it is told when the control plane is back",
    );
  const request: LocalRequest = {
    machine,
    what: whatOf(values),
    why: why.slice(0, 1_024),
    by: person(),
    health: checksOf(values.health ?? [], values.unit ?? []),
    outsideWindows: values["outside-windows"] ?? false,
    limits: {
      connectSeconds: 10,
      copySeconds: seconds(values["copy-seconds"]),
      activationSeconds: seconds(values["activation-seconds"]),
      confirmationSeconds: seconds(values["confirmation-seconds"]),
    },
  };
  const configuration = await readConfiguration(config);
  const { deployPolicy } = configuration;
  const directory = agentDirectory(configuration);
  const enrolled = await loadIdentity(directory);
  if (deployPolicy === null || enrolled === null) {
    const missing = enrolled === null ? "is not enrolled" : 'has no "deployPolicy"';
    process.stderr.write(`snowcat: this runner ${missing}\n`);
    return EXIT.configuration;
  }
  const end = await deployLocally(
    {
      ...deployerFor(inheritedEnvironment(["PATH", "NIX_REMOTE", "NIX_CONF_DIR"])),
      ...enrolled,
      policy: await readDeployPolicy(deployPolicy),
      records: new LocalRecords(directory),
      say: (line) => void process.stderr.write(`snowcat: ${line}\n`),
    },
    request,
  );
  if (end.kind === "refused") {
    process.stderr.write(`snowcat: not deployed: ${end.why}\n`);
    return EXIT.unavailable;
  }
  const { outcome } = end.deploy;
  process.stdout.write(
    values.json === true ? `${JSON.stringify(end.deploy)}\n` : words(machine, outcome),
  );
  return outcome.kind === "active" ? EXIT.ok : EXIT.failed;
}

function whatOf(values: {
  system?: string | undefined;
  generation?: string | undefined;
}): LocalRequest["what"] {
  const { system, generation } = values;
  if ((system === undefined) === (generation === undefined))
    throw new UsageError(
      "deploy --local needs either --system PATH or --generation NUMBER|previous",
    );
  if (system !== undefined) {
    const parsed = StorePath.safeParse(system);
    if (!parsed.success) throw new UsageError(`${system} is no store path`);
    return { kind: "system", system: parsed.data };
  }
  if (generation === "previous") return { kind: "generation", number: null };
  const number = z.coerce.number().int().positive().safeParse(generation);
  if (!number.success) throw new UsageError(`${generation} is no generation`);
  return { kind: "generation", number: number.data };
}

function checksOf(urls: readonly string[], units: readonly string[]): HealthCheck[] {
  const checks = [
    ...urls.map((url) => ({ kind: url.startsWith("ws") ? "websocket" : "http", url, ...PATIENCE })),
    ...units.map((unit) => ({ kind: "unit", unit, ...PATIENCE })),
  ];
  return checks.map((check) => {
    const parsed = HealthCheck.safeParse(check);
    if (!parsed.success) throw new UsageError(`no health check: ${JSON.stringify(check)}`);
    return parsed.data;
  });
}

function seconds(text: string): number {
  const parsed = Seconds.safeParse(text);
  if (!parsed.success) throw new UsageError(`${text} is no time in seconds`);
  return parsed.data;
}

/** Who is at the keyboard: behind sudo, who called it. */
function person(): string {
  const { username } = userInfo();
  const caller = process.env["SUDO_USER"];
  return (caller === undefined ? username : `${caller} as ${username}`).slice(0, 256);
}

function words(machine: string, outcome: MachineOutcome): string {
  const why = "why" in outcome ? `: ${outcome.why}` : "";
  const runs = outcome.running === null ? "what runs was not seen" : `runs ${outcome.running}`;
  return `${machine}: ${outcome.kind}${why}\n${machine} ${runs}\n`;
}
