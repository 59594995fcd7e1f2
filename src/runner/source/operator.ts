/** What the runner's operator gives the fetch step. The text of files, in the agent's memory only. */
export interface OperatorCredentials {
  readonly netrc: string | null;
  readonly ssh: readonly {
    readonly host: string;
    /** A private key without passphrase, as `ssh -i` reads it. */
    readonly key: string;
    readonly knownHosts: string;
  }[];
}

export const NO_CREDENTIALS: OperatorCredentials = { netrc: null, ssh: [] };
