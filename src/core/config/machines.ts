import * as z from "zod";
import { Method } from "../../protocol/machine.ts";
import { METHOD_SETTINGS } from "./methods.ts";
import { readSchedule } from "./schedule.ts";
import { isZone } from "./zone.ts";

/** Machines, rollouts, and what a deploy needs. Only the default branch's counts. */

const Words = z.array(z.string().min(1).max(128)).max(64);
/** An argument vector; no shell reads it. */
const Command = z.array(z.string().min(1).max(4_096)).min(1).max(128);
const Seconds = z.number().positive().max(86_400);

/** A team's slug within the organisation that owns the repository. */
export const Team = z.string().regex(/^[a-z0-9_][a-z0-9_-]{0,99}$/u, {
  error: "must be a team's slug, such as `release-team`",
});

const Patience = {
  grace_seconds: Seconds.optional().describe(
    "It is tried until it holds, for this long at most (seconds). Without it: 60.",
  ),
  interval_seconds: Seconds.optional().describe("Between two tries (seconds). Without it: 2."),
  timeout_seconds: Seconds.optional().describe("Of one try (seconds). Without it: 10."),
};
const Templated = z.string().min(1).max(2_048);
/** With `${domain}`, `${name}` and the machine's own variables. */
const Health = z.union([
  z.strictObject({
    http: Templated.regex(/^https?:\/\//u, "must begin with http:// or https://").describe(
      "An address that must answer with success.",
    ),
    ...Patience,
  }),
  z.strictObject({
    websocket: Templated.regex(/^wss?:\/\//u, "must begin with ws:// or wss://").describe(
      "An address that must open a WebSocket.",
    ),
    ...Patience,
  }),
  z.strictObject({
    tcp: Templated.regex(/:[0-9]{1,5}$/u, "must be host:port").describe(
      "`host:port` that must take a connection.",
    ),
    ...Patience,
  }),
  z.strictObject({
    unit: Templated.max(256).describe("A systemd unit that must be active."),
    ...Patience,
  }),
  z.strictObject({
    command: z
      .array(Templated)
      .min(1)
      .max(128)
      .describe("A command that must succeed on the machine, as a list of its arguments."),
    ...Patience,
  }),
]);
export type HealthSource = z.infer<typeof Health>;

const LimitsOfDeploy = z.strictObject({
  connect_seconds: Seconds.optional().describe(
    "Of a connection's beginning (seconds). Without it: 10.",
  ),
  copy_seconds: Seconds.optional().describe("Of the copy (seconds). Without it: 3600."),
  activation_seconds: Seconds.optional().describe(
    "Of the activation (seconds); the machine stops it and goes back. Without it: 900, above the ten minutes that migrations take.",
  ),
  confirmation_seconds: Seconds.optional().describe(
    "From the end of the activation until it is confirmed and healthy (seconds); the machine goes back. Without it: 300, or what the health checks may take.",
  ),
});

/** What is said of a machine, and of all together under `defaults`. */
const OfMachines = {
  method: Method.optional().describe("How it is deployed. Without it: `clan` or `plain`."),
  tags: Words.optional().describe("Words that rollouts and commands choose machines by."),
  domain: z
    .string()
    .regex(/^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/u, "must be a host name")
    .optional()
    .describe("For `${domain}` in health checks."),
  variables: z
    .record(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/u), z.string().max(253))
    .optional()
    .describe("For `${…}` in health checks."),
  health: z.array(Health).max(32).optional().describe("What must hold after a deploy."),
  backup: Command.optional().describe(
    "Run on the machine before it is activated, as a list of its arguments; its failure ends the deploy.",
  ),
  limits: LimitsOfDeploy.optional().describe("Limits of a deploy."),
  explicit: z
    .boolean()
    .optional()
    .describe("Deployed only where it is named itself; no tag, role or pattern means it."),
  hold: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe("Why it is not to be changed; while it stands here, nobody deploys to it."),
  warn: z
    .array(
      z.strictObject({
        when: z
          .string()
          .min(1)
          .max(256)
          .describe("A text within a package's name and version, or a unit's text."),
        says: z.string().min(1).max(500).describe("What the plan says then."),
      }),
    )
    .max(16)
    .optional()
    .describe("Warnings of its plans: what a person must know who changes this."),
  ...METHOD_SETTINGS,
};

export const Machine = z.strictObject({
  ...OfMachines,
  attribute: z
    .string()
    .min(1)
    .max(1_024)
    .refine((path) => !path.startsWith("-") && !/[\u0000-\u001f\u007f]/u.test(path), {
      error: "must be an attribute path",
    })
    .optional()
    .describe(
      "The attribute that is its system. Without it: what the evaluation has under its name.",
    ),
  class: z
    .enum(["nixos", "darwin"])
    .optional()
    .describe("What its system is. Without it: by where it was found."),
  roles: Words.optional().describe("As an inventory's roles: `role:x` means it."),
});
export type Machine = z.infer<typeof Machine>;

export const Name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u, {
  error: "a name is letters, digits, `.`, `_` and `-`, 63 at most, and begins with neither sign",
});

export const Machines = z
  .strictObject({
    discover: z
      .array(z.enum(["nixosConfigurations", "clan"]))
      .max(2)
      .optional()
      .describe("Where machines are found: by evaluation, never by a directory's listing."),
    defaults: z
      .strictObject(OfMachines)
      .optional()
      .describe("Of every machine that has not its own."),
    observe_minutes: z
      .int()
      .min(5)
      .max(10_080)
      .optional()
      .describe("How often machines are looked at. Without it: every 360 minutes."),
  })
  .catchall(Machine)
  .superRefine((machines, context) => {
    for (const name of Object.keys(machines))
      for (const { message } of Name.safeParse(name).error?.issues ?? [])
        context.addIssue({ code: "custom", path: [name], message });
  });
