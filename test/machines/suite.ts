import { afterAll, beforeAll, describe } from "vitest";
import type { Machine } from "../../src/runner/machine/index.ts";
import { clientOf, Deploy, type DeployOptions } from "./deploying.ts";
import type { Lab, NewMachine } from "./lab.ts";
import { startLab, whyNoMachines } from "./lab.ts";
import type { TestMachine } from "./machine.ts";
import type { SystemSpec } from "./systems.ts";

/** What a test of machines has at hand: systems by name, and machines that are switched off after each file. */
export interface Bench<Name extends string> {
  readonly lab: Lab;
  readonly systems: Record<Name, string>;
  /** A machine of its own, running `system`, and a client of it. */
  readonly machine: (system: Name, options?: Partial<NewMachine>) => Promise<BenchMachine<Name>>;
}

export interface BenchMachine<Name extends string> {
  readonly machine: TestMachine;
  readonly client: Machine;
  readonly deploy: (counter: number, system: Name, options?: Partial<DeployOptions>) => Deploy;
}

/** Skipped, with the reason in its name, where there can be no machines; in CI that is a failure. */
export function onMachines<Name extends string>(
  title: string,
  specs: Readonly<Record<Name, SystemSpec>>,
  body: (bench: () => Bench<Name>) => void,
): void {
  const reason = whyNoMachines();
  if (reason !== null && process.env.CI === "true")
    throw new Error(`CI must be able to run "${title}": ${reason}`);
  const why = reason === null ? "" : ` (skipped: ${reason})`;
  describe.skipIf(reason !== null)(`${title}${why}`, () => {
    let bench: Bench<Name> | undefined;
    const clients: Machine[] = [];
    beforeAll(async () => {
      const lab = await startLab();
      const systems = await lab.builder.build(specs);
      let count = 0;
      bench = {
        lab,
        systems,
        async machine(system, options = {}) {
          count += 1;
          const machine = await lab.machine({
            name: `machine${count}`,
            system: systems[system],
            ...options,
          });
          const client = await clientOf(lab, machine);
          clients.push(client);
          return {
            machine,
            client,
            deploy: (counter, wanted, more = {}) =>
              new Deploy(lab, client, { counter, system: systems[wanted], ...more }),
          };
        },
      };
    });
    afterAll(async () => {
      for (const client of clients) await client.close();
      await bench?.lab.close();
    });
    body(() => {
      if (bench === undefined) throw new Error("the machines are not there yet");
      return bench;
    });
  });
}
