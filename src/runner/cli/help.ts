export const HELP = `snowcat: runs Nix jobs for the Snowcat bot

  snowcat enrol  --config FILE [--url URL] [--code-file FILE]
      Enrols this machine with a code from the operator (from the file, or stdin).
      The code fixes pool, class and repositories; it is good once.

  snowcat runner --config FILE [--demo-without-isolation]
      Connects to the control plane and takes jobs. Start it as root: it sets up the
      isolation and drops to an unprivileged user by itself. SIGTERM ends it when its
      jobs are done; a second one cancels them (SIGTERM, 10 s, SIGKILL) and tells so; a
      third ends at once: what is not told yet is told after the next start.

  snowcat check  [--json] [DIRECTORY]
      Evaluates and builds a local checkout as a pull request's checks would, without
      GitHub or Worker. Exit code 0: everything required succeeded.

  snowcat doctor [--json] [--config FILE] DIRECTORY
      Looks whether everything that a checkout's .github/snowcat.yml names is there, by the
      checkout's own evaluation. Exit code 0: it is, 1: it is not, 2: could not be looked at.

  snowcat deploy --local --config FILE MACHINE (--system PATH | --generation N|previous)
                 --why REASON [--health URL]... [--unit UNIT]... [--outside-windows] [--json]
      On a deploy runner, with GitHub or control plane out of reach: puts a system of this
      runner's store on a machine of its policy, or takes the machine back, by the same steps,
      checks and watchdog. It is told when the control plane asks for the machine next.

  snowcat roots  --config FILE [--json]
      Lists what the runner's store keeps from garbage collection: for each branch the
      outputs that were good last.

  snowcat machine-program
      Prints what runs on machines while they are deployed: sh, for whoever would rather
      install it as the forced command of the runner's ssh key than have it sent each time.
      For a key that may only look: command="/path/to/it --only observe".

  snowcat --help
  snowcat --version
`;
