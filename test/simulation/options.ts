/** Deliveries that one world plays: many small worlds are many seeds, and they fit any number of processors. */
const A_WORLD = 2_500;

export type Options = {
  deliveries: number;
  seed: number;
  json: string | null;
  /** Plays with this fault planted. */
  mutant: string | null;
  log: boolean;
};

export const USAGE = `usage: npm run simulate                                  10,000 schedules of attempts and leases
       npm run simulate -- --deliveries N [--json FILE] [--seed S] [--mutant NAME] [--log]
                                                         N deliveries in bad weather, from webhook to check
       npm run simulate -- --mutants [--seed S]          every planted fault must be caught`;

/** @throws with what is wrong, in words for whoever typed it. */
export function read(args: readonly string[]): Options {
  const options: Options = { deliveries: 0, seed: 1, json: null, mutant: null, log: false };
  const rest = [...args];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === "--log") {
      options.log = true;
      continue;
    }
    const value = rest.shift();
    if (value === undefined) throw new Error(`${name} takes a value`);
    if (name === "--json") options.json = value;
    else if (name === "--mutant") options.mutant = value;
    else if (name === "--deliveries") options.deliveries = whole(name, value);
    else if (name === "--seed") options.seed = whole(name, value);
    else throw new Error(`there is no ${name}`);
  }
  if (options.deliveries < 1) throw new Error("--deliveries takes a number above 0");
  return options;
}

function whole(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`${name} takes a whole number, not ${JSON.stringify(value)}`);
  return number;
}

/** The worlds that make up so many deliveries, each with a seed of its own; the first has the seed that was given. */
export function worlds(
  deliveries: number,
  seed: number,
  each = A_WORLD,
): { seed: number; deliveries: number }[] {
  const count = Math.ceil(deliveries / each);
  return Array.from({ length: count }, (_, n) => ({
    seed: seed + n,
    deliveries: Math.min(each, deliveries - n * each),
  }));
}
