import type { SourceAccess } from "../access.ts";
import { PUBLIC_ONLY } from "../access.ts";
import type { OperatorCredentials } from "../operator.ts";
import { NO_CREDENTIALS } from "../operator.ts";

/** What the fetch step of a job may use. No other program of the job gets any of it. */
export interface InputAccess {
  readonly access: SourceAccess;
  /** Tokens are for this address's host only. */
  readonly cloneUrl: string;
  readonly operator: OperatorCredentials;
}

/** For a checkout of one's own, where nobody is asked for a token. */
export const NO_ACCESS: InputAccess = {
  access: PUBLIC_ONLY,
  cloneUrl: "https://localhost/",
  operator: NO_CREDENTIALS,
};
