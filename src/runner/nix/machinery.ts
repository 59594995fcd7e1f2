/**
 * The store, its daemon or the machine failed, not the expression or the builder. Texts of Nix 2.8 to 2.34.
 * Whoever writes the code can print the same: it costs them a second try, and gains no success.
 */
export function blamesStore(message: string): boolean {
  return /cannot (?:connect|open connection) to (?:daemon|socket|remote store)|Nix daemon disconnected|daemon disconnected|SQLite database|\/db\/schema['"]? is corrupt|open Nix store|unexpected end-of-file|opening lock file/u.test(
    message,
  );
}
