// The whole of an upload while the page is open: looks at what was picked, sends it, waits and asks
// again for as long as it takes, and remembers it for the next time.
//
// One rule keeps it simple: after anything that went wrong, and after every pause, the server is
// asked where each file stands before a byte is sent. So there is one way to go on, whether the
// line dropped, the server restarted, the laptop slept or the browser was closed.

import { Refused, type Finding, type Link, type Looked, type State } from "./api";
import { Engine, type Load } from "./engine";
import { hear, next, reconcile, recall, take, toKeep, totals, type Item, type Items, type Totals } from "./items";
import type { Memory } from "./kept";
import { Looking } from "./looking";
import { permission, readable, walk, type Brought, type Root } from "./pick";
import { Pace, Steady } from "./pure/pace";
import { keyOf } from "./pure/match";
import { backOff, type Trouble } from "./pure/trouble";
import { sentence } from "./pure/words";
import { discardSpoiled } from "./spoiled";

/** Files in the engine at most; more where it also keeps copies for a closed browser. */
const AHEAD = 48;
const AHEAD_KEPT = 200;
const OFFLINE = "this computer is offline";

/** Why nothing is sent at the moment, though something should be. */
export interface Waiting {
  text: string;
  /** When (monotonic, ms) it is tried again; absent while offline. */
  until?: number | undefined;
  tries: number;
}

export class Sending {
  readonly items: Items = new Map();
  paused = false;
  waiting: Waiting | undefined;
  /** The order takes nothing any more; final. */
  closed: string | undefined;
  /** What the checks say of all files together. */
  findings: Finding[] = [];
  /** Folders and files that may be read again after a click. */
  locked: Root[] = [];
  /** What could not be read when it was picked. */
  unread: string[] = [];
  lookingTrouble: string | undefined;

  private roots: Root[] = [];
  private readonly engine: Engine;
  private readonly looking: Looking;
  private readonly pace = new Pace();
  private readonly steady = new Steady();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private recovering = false;
  private stopped = false;
  private ready = false;
  private sum: Totals | undefined;

  constructor(
    private readonly link: Link,
    private readonly memory: Memory,
    state: State,
    private readonly changed: () => void,
  ) {
    this.engine = new Engine(`${link.address}`, `stemvault-${memory.key}`, {
      began: (key) => this.on(key, (item) => (item.stage = "sending")),
      acknowledged: (key, offset) => this.on(key, (item) => this.acknowledged(item, offset)),
      done: (key) => this.on(key, (item) => void this.done(item)),
      failed: (key, trouble) => this.on(key, (item) => void this.failed(item, trouble)),
    });
    this.looking = new Looking(link, Number(state.preflight?.bytes ?? 65536), {
      looked: (items, answer) => this.looked(items, answer),
      unlooked: (items) => this.queue(items),
      unreadable: (item) => this.lost(item),
      trouble: (text) => {
        this.lookingTrouble = text;
        this.touch();
      },
    });
    if (!state.stage_open) this.closed = "this order takes no files at the moment";
    addEventListener("offline", () => this.offline());
    addEventListener("online", () => void this.recover());
    if (!navigator.onLine) this.offline();
  }

  /** Takes up what a closed browser left behind. */
  async begin(state: State): Promise<void> {
    const kept = await this.memory.load();
    recall(this.items, kept.items);
    reconcile(this.items, state.uploads, () => false);
    this.findings = state.findings ?? [];
    this.touch();
    this.roots = kept.items.length > 0 ? kept.roots : [];
    for (const root of this.roots) {
      const allowed = await permission(root, false);
      if (allowed === "granted") this.add(await walk([root]), true);
      else if (allowed === "prompt") this.locked.push(root);
    }
    const back = await this.engine.restore();
    if (this.roots.length > 0) this.engine.keepNoCopies();
    this.add({ picks: back, roots: [], unread: [] }, true);
    this.ready = true;
    this.pump();
  }

  /** Reads what may be read again after a click: call it in one. */
  async unlock(): Promise<void> {
    const roots = this.locked;
    this.locked = [];
    for (const root of roots) {
      if ((await permission(root, true)) === "granted") this.add(await walk([root]), true);
    }
    this.touch();
  }

  /** Takes in what was picked. `onlyKnown`: nothing that was not in the list before. */
  add(brought: Brought, onlyKnown = false): void {
    if (!onlyKnown && brought.picks.length > 0) {
      // Handles open the files again by themselves; without them small files are kept as copies.
      if (this.ready && brought.roots.length > 0) this.engine.keepNoCopies();
      this.roots.push(...brought.roots);
    }
    this.unread = brought.unread;
    const fresh = take(this.items, brought.picks, onlyKnown);
    for (const item of fresh) this.engine.withdraw(item.key);
    this.looking.look(fresh);
    this.keep();
    this.touch();
  }

