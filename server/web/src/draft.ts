// The form while it is filled in: kept on the server, so that a closed browser loses nothing and
// the studio can submit with it; until that has worked, in this browser.

import { Refused, type Field, type Link } from "./api";
import { pass } from "./looking";
import { backOff } from "./pure/trouble";

/** After the last key, in milliseconds. */
const QUIET = 700;

export class Draft {
  readonly values: Record<string, string> = {};
  /** What the server says against it, or nothing. */
  refused: string | undefined;
  state: "untouched" | "changed" | "kept" = "untouched";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private saving: Promise<void> | undefined;
  private version = 0;
  private readonly slot: string;

  constructor(
    private readonly link: Link,
    memory: string,
    fields: readonly Field[],
    private readonly changed: () => void,
  ) {
    this.slot = `stemvault.form.${memory}`;
    for (const field of fields) this.values[field.name] = field.value ?? "";
    const unsaved = read(this.slot);
    if (unsaved !== undefined) {
      for (const field of fields) this.values[field.name] = unsaved[field.name] ?? this.values[field.name] ?? "";
      this.later();
    }
  }

  set(name: string, value: string): void {
    this.values[name] = value;
    write(this.slot, this.values);
    this.later();
  }

  /** What is filled in. */
  filled(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.values).filter(([, value]) => value.trim() !== ""));
  }

  /** Submitted: there is nothing to keep any more. */
  over(): void {
    clearTimeout(this.timer);
    write(this.slot, undefined);
  }

  private later(): void {
    this.version += 1;
    this.state = "changed";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.saving ??= this.save().finally(() => (this.saving = undefined));
    }, QUIET);
    this.changed();
  }

  private async save(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const version = this.version;
      try {
        await this.link.keepForm(this.filled());
        this.refused = undefined;
        if (version === this.version) {
          this.state = "kept";
          write(this.slot, undefined);
          this.changed();
          return;
        }
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.trouble.kind !== "wait") {
          this.refused = error.trouble.text;
          this.changed();
          return;
        }
        await pass(backOff(tries, error.trouble.after));
      }
    }
  }
}

function read(slot: string): Record<string, string> | undefined {
  try {
    const text = localStorage.getItem(slot);
    return text === null ? undefined : (JSON.parse(text) as Record<string, string>);
  } catch {
    return undefined;
  }
}

function write(slot: string, values: Record<string, string> | undefined): void {
  try {
    if (values === undefined) localStorage.removeItem(slot);
    else localStorage.setItem(slot, JSON.stringify(values));
  } catch {
    // A private window: the server has it a moment later.
  }
}