export type Machines = z.infer<typeof Machines>;

/** Machines by name, without the keys that say something of all. */
export function declaredIn(machines: Machines | undefined): Record<string, Machine> {
  const { discover: _, defaults: __, observe_minutes: ___, ...declared } = machines ?? {};
  return declared;
}

const Failures = z.int().min(0).max(1_000);
const StageOptions = {
  parallel: z.int().min(1).max(64).optional().describe("Machines at once. Without it: 1."),
  max_failures: Failures.optional().describe(
    "Machines that may fail before the rollout stops. Without it: 0.",
  ),
  pause_seconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .describe("Between a stage's end and the next one's beginning (seconds). Without it: 0."),
};
const Target = z.string().min(1).max(1_024);

export const Rollout = z
  .strictObject({
    on: z
      .enum(["manual", "push", "schedule"])
      .optional()
      .describe("When it begins; `push` is one to the default branch. Without it: by hand."),
    schedule: z
      .string()
      .max(64)
      .refine((text) => readSchedule(text) !== null, {
        error: "must be hourly, daily, weekly, monthly, or five fields as cron has them",
      })
      .optional()
      .describe(
        "When, for `on: schedule`: `hourly`, `daily`, `weekly`, `monthly` (at a minute of the repository's own, within half an hour), or five fields as cron has them, in UTC.",
      ),
    stages: z
      .array(
        z.union([
          Target,
          z.strictObject({
            targets: z.array(Target).min(1).max(64).describe("Each as a stage's one target."),
            ...StageOptions,
          }),
        ]),
      )
      .min(1)
      .max(32)
      .optional()
      .describe(
        "Targets in their order, each a machine's name, `tag:a,b` or `role:x`; the next begins when the last is healthy.",
      ),
    ...StageOptions,
    on_failure: z
      .enum(["stop", "take-back"])
      .optional()
      .describe("What becomes of machines that are done when it stops. Without it: they stay."),
  })
  .superRefine(({ on, schedule }, context) => {
    if (on === "schedule" && schedule === undefined)
      context.addIssue({
        code: "custom",
        path: ["on"],
        message: "`on: schedule` needs `schedule`",
      });
  });
export type Rollout = z.infer<typeof Rollout>;

const Time = z
  .string()
  .regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/u, "must be a time as 09:30");
const Day = z
  .string()
  .regex(/^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$/u, "must be a day as 2026-12-24");

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const Window = z.strictObject({
  days: z.array(z.enum(WEEKDAYS)).min(1).max(7).optional().describe("Without it: every day."),
  from: Time.optional().describe("Without it: 00:00."),
  to: Time.optional().describe("It ends then. Without it: 24:00."),
  zone: z
    .string()
    .max(64)
    .refine(isZone, { error: "must be a time zone, such as Europe/Berlin" })
    .optional()
    .describe("The time zone. Without it: UTC."),
});
export type Window = z.infer<typeof Window>;

export const DeployPolicy = z.strictObject({
  permission: z
    .enum(["write", "maintain", "admin"])
    .optional()
    .describe("The least role of whoever deploys."),
  teams: z
    .array(Team)
    .min(1)
    .max(16)
    .optional()
    .describe("Teams whose members may deploy, with `write` or more. Alone, nobody else may."),
  approvals: z
    .int()
    .min(0)
    .max(16)
    .optional()
    .describe("How many others must have approved the commit."),
  checks: z
    .enum(["required", "all"])
    .optional()
    .describe(
      "Which checks must have succeeded on the commit: those that the branch's protection requires and Snowcat's own, or all. Without it: `required`.",
    ),
  required_checks: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(200).describe("As the check is called."),
        app: z.int().positive().describe("Numeric id of the App whose check counts."),
      }),
    )
    .max(32)
    .optional()
    .describe("Checks of other Apps that must have succeeded as well."),
  windows: z
    .array(Window)
    .min(1)
    .max(16)
    .optional()
    .describe("When deploys may begin: in any of these. Without it: always."),
  freeze: z
    .union([
      z.string().min(1).max(500),
      z
        .array(
          z.strictObject({
            from: Day.describe("The first day, in UTC."),
            until: Day.describe("The last day, in UTC."),
            reason: z.string().min(1).max(500).optional().describe("What people are told."),
          }),
        )
        .max(32),
    ])
    .optional()
    .describe("Why nothing is deployed while it stands here; or days on which nothing is."),
  order: z
    .enum(["stages", "any"])
    .optional()
    .describe(
      "`stages`: a machine of a rollout's later stage is deployed only when every machine of the earlier ones is active on the same commit. Without it: `stages`.",
    ),
  confirm: z
    .boolean()
    .optional()
    .describe("Whoever asked for a deploy confirms it once the plan is there. Without it: no."),
  prune: z
    .strictObject({
      permission: z
        .enum(["write", "maintain", "admin"])
        .optional()
        .describe("The least role. Without it: `admin`."),
      teams: z
        .array(Team)
        .min(1)
        .max(16)
        .optional()
        .describe("Teams whose members may, with `write` or more. Alone, nobody else may."),
    })
    .optional()
    .describe(
      "Who may say `/deploy --prune`, which deletes what a cluster has and the commit has not.",
    ),
});
export type DeployPolicy = z.infer<typeof DeployPolicy>;