  pause(): void {
    this.paused = true;
    this.halt();
  }

  resume(): void {
    this.paused = false;
    void this.recover();
  }

  /** The person wants it sent although the studio would send it back. */
  insist(item: Item): void {
    item.insist = true;
    this.queue([item]);
    this.keep();
  }

  /** Tries a file once more that the studio did not take. */
  again(item: Item): void {
    item.note = undefined;
    item.tries = 0;
    item.stage = item.file ? "queued" : "absent";
    void this.recover();
  }

  /** Leaves a file out; what has arrived of it goes. */
  async leave(items: Item[]): Promise<void> {
    const gone: string[] = [];
    for (const item of items) {
      if (item.sealed) continue;
      this.engine.withdraw(item.key);
      gone.push(...item.replaces, ...(item.upload === undefined ? [] : [item.upload]));
      item.stage = "left";
      item.note = "Left out by you.";
      item.upload = undefined;
      item.acknowledged = 0;
      item.replaces = [];
    }
    this.keep();
    this.touch();
    await Promise.allSettled(gone.map((id) => this.link.remove(id)));
    this.pump();
  }

  /** Before submitting: the server's list once more, and what was replaced goes. */
  async settle(): Promise<void> {
    const state = await this.link.state();
    this.findings = state.findings ?? [];
    reconcile(this.items, state.uploads, (key) => this.engine.isGoing(key));
    for (const item of this.items.values()) {
      for (const id of item.replaces.splice(0)) await this.link.remove(id);
    }
    const left = state.uploads.filter((upload) => upload.state === "open" && this.items.get(keyOf(upload.path))?.stage === "left");
    for (const upload of left) await this.link.remove(upload.id);
    this.touch();
  }

  /** After submitting: everything that is here is part of a session now. */
  sealed(): void {
    for (const item of this.items.values()) if (item.stage === "here") item.sealed = true;
    this.touch();
  }

  get totals(): Totals {
    return (this.sum ??= totals(this.items));
  }

  /** Whether bytes flow, or will by themselves. */
  get active(): boolean {
    const { of } = this.totals;
    return this.closed === undefined && !this.paused && of.looking + of.queued + of.sending > 0;
  }

  /** Bytes a second and seconds left, as far as they are known. */
  measure(): { rate?: number | undefined; left?: number | undefined } {
    const now = performance.now();
    if (!this.active || this.waiting !== undefined) {
      this.pace.stop();
      return {};
    }
    let rest = this.totals.bytes - this.totals.acknowledged;
    for (const item of this.items.values()) if (item.stage === "absent") rest -= item.size - item.acknowledged;
    return { rate: this.pace.rate(now), left: this.steady.show(this.pace.left(rest, now), now) };
  }

  private on(key: string, act: (item: Item) => void): void {
    const item = this.items.get(key);
    if (item === undefined) return;
    act(item);
    this.touch();
  }

  private touch(): void {
    this.sum = undefined;
    this.changed();
  }

  private keep(): void {
    this.memory.save(() => {
      const items = toKeep(this.items);
      return { items, roots: items.length > 0 ? this.roots : [] };
    });
  }

  private looked(items: Item[], answer: Looked): void {
    this.findings = answer.session;
    const fine = hear(items, answer);
    this.keep();
    this.queue(fine);
  }

  private queue(items: Item[]): void {
    for (const item of items) item.stage = "queued";
    this.touch();
    this.pump();
  }

  private lost(item: Item): void {
    item.file = undefined;
    item.stage = "absent";
    item.note = "It was changed, moved or renamed on this computer: choose it again.";
    this.touch();
    // Where the folder can still be read, the file's new state is found there.
    if (this.roots.length > 0) void this.reread();
  }

  private async reread(): Promise<void> {
    for (const root of this.roots) {
      if ((await permission(root, false)) === "granted") this.add(await walk([root]), true);
    }
  }

  private acknowledged(item: Item, offset: number): void {
    const more = offset - item.acknowledged;
    if (more > 0) this.pace.add(more, performance.now());
    item.acknowledged = Math.min(offset, item.size);
    item.tries = 0;
    if (this.waiting !== undefined && more > 0) this.waiting.tries = 0;
  }

