// The whole of an upload while the page is open: looks at what was picked, sends it, waits and asks
// again for as long as it takes, and remembers it for the next time.
//
// One rule keeps it simple: after anything that went wrong, and after every pause, the server is
// asked where each file stands before a byte is sent. So there is one way to go on, whether the
// line dropped, the server restarted, the laptop slept or the browser was closed.

import { Refused, type Link, type Looked, type Receipt, type State } from "./api";
import { Copies } from "./copies";
import { Engine } from "./engine";
import { Feeding } from "./feeding";
import { Findings } from "./findings";
import { reconcile, recall, seal, take, toKeep, totals, type Item, type Items, type Totals } from "./items";
import type { Memory } from "./kept";
import { Leaving } from "./leaving";
import { Looking, type Take } from "./looking";
import { isSoon, Meter, type Measured } from "./meter";
import { parts, readable, type Brought } from "./pick";
import { Proving } from "./proving";
import { backOff, type Trouble, type Waiting } from "./pure/trouble";
import { sentence } from "./pure/words";
import { Renewing } from "./renewing";
import { Roots } from "./roots";
import { say } from "./pure/messages";

/** Changes are told at most so often, in milliseconds: thousands of small files have many a second. */
const TELL = 50;

export class Sending {
  readonly items: Items = new Map();
  paused = false;
  waiting: Waiting | undefined;
  /** The order takes nothing any more; final. */
  closed: string | undefined;
  /** What the checks say of all files together. */
  readonly findings = new Findings();
  /** What this browser can open again. */
  readonly roots = new Roots();
  /** What could not be read when it was picked. */
  readonly unread = new Set<string>();
  lookingTrouble: string | undefined;
  /** The receipt of what was submitted last, as the server last said. */
  session: Receipt | null;

