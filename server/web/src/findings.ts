// What the checks say of several files together: of those that are here, by the server's list, and of
// those on their way, by each answer of the preflight. An answer about other files takes none back.

import type { Finding } from "./api";
import { keyOf } from "./pure/match";
import { say } from "./pure/messages";

/** What a check found, in the page's language. */
export function finding({ rule, message }: Finding): string {
  return say("finding", { rule, said: message });
}

export class Findings {
  private known: Finding[] = [];
  private preflight: Finding[] = [];

  /** Of everything that is here. */
  here(findings: Finding[]): void {
    this.known = findings;
  }

  /** Of those that are to come under these paths, beside what is here. */
  coming(findings: Finding[], paths: string[]): void {
    const again = new Set(paths.map(keyOf));
    // A path that is looked at again holds another file now.
    this.preflight = this.preflight.filter(({ files }) => !files?.some((file) => again.has(keyOf(file))));
    this.preflight.push(...findings);
  }

  /**
   * What is to be shown: of the preflight only what is about a file that `isComing`, as the list of
   * what is here says the rest; and of two that say the same, one.
   */
  shown(isComing: (key: string) => boolean): Finding[] {
    this.preflight = this.preflight.filter(({ files }) => files === undefined || files.some((file) => isComing(keyOf(file))));
    const shown = new Map<string, Finding>();
    for (const finding of [...this.known, ...this.preflight]) shown.set(finding.rule + finding.message, finding);
    return [...shown.values()];
  }
}
