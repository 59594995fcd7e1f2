import { code } from "../report/escape.ts";
import type { CommandName } from "./command.ts";
import type { Declaration } from "./declaration.ts";
import { MOST_COMMANDS } from "./read.ts";
import { declarations, usageOf } from "./registry.ts";
import { SEEN_BEFORE } from "./bind.ts";

/** The text of docs/commands.md. */
export function commandsPage(): string {
  const all = declarations();
  return `# Commands

<!-- Generated from src/core/command by \`npm run generate\`. -->

A command is a line of its own in a **new** comment on a pull request, with the slash at its very beginning. A comment can
have several, which are done in their order; with more than ${MOST_COMMANDS} none is. Edited comments, and lines in quotes, code blocks and
HTML comments, are no commands. A line with characters that cannot be seen is refused, and so is one in a paragraph whose
markup could hide it: an empty line before the command helps. Some commands are buttons on checks as well.

Snowcat answers with 👀 at once and then with a reaction: 👍 done, 👎 refused, 😕 not understood. One comment, which is
kept up to date, lists the latest commands and what became of them. It writes a new one only when a person must act.

| command | what it does | from | needs |
|---|---|---|---|
${all.map(row).join("")}
\`[…]\` may be left out, \`…\` may be repeated. Attributes are patterns as [configuration](configuration.md) has them in
\`sets\`; a bare name is whatever attribute is called so. Machines and tests are names or globs (\`*\` any characters, \`?\`
one); \`tag:a,b\` are the machines that have all of these tags, \`role:x\` those with the role. Only what an evaluation has
found is ever meant; a target that nothing fits stops the command.

## Which commit

A command is about one commit, which its author has seen:

- the full SHA in the command. ${listed(all.filter(({ binding }) => binding === "named"))} always name it;
- or the commit of the check whose button was pressed;
- or, for people with write and on a branch of the repository, the head as it stands, if it came at least ${SEEN_BEFORE / 1_000} s
  before the comment.

Otherwise nothing is done, and the answer has the exact command with the SHA to send. When the head moves before the
command takes effect, it takes none. A command acts once, however often its delivery arrives.

${code("/plan")}, ${code("/deploy")} and ${code("/confirm")} that name the default branch's head in full are about that, at whatever pull
request they are said, open or closed; not where the policy asks for approvals, for those are of a pull request's head.

## Who may

The role is asked of GitHub when the command is about to act, not taken from the comment. Custom roles count as write
where \`policy.writers\` lists them, as read otherwise. The default branch's \`.github/snowcat.yml\` can say it otherwise for
each command, with a role, with teams of the organisation, or with both, of which either is enough:

\`\`\`yaml
policy:
  writers: [release-manager]
  deploy: { permission: maintain, approvals: 1 }
  commands:
    retry: { permission: triage }
    lock: { teams: [operations] }
    bump: { permission: admin, teams: [operations] }
\`\`\`

Nothing below the role in brackets can be allowed, and members of a team need it too. \`policy.deploy.permission\` holds for
${listed(all.filter(({ permission }) => permission.usual === "maintain"))} where \`policy.commands\` has nothing of its own for them; \`policy.deploy.prune\`
for what deletes (\`/deploy --prune\`); \`policy.deploy.approvals\` for
${listed(all.filter(({ approvals }) => approvals))}. While the default branch's configuration cannot be read, commands are for admins, but for ${listed(all.filter(({ permission }) => permission.usual === "read"))}.

Apps and other bots give no commands. An approval of a deploy (\`/approve\`) comes from somebody who neither wrote nor pushed
the head, and is good for that commit.

## Each of them

${all.map(section).join("\n")}`;
}

function row(declaration: Declaration): string {
  const { does, permission, missing } = declaration;
  const lower = permission.least === permission.usual ? "" : ` (${code(permission.least)})`;
  const later = missing === null ? "" : ` *Not there yet.*`;
  return `| ${code(usageOf(declaration))} | ${does}${later} | ${code(permission.usual)}${lower} | ${needs(declaration)} |\n`;
}

function needs({ where, forks, checks, byOthers, approvals, locks }: Declaration): string {
  const words = [
    ...(WHERE[where] === null ? [] : [WHERE[where]]),
    ...(forks === "refused" ? ["a branch of the repository"] : []),
    ...(forks === "approved-head" ? ["of a fork: `/ok-to-test`"] : []),
    ...(checks === "success" ? ["a run of the head that succeeded"] : []),
    ...(byOthers ? ["neither author nor pusher"] : []),
    ...(approvals ? ["approvals, where asked for"] : []),
    ...(locks === "respects" ? ["machines that nobody else locked"] : []),
  ];
  return words.length === 0 ? "–" : words.join("; ");
}

const WHERE: Record<Declaration["where"], string | null> = {
  "open-pull-request": "an open pull request",
  "pull-request": "a pull request",
  anywhere: null,
};

function section(declaration: Declaration): string {
  const { name, does, flags, missing, button, example } = declaration;
  const parts = [`### /${name}\n`, does];
  for (const flag of flags) {
    const more = flag.permission === undefined ? "" : `, for ${code(flag.permission.usual)} only`;
    parts.push(`\`--${flag.name}\`: ${flag.does}${more}.`);
  }
  if (button !== null) parts.push(`On checks as the button "${button.label}".`);
  if (missing !== null) parts.push(`It answers that it is not there yet: ${missing}.`);
  return `${parts[0]}\n${parts.slice(1).join(" ")}\n\n\`\`\`text\n${example}\n\`\`\`\n`;
}

function listed(some: readonly { name: CommandName }[]): string {
  const words = some.map(({ name }) => `\`/${name}\``);
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} and ${last}`;
}
