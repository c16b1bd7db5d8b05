// The page's state beside the files: the order, the form, submitting, the receipt.

import { Refused, type Field, type Link, type Receipt, type State } from "./api";
import { Awake, askBeforeLeaving } from "./awake";
import { Draft } from "./draft";
import type { Item } from "./items";
import type { Memory } from "./kept";
import { pass } from "./looking";
import { backOff, type Waiting } from "./pure/trouble";
import { sentence } from "./pure/words";
import { Sending } from "./sending";

/** What stands between now and a submitted session. */
export interface Missing {
  fields: Field[];
  /** Files that are not here. */
  files: Item[];
  /** Nothing is here, or nothing new. */
  nothing: boolean;
}

/** What a submit is waiting for. */
export type Submitting = "comparing" | "sealing" | undefined;

export class Page {
  readonly sending: Sending;
  readonly draft: Draft;
  /** What was missing when somebody last pressed Submit. */
  asked: Missing | undefined;
  /** What the server said against it. */
  refusal: string | undefined;
  submitting: Submitting;
  /** Submitted since the page was opened. */
  submitted = false;
  /** Fields that the server does not take as they are, by name. */
  readonly bad = new Set<string>();
  private readonly awake = new Awake();
  private enough: (() => void) | undefined;

  constructor(
    readonly link: Link,
    readonly state: State,
    memory: Memory,
    private readonly changed: () => void,
  ) {
    const touched = () => this.touched();
    this.draft = new Draft(link, memory.key, state.form.fields, touched);
    this.sending = new Sending(link, memory, state, touched);
    askBeforeLeaving(() => this.sending.active || this.unsubmitted);
  }

  /** The receipt of what was submitted last. */
  get session(): Receipt | null {
    return this.sending.session;
  }

  /** The studio has accepted what was submitted, and takes nothing any more. */
  get accepted(): boolean {
    return this.session?.review.state === "accepted" && this.sending.closed !== undefined;
  }

  /** Files are here that belong to no session yet. */
  get unsubmitted(): boolean {
    return this.sending.totals.unsealed > 0 && this.sending.closed === undefined;
  }

  /** Something is here, or was taken out of what the studio returned, that it has not been told. */
  get isNew(): boolean {
    const { unsealed, sealed } = this.sending.totals;
    const returned = this.session?.review.state === "returned";
    return unsealed > 0 || (returned && sealed > 0 && sealed < this.session!.file_count);
  }

  /** Why nothing moves, though it should. Checks that cannot be asked hold up only the files they have not seen. */
  get standstill(): Waiting | undefined {
    const { active, waiting, totals, lookingTrouble } = this.sending;
    if (!active) return undefined;
    if (waiting !== undefined) return waiting;
    const rest = totals.of.queued + totals.of.sending;
    return rest === 0 && lookingTrouble !== undefined ? { text: lookingTrouble, tries: 0 } : undefined;
  }

  /** Whether the session that was submitted is all there is to see. */
  get finished(): boolean {
    if (this.accepted) return true;
    const { of } = this.sending.totals;
    const more = of.looking + of.queued + of.sending + of.refused + of.failed + of.absent + of.leaving;
    return this.session !== null && this.session.review.state !== "returned" && !this.unsubmitted && more === 0;
  }

  enter(name: string, value: string): void {
    this.bad.delete(name);
    if (this.bad.size === 0) this.refusal = undefined;
    this.draft.set(name, value);
  }

  missing(): Missing {
    const { items } = this.sending;
    const fields = this.state.form.fields.filter(
      (field) => field.required && (this.draft.values[field.name] ?? "").trim() === "",
    );
    const files = [...items.values()].filter((item) => item.stage !== "here" && item.stage !== "left");
    return { fields, files, nothing: !this.isNew };
  }

  /** Submits, or says what is missing. `without`: the files that are not here stay out. */
  async submit(without = false): Promise<void> {
    if (this.submitting) return;
    this.refusal = undefined;
    this.bad.clear();
    this.submitting = "comparing";
    this.changed();
    try {
      if (without) await this.sending.leave(this.missing().files);
      if (this.isMissing()) return;
      const enough = new Promise<void>((resolve) => (this.enough = resolve));
      await Promise.race([this.sending.compared(), enough]);
      if (this.isMissing()) return;
      this.submitting = "sealing";
      this.changed();
      await this.sending.settle();
      if (this.isMissing()) return;
      const receipt = await this.seal();
      this.submitted = true;
      this.draft.over();
      this.sending.sealed(receipt);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refusal = sentence(error.trouble.text);
      for (const name of error.missing) this.bad.add(name);
    } finally {
      this.submitting = undefined;
      this.touched();
    }
  }

  /** Does not wait for the rest to be compared. */
  hurry(): void {
    this.enough?.();
  }

  private isMissing(): boolean {
    const missing = this.missing();
    const some = missing.fields.length > 0 || missing.files.length > 0 || missing.nothing;
    this.asked = some ? missing : undefined;
    return some;
  }

  /** The answer may get lost on its way: then the server is asked whether it has sealed. */
  private async seal(): Promise<Receipt> {
    const before = this.session?.session;
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.link.submit(this.draft.filled(), this.sending.leaving.out.map(({ path }) => path));
      } catch (error) {
        if (!(error instanceof Refused) || error.trouble.kind !== "wait" || error.status === 409 || tries > 4) throw error;
        await pass(backOff(tries, error.trouble.after));
        const { session } = await this.link.state();
        if (session !== null && session.session !== before) return session;
      }
    }
  }

  private touched(): void {
    // Called while it is being made, too.
    if (this.sending !== undefined) {
      const { active, totals } = this.sending;
      this.awake.set(active && this.standstill === undefined && totals.of.sending > 0);
      if (this.asked !== undefined && !this.submitting) {
        const still = this.missing();
        const fields = this.asked.fields.filter((field) => still.fields.includes(field));
        const files = still.files.length > 0 && this.asked.files.length > 0 ? still.files : [];
        const nothing = this.asked.nothing && still.nothing;
        this.asked = fields.length + files.length > 0 || nothing ? { fields, files, nothing } : undefined;
      }
    }
    this.changed();
  }
}