  private readonly engine: Engine;
  private readonly feeding: Feeding;
  private readonly looking: Looking;
  private readonly proving: Proving;
  private readonly copies: Copies;
  private readonly renewing: Renewing;
  readonly leaving: Leaving;
  private readonly meter = new Meter();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private recovering = false;
  private stopped = false;
  private ready = false;
  private sum: Totals | undefined;
  private telling: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly link: Link,
    private readonly memory: Memory,
    state: State,
    private readonly changed: () => void,
  ) {
    this.engine = new Engine(link.address, {
      began: (key) => this.on(key, (item) => (item.stage = "sending")),
      created: (key, upload) => this.on(key, (item) => (item.upload = upload)),
      acknowledged: (key, offset) => this.on(key, (item) => this.acknowledged(item, offset)),
      done: (key, hash) => this.on(key, (item) => this.done(item, hash)),
      failed: (key, trouble) => this.on(key, (item) => void this.failed(item, trouble)),
    });
    this.feeding = new Feeding(link, this.items, this.engine, {
      may: () => this.mayGo(),
      feeds: () => this.meter.resume(),
    });
    this.looking = new Looking(link, Number(state.preflight?.bytes ?? 65536), {
      looked: (...said) => this.looked(...said),
      unlooked: (items) => this.queue(items),
      unreadable: (item) => this.lost(item),
      trouble: (text) => {
        this.lookingTrouble = text;
        this.touch();
      },
    }, Number(state.preflight?.max_together ?? 0));
    this.proving = new Proving(link, {
      differs: (item, size) => void this.renewing.renew(item, size),
      unreadable: (item) => void this.renewing.unreadable(item),
      soon: () => isSoon(this.measure()),
      changed: () => this.touch(),
      refresh: async () => this.takeIn(await link.state()),
    });
    this.copies = new Copies(memory.key, () => isSoon(this.measure()));
    this.leaving = new Leaving(link, this.items, this.engine, this.copies, () => this.touch());
    this.renewing = new Renewing(link, this.engine, this.proving, {
      look: (item) => this.looking.look([item]),
      lost: (item) => this.lost(item),
      changed: () => this.touch(),
    });
    this.session = state.session;
    if (!state.stage_open) this.closed = say("closed");
    addEventListener("offline", () => this.offline());
    addEventListener("online", () => void this.recover());
    if (!navigator.onLine) this.offline();
  }

  /** Takes up what a closed browser left behind. */
  async begin(state: State): Promise<void> {
    const kept = await this.memory.load();
    recall(this.items, kept.items, state.uploads);
    this.takeIn(state);
    this.touch();
    const some = kept.items.some(({ left }) => !left);
    for (const brought of await this.roots.recall(some ? kept.roots : [])) void this.add(brought, true);
    const copies = await this.copies.load();
    this.ready = true;
    void this.add({ picks: copies, roots: [], unread: [] }, true);
    this.pump();
  }

  /** Reads what may be read again after a click: call it in one. */
  async unlock(): Promise<void> {
    for (const brought of await this.roots.unlock()) void this.add(brought, true);
    this.touch();
  }

  /** Takes in what was picked, some at a time: a browser asks the disk about each, and thousands are a freeze. */
  async bring(brought: Brought): Promise<void> {
    for await (const part of parts(brought)) await this.add(part);
  }

  /** Takes these in. `onlyKnown`: nothing that was not in the list before. */
  private async add(brought: Brought, onlyKnown = false): Promise<void> {
    for (const { path } of brought.picks) this.unread.delete(path);
    for (const path of brought.unread) this.unread.add(path);
    const { fresh, arrived } = take(this.items, brought.picks, onlyKnown);
    for (const item of fresh) this.engine.withdraw(item.key);
    this.looking.look(fresh);
    this.proving.check(arrived);
    this.keep();
    this.touch();
    if (onlyKnown || brought.picks.length === 0) return this.copies.keep(fresh, this.roots);
    await this.roots.add(brought.roots);
    this.keep();
    this.copies.keep(fresh, this.roots);
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
    this.keep(true);
  }

  /** Tries a file once more that the studio did not take. */
  again(item: Item): void {
    item.note = undefined;
    item.tries = 0;
    item.stage = item.file ? "queued" : "absent";
    void this.recover();
  }

  /** Leaves files out: they are when the server says that nothing of them is there any more. */
  async leave(list: Item[]): Promise<void> {
    await this.leaving.leave(list);
    this.keep(true);
    this.pump();
  }

  /** Takes in after all what was left out. */
  include(item: Item): void {
    Object.assign(item, { note: undefined, junk: false, stage: item.file ? "looking" : "absent" });
    this.looking.look([item]);
    this.keep(true);
    this.touch();
  }

  /** Waits until everything that is here has been compared with the files. */
  async compared(): Promise<void> {
    while (this.totals.due > 0 && (await this.proving.settled()));
  }

  /** Before submitting: the server's list once more, and what was replaced or left out goes. */
  async settle(): Promise<void> {
    const state = await this.link.state();
    this.takeIn(state);
    for (const item of this.items.values()) for (const id of item.replaces.splice(0)) await this.link.remove(id);
    await this.leaving.late(state);
    this.touch();
  }

  /** After submitting: what the receipt names is part of a session now, whatever was thought of it. */
  sealed(receipt: Receipt): void {
    this.session = receipt;
    seal(this.items, receipt.files);
    this.keep();
    this.touch();
  }

  get totals(): Totals {
    return (this.sum ??= totals(this.items));
  }

  /** Whether bytes flow, or will by themselves. */
  get active(): boolean {
    const { of } = this.totals;
    return this.closed === undefined && !this.paused && of.looking + of.queued + of.sending + of.leaving > 0;
  }

  /** Bytes a second and seconds left, as far as they are known. */
  measure(): Measured {
    return this.meter.measure(this.active && this.waiting === undefined, this.items, this.totals);
  }

  private on(key: string, act: (item: Item) => void): void {
    const item = this.items.get(key);
    if (item === undefined) return;
    act(item);
    this.touch();
  }

  private touch(): void {
    this.sum = undefined;
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.changed();
    }, TELL);
  }

  private keep(decided = false): void {
    const what = () => {
      const items = toKeep(this.items);
      return { items, roots: items.length > 0 ? this.roots.all : [] };
    };
    if (decided) this.memory.write(what);
    else this.memory.save(what);
  }

  private takeIn(state: State): void {
    this.session = state.session;
    this.findings.here(state.findings ?? []);
    reconcile(this.items, state.uploads, (key) => this.engine.has(key));
  }

  private looked(items: Item[], answer: Looked, take: Take): void {
    const looking = items.filter(({ stage }) => stage === "looking");
    this.findings.coming(answer.session, items.map(({ path }) => path));
    const fine = take(items, answer);
    this.proving.check(looking.filter(({ stage }) => stage === "here"));
    this.keep();
    this.queue(fine);
  }

  private queue(items: Item[]): void {
    for (const item of items) item.stage = "queued";
    this.touch();
    this.pump();
  }

  private lost(item: Item): void {
    Object.assign(item, { file: undefined, again: undefined, stage: "absent", note: say("note-lost") });
    this.touch();
    // Where the folder can still be read, the file's new state is found there.
    void this.roots.reread().then((all) => all.forEach((brought) => void this.add(brought, true)));
  }

  private acknowledged(item: Item, offset: number): void {
    const more = offset - item.acknowledged;
    if (more > 0) this.meter.add(more);
    item.acknowledged = Math.min(offset, item.size);
    item.tries = 0;
    if (this.waiting !== undefined && more > 0) this.waiting.tries = 0;
  }

  private done(item: Item, hash: string | undefined): void {
    if (item.stage === "leaving" || item.stage === "left") return;
    item.stage = "here";
    item.acknowledged = item.size;
    item.hash = hash;
    if (!item.another) item.note = undefined;
    this.copies.drop(item.key);
    this.proving.check([item]);
    this.keep();
    this.feeding.goOn();
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
      if (item.file !== undefined && !(await readable(item.file, item.size))) {
        if (item.stage === "queued") await this.renewing.renew(item);
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
    // Perhaps because the studio has accepted what is here: then its receipt says so.
    this.link.state().then((state) => (this.takeIn(state), this.touch()), () => {});
  }

  private halt(): void {
    this.engine.pause();
    this.stopped = true;
    this.meter.stop();
    for (const item of this.items.values()) if (item.stage === "sending") item.stage = "queued";
    this.touch();
  }

  private offline(): void {
    this.waiting = { text: say("offline"), tries: this.waiting?.tries ?? 0 };
    this.halt();
    // Not every browser says when it is over.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.recover(), 30_000);
  }

  /** Something is wrong on the way: asks the server again after so many seconds. */
  private outage(text: string, seconds: number): void {
    if (this.paused || this.closed !== undefined || this.waiting?.text === say("offline")) return;
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
      this.takeIn(state);
      if (!state.stage_open) this.close(say("closed"));
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

  private pump(): void {
    this.feeding.feed();
  }

  private mayGo(): boolean {
    return this.ready && !this.paused && !this.stopped && !this.waiting && this.closed === undefined;
  }
}
