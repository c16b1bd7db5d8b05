// What the page asks the server, in the server's own shapes. 64-bit integers are strings.

import { FRAMES } from "./pure/framing";
import type { Upload } from "./pure/match";
import { judge, retryAfter, type Trouble } from "./pure/trouble";

export interface Finding {
  rule: string;
  severity: "refuse" | "warn";
  message: string;
  files?: string[];
  /** It comes of comparing the file with others: an answer about all of them replaces it. */
  compared?: boolean;
}

export interface Field {
  name: string;
  label: string;
  hint?: string | null;
  required: boolean;
  kind: "text" | "longtext" | "number" | "isrc";
  value?: string | null;
}

export interface Receipt {
  order: string;
  session: string;
  sealed_at: string;
  review: { state: "submitted" | "accepted" | "returned"; reasons: string[] };
  files: { path: string; length: string; hash: string; checked: boolean }[];
  /** What its sender left out. */
  left_out?: string | null;
  findings: Finding[];
  total_bytes: string;
  file_count: number;
}

export interface State {
  order: string;
  title?: string | null;
  client?: string | null;
  studio?: string | null;
  stage_open: boolean;
  uploads: Upload[];
  session: Receipt | null;
  findings?: Finding[];
  form: { fields: Field[] };
  preflight?: { bytes: string; max_together?: string };
}

/** What the studio's checks compare of a file; here it is only kept. */
export type Seen = object;

/** Which files a request is about: some of more, or the names of all and what was seen of them. */
export type Scope = "part" | "together";

export interface Looked {
  files: {
    path: string;
    normalised: string;
    action: "upload" | "already_here" | "skip";
    /** Whether all that is judged was in what was sent of the file; if not, more of it would tell more. */
    known: "header" | "format" | "length";
    /** What of it is compared with other files, to be sent back with them. */
    seen?: Seen | null;
    findings: Finding[];
  }[];
  session: Finding[];
  forbidden: { path: string; message: string }[];
}

/** A request that did not get what it wanted. */
export class Refused extends Error {
  constructor(
    readonly trouble: Trouble,
    readonly status: number,
    /** Names of form fields that the server misses. */
    readonly missing: string[] = [],
  ) {
    super(trouble.text);
  }
}

/** The order's upload link. */
export class Link {
  /** `address`: path of the link, without a slash at its end. */
  constructor(readonly address: string) {}

  state(): Promise<State> {
    return this.ask("GET", "/state");
  }

  preflight(body: Uint8Array<ArrayBuffer>, scope?: Scope): Promise<Looked> {
    return this.ask("POST", scope === undefined ? "/preflight" : `/preflight?scope=${scope}`, body, FRAMES);
  }

  keepForm(form: Record<string, string>): Promise<void> {
    return this.ask("PUT", "/form", JSON.stringify({ form }), "application/json");
  }

  /** Submits what is here. `leftOut`: paths of what the sender has left out, for the receipt. */
  submit(form: Record<string, string>, leftOut: string[]): Promise<Receipt> {
    // The receipt names what fits, and counts the rest.
    let room = 4000;
    const paths = leftOut.filter((path) => (room -= path.length) > 0);
    const left_out = { paths, more: leftOut.length - paths.length };
    return this.ask("POST", "/submit", JSON.stringify({ form, left_out }), "application/json");
  }

  /** Tells the hashes of the sender's files, by upload; which of them are those of the server. */
  checked(files: Record<string, string>): Promise<{ checked: string[] }> {
    return this.ask("POST", "/checked", JSON.stringify({ files }), "application/json");
  }

  /** Removes an upload; one that is gone already is as good. */
  async remove(id: string): Promise<void> {
    try {
      await this.ask("DELETE", `/${id}`, undefined, undefined);
    } catch (error) {
      if (!(error instanceof Refused && (error.status === 404 || error.status === 410))) throw error;
    }
  }

  receipt(session: string): string {
    return `${this.address}/receipts/${session}`;
  }

  private async ask<T>(method: string, path: string, body?: BodyInit, kind?: string): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (kind !== undefined) headers["Content-Type"] = kind;
    if (method === "DELETE") headers["Tus-Resumable"] = "1.0.0";
    let answer: Response;
    let text: string;
    try {
      const request: RequestInit = { method, headers, cache: "no-store", credentials: "same-origin" };
      if (body !== undefined) request.body = body;
      // A connection that fell silent would otherwise be waited for in vain.
      request.signal = AbortSignal.timeout(120_000);
      answer = await fetch(this.address + path, request);
      text = await answer.text();
    } catch {
      throw new Refused(judge({ status: 0, ours: false, text: "" }), 0);
    }
    if (answer.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
    throw refused(answer, text);
  }
}

function refused(answer: Response, text: string): Refused {
  const kind = answer.headers.get("content-type") ?? "";
  const after = retryAfter(answer.headers.get("retry-after"));
  let detail = "";
  let missing: string[] = [];
  const problem = kind.startsWith("application/problem+json");
  if (problem) {
    try {
      const said = JSON.parse(text) as { detail?: string; missing?: string[] };
      detail = said.detail ?? "";
      missing = said.missing ?? [];
    } catch {
      // Cut off on its way: the status says enough.
    }
  }
  const ours = problem || answer.headers.has("tus-resumable");
  if (ours && !problem) detail = text;
  return new Refused(judge({ status: answer.status, ours, text: detail, after }), answer.status, missing);
}
