import * as z from "zod";

const absolutePath = z.string().regex(/^\/[^\0]*$/, "must be an absolute path");

/** `host:port`; the host may be `*` or `*.name`, the port `*`; an IPv6 address stands in brackets. */
export const EgressPattern = z
  .string()
  .regex(
    /^(\*|(\*\.)?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(\*|[0-9]{1,5})$/,
    "must be host:port, such as *.example.org:443",
  );

/** What builds may take; one that takes more is ended, and its verdict says so. Not for a store of the host's own daemon. */
export const BuildsConfiguration = z.strictObject({
  /** Of one build; three quarters of the machine's unless given. */
  memoryBytes: z
    .int()
    .min(64 * 1_024 ** 2)
    .nullable()
    .default(null),
  /** Of all builds together, the daemon included; seven eighths of the machine's unless given. */
  allMemoryBytes: z
    .int()
    .min(128 * 1_024 ** 2)
    .nullable()
    .default(null),
  /** Processes and threads of one build. */
  processes: z.int().min(16).max(1_000_000).default(4_096),
  /** When less than this is left on the state directory's disk, the build that has written most is ended. */
  freeBytes: z
    .int()
    .nonnegative()
    .default(1_024 ** 3),
  /** What one build may print. */
  logBytes: z
    .int()
    .positive()
    .default(4 * 1_024 ** 3),
});
export type BuildsConfiguration = z.output<typeof BuildsConfiguration>;

/** What the operator decides about isolation. Paths are absolute, memory is in bytes. */
export const IsolationConfiguration = z.strictObject({
  /** Everything the runner owns on disk lies beneath; its parents must be searchable by others. */
  stateDirectory: absolutePath,
  /**
   * First of the range of user and group numbers: agent, egress, build group, build users, job users.
   * Two runners on one host need ranges that do not overlap.
   */
  uidBase: z.int().min(1000).max(4_000_000_000).default(31_000),
  jobUsers: z.int().min(1).max(500).default(16),
  buildUsers: z.int().min(1).max(128).default(16),
  /** `private`: a store of its own in a mount namespace. `host`: the machine's /nix and its daemon. */
  store: z.enum(["private", "host"]).default("private"),
  /** `off`: limits are the approximations that rlimits give, even where cgroups could be used. */
  cgroups: z.enum(["auto", "off"]).default("auto"),
  builds: BuildsConfiguration.prefault({}),
  egress: z.array(EgressPattern).default(["*:443"]),
  /** Host paths that every job may read, at the same place; nothing else of the host is visible. */
  readOnlyPaths: z.array(absolutePath).default([]),
  /** Further lines of nix.conf, such as `substituters` and `trusted-public-keys`. */
  nix: z.record(z.string().regex(/^[a-z-]+$/), z.string().regex(/^[^\n]*$/)).default({}),
  /** Lines for the private store's daemon alone, after those above: what follows from an exchange. */
  daemonNix: z.record(z.string().regex(/^[a-z-]+$/), z.string().regex(/^[^\n]*$/)).default({}),
  /**
   * A Nix that is not on the system's own PATH: a folder with `bin/nix` in it and all that it needs, which every job
   * sees at the same place. `null`: the system's.
   */
  nixFolder: absolutePath.nullable().default(null),
  /** A static shell that becomes /bin/sh of the build sandbox; `null` when Nix has its own. */
  sandboxShell: absolutePath.nullable().default("/bin/busybox"),
});
export type IsolationConfiguration = z.output<typeof IsolationConfiguration>;
export type RawIsolationConfiguration = z.input<typeof IsolationConfiguration>;
