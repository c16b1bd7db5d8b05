// The files of an upload, as the person sees them: what was picked here, joined with what the
// server has. Changing a list is all that happens here; nothing is sent or asked.

import type { Finding, Looked } from "./api";
import type { KeptItem } from "./kept";
import type { Picked } from "./pick";
import { byPath, decide, keyOf, type Upload } from "./pure/match";
import { sentence } from "./pure/words";

/**
 * - `looking`: its beginning is with the studio's checks
 * - `queued`, `sending`, `here`
 * - `refused`: the checks would send it back; the person decides
 * - `failed`: the studio does not take it, its sentence is in `note`
 * - `absent`: to be sent, but the browser cannot read it: it has to be picked again
 * - `left`: stays here, `note` says why
 */
export type Stage = "looking" | "queued" | "sending" | "here" | "refused" | "failed" | "absent" | "left";

export interface Item {
  key: string;
  path: string;
  size: number;
  modified?: string | undefined;
  file?: File | undefined;
  stage: Stage;
  /** Bytes that the server has acknowledged. */
  acknowledged: number;
  /** Its upload on the server. */
  upload?: string | undefined;
  /** It is part of a submitted session. */
  sealed: boolean;
  /** Uploads of the same path that have to go. */
  replaces: string[];
  findings: Finding[];
  /** Something to say of it. */
  note?: string | undefined;
  /** Sent although the checks would refuse it. */
  insist: boolean;
  /** Left by the checks, not by the person: junk. */
  junk: boolean;
  /** Failures in a row, and when (monotonic) to try again. */
  tries: number;
  notBefore: number;
}

export type Items = Map<string, Item>;

/** When a file was changed, as the server is told it. */
export function modifiedOf(file: File): string {
  return new Date(file.lastModified).toISOString();
}

function blank(path: string, size: number, modified: string | undefined): Item {
  return {
    key: keyOf(path),
    path,
    size,
    modified,
    stage: "absent",
    acknowledged: 0,
    sealed: false,
    replaces: [],
    findings: [],
    insist: false,
    junk: false,
    tries: 0,
    notBefore: 0,
  };
}

/** Takes up what was remembered; the files themselves are not there yet. */
export function recall(items: Items, kept: readonly KeptItem[]): void {
  for (const { path, size, modified, insist } of kept) {
    const item = blank(path, size, modified);
    item.insist = insist ?? false;
    items.set(item.key, item);
  }
}

/** What to remember: all that is neither here nor left. */
export function toKeep(items: Items): KeptItem[] {
  const kept: KeptItem[] = [];
  for (const { path, size, modified, insist, stage } of items.values()) {
    if (stage === "here" || stage === "left" || modified === undefined) continue;
    kept.push(insist ? { path, size, modified, insist } : { path, size, modified });
  }
  return kept;
}

/**
 * Takes in what was picked. Returns the items whose files have to be looked at: new ones, those
 * that were missing, those that have changed.
 */
export function take(items: Items, picks: readonly Picked[], onlyKnown: boolean): Item[] {
  const fresh: Item[] = [];
  for (const { path, file } of picks) {
    const modified = modifiedOf(file);
    const key = keyOf(path);
    const known = items.get(key);
    if (known === undefined) {
      if (onlyKnown) continue;
      const item = blank(path, file.size, modified);
      item.file = file;
      items.set(key, item);
      fresh.push(item);
      continue;
    }
    const since = known.modified === undefined || Date.parse(known.modified) === Date.parse(modified);
    const same = known.size === file.size && since;
    if (same && (known.stage === "here" || (known.file !== undefined && known.stage !== "left" && known.stage !== "failed"))) continue;
    const item: Item = { ...blank(path, file.size, modified), file, insist: same && known.insist };
    if (same) {
      item.upload = known.upload;
      item.acknowledged = known.acknowledged;
    } else {
      if (known.upload !== undefined && !known.sealed) item.replaces = [...known.replaces, known.upload];
      if (known.acknowledged > 0) {
        item.note = known.stage === "here"
          ? "It replaces the one that was sent before."
          : "It has changed since it was begun, so it starts again.";
      }
    }
    items.set(key, item);
    fresh.push(item);
  }
  for (const item of fresh) item.stage = "looking";
  return fresh;
}

