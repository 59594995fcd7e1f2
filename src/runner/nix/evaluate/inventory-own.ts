import type { InventoryMachine } from "../../../protocol/impact.ts";
import { nixString } from "./expression.ts";
import { ask, whole } from "./inventory.ts";
import { ClanMachine } from "./said.ts";
import type { Evaluator } from "./walk.ts";

/** Machines that are asked by themselves, so many together, and how long all of it may take (ms). */
const ASKED = { machines: 64, together: 2, milliseconds: 60_000 } as const;

const OWN = `name: outputs:
  let
    quiet = value: let found = builtins.tryEval value; in if found.success then found.value else null;
    core = quiet (outputs.nixosConfigurations.\${name}.config.clan.core or null);
    host = quiet (core.networking.targetHost or null);
  in {
    targetHost = if builtins.isString host then host else null;
    explicit = quiet (core.deployment.requireExplicitUpdate or null) == true;
  }`;

/**
 * With what each machine's own configuration says: clan takes the target host from there where the inventory has none, and
 * an update of all leaves out whom it says so (clan-lol/clan-core@d7c35d91 pkgs/clan-cli/clan_lib/machines/machines.py,
 * nixosModules/clanCore/networking.nix). Who has no target host and was not met on the way is asked, each alone: one that
 * fails costs the others nothing.
 * @param systems machines whose system was evaluated. @param met told by the walk, which has their configurations evaluated
 * anyway; nix-eval-jobs tells nothing of them.
 */
export async function withOwn(
  machines: readonly InventoryMachine[],
  systems: ReadonlySet<string>,
  met: ReadonlyMap<string, ClanMachine>,
  evaluator: Evaluator,
  remainingMs: () => number,
): Promise<InventoryMachine[]> {
  const own = new Map(met);
  const left = machines
    .filter(({ machine, targetHost }) => targetHost == null && systems.has(machine))
    .filter(({ machine }) => !own.has(machine))
    .slice(0, ASKED.machines);
  const least = remainingMs() - ASKED.milliseconds;
  const worker = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      const timeoutMs = remainingMs() - Math.max(0, least);
      if (timeoutMs <= 0) return;
      const asked = await ask(evaluator, `(${OWN}) ${nixString(one.machine)}`, timeoutMs);
      const said = "why" in asked ? null : ClanMachine.safeParse(asked.value);
      if (said?.success === true) own.set(one.machine, said.data);
    }
  };
  await Promise.all(Array.from({ length: ASKED.together }, worker));
  return machines.map((machine) => {
    const said = own.get(machine.machine);
    if (said === undefined || machine.class === "darwin") return machine;
    return {
      ...machine,
      targetHost: machine.targetHost ?? whole(said.targetHost),
      explicit: machine.explicit === true || said.explicit,
    };
  });
}
