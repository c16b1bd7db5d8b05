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

const STORE = "uploads";

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("stemvault", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function work<T>(
  mode: IDBTransactionMode,
  ask: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  try {
    const database = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode);
        const asked = ask(transaction.objectStore(STORE));
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

  private constructor(readonly key: string) {}

  static async of(link: string): Promise<Memory> {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(link));
    const bytes = Array.from(new Uint8Array(digest).slice(0, 12));
    return new Memory(bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(""));
  }

  async load(): Promise<Kept> {
    const kept = await work<Kept | undefined>("readonly", (store) => store.get(this.key));
    return kept ?? { items: [], roots: [] };
  }

  /** Writes soon; of several calls the last one. */
  save(what: () => Kept): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const kept = what();
      void work("readwrite", (store) => store.put(kept, this.key));
    }, 300);
  }
}

/**
 * Whether Golden Retriever has something of this name: it says when it has restored, and says
 * nothing when there is nothing to restore.
 */
export async function hasCopies(name: string): Promise<boolean> {
  try {
    const known = await indexedDB.databases();
    if (!known.some((database) => database.name === "uppy-blobs")) return false;
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const asked = indexedDB.open("uppy-blobs");
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    const record = await new Promise<{ expires: number } | undefined>((resolve, reject) => {
      const asked = database.transaction("metadata").objectStore("metadata").get(name);
      asked.onsuccess = () => resolve(asked.result as { expires: number } | undefined);
      asked.onerror = () => reject(asked.error);
    });
    database.close();
    return record !== undefined && record.expires > Date.now();
  } catch {
    return false;
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
