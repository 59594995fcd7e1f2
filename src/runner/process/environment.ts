/** Variables of a child process. Nothing is inherited unless it is named. */
export type Environment = Readonly<Record<string, string>>;

/**
 * The named variables of this process, those that are set.
 * A child gets an explicit list, because the agent's own environment may hold secrets.
 */
export function inheritedEnvironment(names: readonly string[]): Environment {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}
