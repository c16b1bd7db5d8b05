// What this browser remembers of an upload while it is closed: the list of files, and the handles
// of what was picked where the browser has such. Nothing of it is needed: without it the server's
// list says what is missing, and the person picks the folder again.

import type { Root } from "./pick";

/** A file as it is remembered. */
export interface KeptItem {
  path: string;
  size: number;
  modified: string;
  /** Decided by the person: send although refused, or leave out. */
  insist?: boolean;
  left?: boolean;
}

/** All that is remembered of one link. */
export interface Kept {
  items: KeptItem[];
  roots: Root[];
}

/** One entry a link; and one a copy of a small file, under [link, file]. */
type Store = "uploads" | "copies";

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("stemvault", 2);
    asked.onupgradeneeded = () => {
      for (const name of ["uploads", "copies"] satisfies Store[]) {
        if (!asked.result.objectStoreNames.contains(name)) asked.result.createObjectStore(name);
      }
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** Does something in one of the stores, whole or not at all; nothing where it cannot be done. */
export async function work<T>(
  name: Store,
  mode: IDBTransactionMode,
  ask: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  try {
    const database = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(name, mode);
        const asked = ask(transaction.objectStore(name));
        transaction.oncomplete = () => resolve(asked.result);
        transaction.onabort = transaction.onerror = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  } catch {
    // A private window, a full disk: the page works without a memory.
    return undefined;
  }
}

/** Remembers per link; the link itself, a secret, is not written down. */
export class Memory {
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** How long writing took last, in milliseconds: a long list is written more rarely. */
  private took = 0;

  private constructor(readonly key: string) {}

  static async of(link: string): Promise<Memory> {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(link));
    const bytes = Array.from(new Uint8Array(digest).slice(0, 12));
    return new Memory(bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(""));
  }

  async load(): Promise<Kept> {
    const kept = await work<Kept | undefined>("uploads", "readonly", (store) => store.get(this.key));
    return kept ?? { items: [], roots: [] };
  }

  /** Writes soon; of several calls the last one. */
  save(what: () => Kept): void {
    this.timer ??= setTimeout(() => this.write(what), Math.max(300, 20 * this.took));
  }

  /** Writes at once: the person has decided something, and may leave the page. */
  write(what: () => Kept): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const began = performance.now();
    const kept = what();
    void work("uploads", "readwrite", (store) => store.put(kept, this.key)).then(() => {
      this.took = performance.now() - began;
    });
  }
}

const CAP = "stemvault.request-cap";
const CAP_DAYS = 7;

/** What a proxy on the way to this server was found to let through, if that is not long ago. */
export function keptCap(): number | undefined {
  try {
    const { bytes, at } = JSON.parse(localStorage.getItem(CAP) ?? "{}") as { bytes?: number; at?: number };
    return bytes && at && Date.now() - at < CAP_DAYS * 86_400_000 ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Remembers it. */
export function keepCap(bytes: number): void {
  try {
    localStorage.setItem(CAP, JSON.stringify({ bytes, at: Date.now() }));
  } catch {
    // Found out again next time.
  }
}
