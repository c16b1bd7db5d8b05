// The files of an upload, as the person sees them: what was picked here, joined with what the
// server has. Changing a list is all that happens here; nothing is sent or asked.

import type { Finding, Looked } from "./api";
import type { KeptItem } from "./kept";
import type { Picked } from "./pick";
import { finding } from "./findings";
import { say } from "./pure/messages";
import { byPath, decide, isSameTime, keyOf, type Upload } from "./pure/match";
import { sentence } from "./pure/words";

/**
 * - `looking`: its beginning is with the studio's checks
 * - `queued`, `sending`, `here`
 * - `refused`: the checks would send it back; the person decides
 * - `failed`: the studio does not take it, its sentence is in `note`
 * - `absent`: to be sent, but the browser cannot read it: it has to be picked again
 * - `leaving`: the studio is asked to remove what has arrived of it
 * - `left`: stays here, `note` says why; the studio has nothing of it
 */
export type Stage = "looking" | "queued" | "sending" | "here" | "refused" | "failed" | "absent" | "leaving" | "left";

/**
 * How a file that is here compares with the one on this disk: `due` to be compared, the `same`, or
 * `unable` to tell. Nothing if the file itself is not at hand.
 */
export type Check = "due" | "same" | "unable";

export interface Item {
  key: string;
  path: string;
  size: number;
  modified?: string | undefined;
  file?: File | undefined;
  /** Opens the file again; absent where the browser cannot. */
  again?: (() => Promise<File>) | undefined;
  /** The file is a copy that the browser kept. */
  copy: boolean;
  stage: Stage;
  check?: Check | undefined;
  /** How often in a row what arrived was another than the file. */
  differed: number;
  /** What the server may have under this path is another file. */
  another: boolean;
  /** Bytes that the server has acknowledged. */
  acknowledged: number;
  /** Its upload on the server, and the server's hash of it once it is whole. */
  upload?: string | undefined;
  hash?: string | undefined;
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
    copy: false,
    stage: "absent",
    differed: 0,
    another: false,
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
export function recall(items: Items, kept: readonly KeptItem[], uploads: readonly Upload[]): void {
  const there = byPath(uploads);
  for (const { path, size, modified, insist, left } of kept) {
    // What was left out and is there was sent from somewhere else since.
    if (left && there.has(keyOf(path))) continue;
    const item = blank(path, size, modified);
    item.insist = insist ?? false;
    if (left) leaveOut(item);
    items.set(item.key, item);
  }
}

/** The person has left it out, and nothing of it is with the studio. */
export function leaveOut(item: Item): void {
  Object.assign(item, { stage: "left", note: say("note-left-out"), acknowledged: 0, replaces: [], sealed: false });
  item.upload = item.hash = item.check = undefined;
}

/** What to remember: all that is not here, and not left out by the checks. */
export function toKeep(items: Items): KeptItem[] {
  const kept: KeptItem[] = [];
  for (const { path, size, modified, insist, stage, junk } of items.values()) {
    if (stage === "here" || junk || modified === undefined) continue;
    const left = stage === "left" || stage === "leaving";
    kept.push({ path, size, modified, ...(insist && { insist }), ...(left && { left }) });
  }
  return kept;
}

/** What has to be done with files that were picked. */
export interface Taken {
  /** To be looked at and sent: new ones, those that were missing, those that have changed. */
  fresh: Item[];
  /** To be compared with what arrived of them. */
  arrived: Item[];
}

/** Takes in what was picked. */
export function take(items: Items, picks: readonly Picked[], onlyKnown: boolean): Taken {
  const fresh: Item[] = [];
  const arrived: Item[] = [];
  for (const pick of picks) {
    const { path, file, again, copy = false } = pick;
    const modified = modifiedOf(file);
    const key = keyOf(path);
    const known = items.get(key);
    if (known === undefined) {
      if (onlyKnown) continue;
      const item = Object.assign(blank(path, file.size, modified), { file, again, copy });
      items.set(key, item);
      fresh.push(item);
      continue;
    }
    if (known.stage === "left" || known.stage === "leaving") {
      Object.assign(known, { file, again, copy });
      // It came along with its folder: that is no new decision.
      if (known.stage === "leaving" || known.junk || onlyKnown || picks.length > 1) continue;
    }
    const since = known.modified === undefined || isSameTime(known.modified, modified);
    if (known.stage === "here" && known.size === file.size) {
      // Its time alone says little: the bytes are compared.
      if (copy || (known.check === "same" && since) || known.check === "due") continue;
      Object.assign(known, { file, again, copy });
      arrived.push(known);
      continue;
    }
    const same = known.size === file.size && since;
    if (same && known.file !== undefined && !["left", "failed"].includes(known.stage)) continue;
    const item: Item = { ...blank(path, file.size, modified), file, again, copy, insist: same && known.insist };
    if (same) {
      item.upload = known.upload;
      item.acknowledged = known.acknowledged;
    } else {
      item.another = true;
      if (known.upload !== undefined && !known.sealed) item.replaces = [...known.replaces, known.upload];
      if (known.acknowledged > 0) {
        item.note = known.stage === "here"
          ? say("note-replaces")
          : say("note-changed");
      }
    }
    items.set(key, item);
    fresh.push(item);
  }
  for (const item of fresh) item.stage = "looking";
  return { fresh, arrived };
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
      item.note = sentence(item.findings[0] ? finding(item.findings[0]) : say("note-no-part"));
      item.findings = [];
    } else if (file?.action === "already_here" && !item.another) {
      // By its path and length: that it is the same is for the comparison to find.
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

/** Whether a submit would take it, as things stand. */
export function isComing({ stage, sealed }: Item): boolean {
  return ["looking", "queued", "sending", "refused"].includes(stage) || (stage === "here" && !sealed);
}

/** Takes in what the checks said of these beside each other; returns those that may be sent now. */
export function compare(items: readonly Item[], answer: Looked): Item[] {
  const said = new Map(answer.files.map(({ path, findings }) => [keyOf(path), findings]));
  const refuses = ({ severity }: Finding) => severity === "refuse";
  const fine: Item[] = [];
  for (const item of items) {
    item.findings = [...item.findings.filter(({ compared }) => !compared), ...(said.get(item.key) ?? [])];
    const refused = item.findings.some(refuses) && !item.insist;
    if (item.stage === "queued" && refused) item.stage = "refused";
    else if (item.stage === "refused" && !refused) fine.push(item);
  }
  return fine;
}

/** After submitting: what the receipt names is part of a session now, whatever was thought of it. */
export function seal(items: Items, files: readonly { path: string; hash: string }[]): void {
  for (const { path, hash } of files) {
    const item = items.get(keyOf(path));
    if (item?.stage === "left") {
      item.stage = "here";
      item.note = say("note-there");
    }
    if (item?.stage === "here") Object.assign(item, { sealed: true, hash });
  }
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
    if (isGoing(item.key) || item.stage === "left" || item.stage === "leaving") continue;
    const { use, replaces } = decide(item, there.get(item.key) ?? []);
    item.replaces = replaces;
    if (item.upload !== use?.id) item.check = undefined;
    item.upload = use?.id;
    item.hash = use?.hash ?? undefined;
    item.sealed = use?.state === "sealed";
    if (use?.checked) item.check ??= "same";
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
  /** How many are here and part of a session. */
  sealed: number;
  /** How many are here and still to be compared with the files, and how many are the same. */
  due: number;
  checked: number;
}

/** Counts what is to be sent; what is refused, failed or left is not part of the bytes. */
export function totals(items: Items): Totals {
  const of = { looking: 0, queued: 0, sending: 0, here: 0, refused: 0, failed: 0, absent: 0, leaving: 0, left: 0 };
  const sum: Totals = { files: 0, here: 0, bytes: 0, acknowledged: 0, of, unsealed: 0, sealed: 0, due: 0, checked: 0 };
  for (const item of items.values()) {
    of[item.stage] += 1;
    if (["leaving", "left", "refused", "failed"].includes(item.stage)) continue;
    sum.files += 1;
    sum.bytes += item.size;
    sum.acknowledged += item.acknowledged;
    if (item.stage === "here") {
      sum.here += 1;
      if (item.sealed) sum.sealed += 1;
      else sum.unsealed += 1;
      if (item.check === "due") sum.due += 1;
      if (item.check === "same") sum.checked += 1;
    }
  }
  return sum;
}
