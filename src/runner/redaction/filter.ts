/** What stands for a secret. */
export const MASK = "***";

/** A step of redaction over strings of bytes (latin1). `end` answers what was held back; then the filter is fresh. */
export interface Filter {
  push(text: string): string;
  end(): string;
}
