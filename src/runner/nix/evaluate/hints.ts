/** What to do about an error of evaluation, where its words tell. */
const HINTS: readonly { readonly when: RegExp; readonly say: string }[] = [
  {
    // Nix's words where evaluation would have to build, and may not.
    when: /allow-import-from-derivation/u,
    say: "Evaluating it would have to build something first (import from derivation), which is off. `import_from_derivation: true` on its entry under `evaluate` in .github/snowcat.yml of the default branch turns it on; never for a fork, nor on an untrusted runner.",
  },
  {
    // Of NixOS's modules (nixpkgs lib/modules.nix), about clan's: neither a machine of the inventory nor a role has it.
    when: /The option `[^'\n]*\binventory\.(?:machines|instances)\.[^'\n]*\bnixpkgs\b[^'\n]*' does not exist/u,
    say: "clan's inventory says which machines and services there are and has no `nixpkgs`: settings and overlays belong to a machine's own configuration (`clan.machines.<name>.nixpkgs.config`, or a module that it imports), packages of all machines of a system to `clan.pkgsForSystem`.",
  },
];

/** The message, with what can be done behind it. */
export function withHint(message: string): string {
  const hint = HINTS.find(({ when }) => when.test(message));
  return hint === undefined ? message : `${message}\n\n${hint.say}`;
}
