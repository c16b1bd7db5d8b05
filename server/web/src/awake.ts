// Keeps the machine awake while bytes flow, asks before the page is left too early, and sees to it
// that one tab uploads: two would interrupt each other.

/** The screen stays on while `on`; a laptop that dims soon sleeps. */
export class Awake {
  private wanted = false;
  private lock: WakeLockSentinel | undefined;

  constructor() {
    // The browser takes the lock away from a page that is not seen.
    document.addEventListener("visibilitychange", () => void this.take());
  }

  set(on: boolean): void {
    if (on === this.wanted) return;
    this.wanted = on;
    if (on) void this.take();
    else void this.lock?.release().catch(() => {});
  }

  private async take(): Promise<void> {
    if (!this.wanted || document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    try {
      const lock = await navigator.wakeLock.request("screen");
      this.lock = lock;
      if (!this.wanted) await lock.release();
    } catch {
      // Low battery, or not allowed: the upload goes on without it.
    }
  }
}

/** Asks before leaving as long as `reason` gives one. */
export function askBeforeLeaving(reason: () => boolean): void {
  addEventListener("beforeunload", (event) => {
    if (reason()) event.preventDefault();
  });
}

/** Resolves when this tab is the one that uploads; `busy` is called if another one is, for now. */
export function onlyTab(name: string, busy: () => void): Promise<void> {
  if (!("locks" in navigator)) return Promise.resolve();
  return new Promise((resolve) => {
    // Held until the tab is closed.
    const hold = () => {
      resolve();
      return new Promise<never>(() => {});
    };
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock !== null) return hold();
      busy();
      void navigator.locks.request(name, hold);
      return undefined;
    });
  });
}