/** Takes in what the studio's checks said of these; returns those that may be sent. */
export function hear(items: readonly Item[], answer: Looked): Item[] {
  const said = new Map(answer.files.map((file) => [keyOf(file.path), file]));
  const forbidden = new Map(answer.forbidden.map(({ path, message }) => [keyOf(path), message]));
  const fine: Item[] = [];
  for (const item of items) {
    // Replaced or taken out meanwhile.
    if (item.stage !== "looking") continue;
    const file = said.get(item.key);
    const no = forbidden.get(item.key);
    item.findings = file?.findings ?? [];
    if (no !== undefined) {
      item.stage = "failed";
      item.note = sentence(no);
    } else if (file?.action === "skip") {
      item.stage = "left";
      item.junk = true;
      item.note = sentence(item.findings[0]?.message ?? "not part of a session, it stays with you");
      item.findings = [];
    } else if (file?.action === "already_here") {
      item.stage = "here";
      item.acknowledged = item.size;
    } else if (item.findings.some((finding) => finding.severity === "refuse") && !item.insist) {
      item.stage = "refused";
    } else {
      fine.push(item);
    }
  }
  return fine;
}

/** Joins the list with what the server has. Files under way are left alone. */
export function reconcile(items: Items, uploads: readonly Upload[], isGoing: (key: string) => boolean): void {
  const there = byPath(uploads);
  for (const [key, list] of there) {
    if (!items.has(key)) {
      const best = list.find((upload) => upload.state !== "open") ?? list[0]!;
      const item = blank(best.path, Number(best.length ?? 0), best.modified ?? undefined);
      items.set(key, item);
    }
  }
  for (const item of items.values()) {
    if (isGoing(item.key) || item.stage === "left") continue;
    const { use, replaces } = decide(item, there.get(item.key) ?? []);
    item.replaces = replaces;
    item.upload = use?.id;
    item.sealed = use?.state === "sealed";
    if (use !== undefined && use.state !== "open") {
      item.stage = "here";
      item.acknowledged = item.size;
      continue;
    }
    item.acknowledged = Number(use?.offset ?? 0);
    if (item.stage === "here") item.stage = item.file ? "queued" : "absent";
    if (item.stage === "sending") item.stage = "queued";
  }
}

/**
 * What is to be sent and can be at this moment, in the order in which it is: what has begun is
 * finished first, as unfinished files help nobody. `later`: when it is worth looking again.
 */
export function next(items: Items, now: number, isUnderWay: (key: string) => boolean): { ready: Item[]; later: number } {
  const ready: Item[] = [];
  let later = Infinity;
  for (const item of items.values()) {
    if (item.stage !== "queued" || item.file === undefined || isUnderWay(item.key)) continue;
    if (item.notBefore > now) later = Math.min(later, item.notBefore);
    else ready.push(item);
  }
  ready.sort((one, other) => Number(other.acknowledged > 0) - Number(one.acknowledged > 0));
  return { ready, later };
}

/** Sums for the whole. */
export interface Totals {
  files: number;
  here: number;
  bytes: number;
  acknowledged: number;
  /** How many are in each stage. */
  of: Record<Stage, number>;
  /** How many are here and not submitted yet. */
  unsealed: number;
}

/** Counts what is to be sent; what is refused, failed or left is not part of the bytes. */
export function totals(items: Items): Totals {
  const of = { looking: 0, queued: 0, sending: 0, here: 0, refused: 0, failed: 0, absent: 0, left: 0 };
  const sum: Totals = { files: 0, here: 0, bytes: 0, acknowledged: 0, of, unsealed: 0 };
  for (const item of items.values()) {
    of[item.stage] += 1;
    if (item.stage === "left" || item.stage === "refused" || item.stage === "failed") continue;
    sum.files += 1;
    sum.bytes += item.size;
    sum.acknowledged += item.acknowledged;
    if (item.stage === "here") {
      sum.here += 1;
      if (!item.sealed) sum.unsealed += 1;
    }
  }
  return sum;
}
