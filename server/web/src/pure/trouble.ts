// What an answer that is no success means for the page: wait and go on, send less at once, or tell
// the person. Answers of our server carry its own sentence; those of proxies do not.

import { language, say } from "./messages";

/** What came back; status 0 if nothing did. */
export interface Answer {
  status: number;
  /** Whether our server said it, not somebody in between. */
  ours: boolean;
  text: string;
  /** Seconds, as the answer asked for. */
  after?: number | undefined;
}

/**
 * - `wait`: nothing is wrong with the file; ask where it stands and go on.
 * - `smaller`: somebody in between refuses so large a request.
 * - `again`: the upload is not there any more; ask where it stands, and begin it again.
 * - `closed`: the whole order takes no files.
 * - `file`: this file will not be taken; the sentence says why.
 */
export type Kind = "wait" | "smaller" | "again" | "closed" | "file";

/** A verdict, with words for the person. */
export interface Trouble {
  kind: Kind;
  text: string;
  /** Seconds to wait at least. */
  after?: number | undefined;
}

/** Why nothing is sent at the moment, though something should be. */
export interface Waiting {
  text: string;
  /** When (monotonic, ms) it is tried again; absent while offline. */
  until?: number | undefined;
  tries: number;
}


/** Judges an answer. */
export function judge(answer: Answer): Trouble {
  const { status, ours, after } = answer;
  // The server's own sentence is in English.
  const said = ours && language === "en" ? answer.text.trim() : "";
  const verdict = (kind: Kind, text: string): Trouble => ({ kind, text: said || text, after });
  const lost = say("trouble-lost");
  switch (status) {
    case 0:
      return { kind: "wait", text: lost };
    case 413:
      return ours
        ? verdict("file", say("trouble-too-large"))
        : verdict("smaller", say("trouble-large-requests"));
    case 408:
    case 504:
    case 524:
      return ours ? verdict("wait", lost) : verdict("smaller", lost);
    case 404:
    case 410:
    case 460:
      return verdict("again", say("trouble-track"));
    case 401:
    case 403:
      return ours
        ? verdict("closed", say("trouble-closed"))
        : verdict("wait", say("trouble-between"));
    case 507:
      return { ...verdict("wait", say("trouble-room")), after: after ?? 60 };
    case 409:
    case 423:
    case 425:
    case 429:
      return verdict("wait", say("trouble-wait"));
  }
  if (status >= 500) return verdict("wait", say("trouble-server"));
  return verdict("file", say("trouble-file", { status }));
}

/** Seconds until the next try, after so many in vain: 1, 2, 4 … 60. */
export function backOff(tries: number, after?: number): number {
  return Math.max(after ?? 0, Math.min(60, 2 ** Math.min(tries, 6)));
}

/** `Retry-After`, if it is a number of seconds; dates are rare, and then our own patience does. */
export function retryAfter(header: string | null | undefined): number | undefined {
  if (header == null || !/^\d+$/.test(header.trim())) return undefined;
  return Math.min(600, Number(header));
}