  private async done(item: Item): Promise<void> {
    // A browser compares a file's time when a request begins to read it, so only now it is known
    // whether the last one brought the end of another file.
    const spoiled = await discardSpoiled(this.link, item);
    if (this.items.get(item.key) !== item || item.stage === "left") return;
    if (spoiled) {
      this.lost(item);
      return this.pump();
    }
    item.stage = "here";
    item.acknowledged = item.size;
    item.note = undefined;
    this.keep();
    this.touch();
    setTimeout(() => this.pump(), 0);
  }

  private async failed(item: Item, trouble: Trouble): Promise<void> {
    if (item.stage !== "sending" && item.stage !== "queued") return;
    item.stage = "queued";
    const { kind, text, after } = trouble;
    if (kind === "file") {
      item.stage = "failed";
      item.note = sentence(text);
      this.engine.withdraw(item.key);
      this.pump();
    } else if (kind === "closed") {
      this.close(text);
    } else {
      if (item.file !== undefined && !(await readable(item.file))) {
        this.engine.withdraw(item.key);
        this.lost(item);
        return;
      }
      item.tries += 1;
      const wait = kind === "smaller" ? 0 : backOff(item.tries - 1, after);
      if (item.tries > 1) item.notBefore = performance.now() + wait * 1000;
      this.outage(text, wait);
    }
    this.touch();
  }

  private close(text: string): void {
    this.closed = sentence(text);
    this.halt();
  }

  private halt(): void {
    this.engine.pause();
    this.stopped = true;
    this.pace.stop();
    for (const item of this.items.values()) if (item.stage === "sending") item.stage = "queued";
    this.touch();
  }

  private offline(): void {
    this.waiting = { text: OFFLINE, tries: this.waiting?.tries ?? 0 };
    this.halt();
    // Not every browser says when it is over.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.recover(), 30_000);
  }

  /** Something is wrong on the way: asks the server again after so many seconds. */
  private outage(text: string, seconds: number): void {
    if (this.paused || this.closed !== undefined || this.waiting?.text === OFFLINE) return;
    const until = performance.now() + seconds * 1000;
    if (this.waiting?.until !== undefined && this.waiting.until <= until) return;
    this.waiting = { text, until, tries: this.waiting?.tries ?? 0 };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.recover(), seconds * 1000);
  }

  /** Asks where everything stands and goes on; if nobody answers, later again. */
  private async recover(): Promise<void> {
    if (this.recovering || this.paused || this.closed !== undefined) return;
    this.recovering = true;
    try {
      const state = await this.link.state();
      if (this.paused) return;
      this.waiting = undefined;
      clearTimeout(this.timer);
      if (this.stopped) this.engine.withdrawAll();
      this.stopped = false;
      for (const item of this.items.values()) {
        // What broke off; what waits for its turn in the engine may stay there.
        if (item.stage === "queued" && item.tries > 0 && !this.engine.isGoing(item.key)) this.engine.withdraw(item.key);
      }
      reconcile(this.items, state.uploads, (key) => this.engine.has(key));
      if (!state.stage_open) this.close("this order takes no files at the moment");
      this.pump();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { kind, text, after } = error.trouble;
      if (error.status === 404 || kind === "closed") {
        this.close(text);
      } else {
        const tries = (this.waiting?.tries ?? 0) + 1;
        this.waiting = undefined;
        if (!navigator.onLine) this.offline();
        else this.outage(text, backOff(tries, after));
        if (this.waiting !== undefined) (this.waiting as Waiting).tries = tries;
      }
    } finally {
      this.recovering = false;
      this.touch();
    }
  }

  /** Feeds the engine. */
  private pump(): void {
    if (!this.ready || this.paused || this.stopped || this.waiting || this.closed !== undefined) return;
    const now = performance.now();
    const ahead = this.roots.length > 0 ? AHEAD : AHEAD_KEPT;
    // Many at once: each time costs a look at everything that is in there.
    if (this.engine.busy > ahead / 2) return;
    let room = ahead - this.engine.busy;
    const { ready, later } = next(this.items, now, (key) => this.engine.has(key));
    const loads: Load[] = [];
    for (const item of ready) {
      if (room-- <= 0) break;
      for (const id of item.replaces.splice(0)) this.link.remove(id).catch(() => {});
      const url = item.upload === undefined ? undefined : `${this.link.address}/${item.upload}`;
      const { key, path, file, modified } = item;
      loads.push({ key, path, file: file!, modified: modified!, url });
    }
    if (loads.length > 0) this.pace.resume(now);
    this.engine.feed(loads);
    if (later < Infinity) setTimeout(() => this.pump(), later - now);
  }
}
