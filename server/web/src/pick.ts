// Files and folders from wherever a browser gives them: two inputs, the pickers of the File System
// Access API, a drop. Paths keep their folders, the dropped folder's own name included.

/** A file that was picked, or found in a folder that was. */
export interface Picked {
  path: string;
  file: File;
  /** Opens it again, as it is then; absent where the browser cannot. */
  again?: () => Promise<File>;
  /** It is a copy that the browser kept, not the file itself. */
  copy?: boolean;
}

/** A file or folder that the browser lets us open again after a restart. */
export type Root = FileSystemFileHandle | FileSystemDirectoryHandle;

/** What one drop or choice brought. */
export interface Brought {
  picks: Picked[];
  /** Empty where the browser has no handles. */
  roots: Root[];
  /** What could not be read, by path. */
  unread: string[];
}

declare global {
  interface Window {
    showDirectoryPicker?: (options?: object) => Promise<FileSystemDirectoryHandle>;
    showOpenFilePicker?: (options?: object) => Promise<FileSystemFileHandle[]>;
  }
  interface DataTransferItem {
    getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>;
  }
  interface FileSystemHandle {
    queryPermission?: (options?: object) => Promise<PermissionState>;
    requestPermission?: (options?: object) => Promise<PermissionState>;
  }
}

/** Files of a folder that are opened at once: one after another takes long where there are thousands. */
const AT_ONCE = 64;

const nothing = (): Brought => ({ picks: [], roots: [], unread: [] });

/** Whether folders can be chosen at all; phones may not be able to. */
export function canChooseFolders(): boolean {
  return window.showDirectoryPicker !== undefined || "webkitdirectory" in document.createElement("input");
}

/** Asks for a folder with the browser's own picker; nothing if the person changes their mind. */
export async function chooseFolder(): Promise<Brought | undefined> {
  if (window.showDirectoryPicker === undefined) return undefined;
  return chosen(async () => [await window.showDirectoryPicker!({ id: "session", mode: "read" })]);
}

/** Asks for files, likewise. */
export async function chooseFiles(): Promise<Brought | undefined> {
  if (window.showOpenFilePicker === undefined) return undefined;
  return chosen(() => window.showOpenFilePicker!({ id: "session", multiple: true }));
}

async function chosen(ask: () => Promise<Root[]>): Promise<Brought | undefined> {
  try {
    return await walk(await ask());
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return nothing();
    // Some browsers have the picker and do not let us use it: the input is still there.
    return undefined;
  }
}

/** Files of an input, with or without folders. */
export function fromInput(input: HTMLInputElement): Brought {
  const picks = Array.from(input.files ?? [], (file) => ({
    path: file.webkitRelativePath || file.name,
    file,
  }));
  return { ...nothing(), picks };
}

/**
 * What was dropped. Reads the transfer before it returns: it is empty as soon as the event is over.
 */
export function fromDrop(transfer: DataTransfer): Promise<Brought> {
  const items = Array.from(transfer.items).filter((item) => item.kind === "file");
  const files = Array.from(transfer.files, (file) => ({ path: file.name, file }));
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const handles = items.map((item) => item.getAsFileSystemHandle?.().catch(() => null));
  return (async () => {
    const roots = (await Promise.all(handles)).filter((root): root is Root => root != null);
    if (roots.length === items.length && roots.length > 0) return walk(roots);
    if (entries.some((entry) => entry?.isDirectory)) {
      const brought = nothing();
      for (const entry of entries) if (entry) await climb(entry, "", brought);
      return brought;
    }
    return { ...nothing(), picks: files };
  })();
}

/** Whether a stored root may be read: at once, after a click, or never again. */
export async function permission(root: Root, ask: boolean): Promise<PermissionState> {
  const mode = { mode: "read" };
  try {
    const state = (await root.queryPermission?.(mode)) ?? "granted";
    if (state !== "prompt" || !ask) return state;
    return (await root.requestPermission?.(mode)) ?? "denied";
  } catch {
    return "denied";
  }
}

/** Everything in these files and folders. */
export async function walk(roots: Root[]): Promise<Brought> {
  const brought: Brought = { ...nothing(), roots };
  for (const root of roots) await into(root, "", brought);
  return brought;
}

async function into(handle: Root, before: string, brought: Brought): Promise<void> {
  const path = before + handle.name;
  try {
    if (handle.kind === "file") {
      brought.picks.push({ path, file: await handle.getFile(), again: () => handle.getFile() });
      return;
    }
    const files: Root[] = [];
    const folders: Root[] = [];
    for await (const inner of handle.values()) (inner.kind === "file" ? files : folders).push(inner as Root);
    for (let at = 0; at < files.length; at += AT_ONCE) {
      await Promise.all(files.slice(at, at + AT_ONCE).map((file) => into(file, `${path}/`, brought)));
    }
    for (const folder of folders) await into(folder, `${path}/`, brought);
  } catch {
    brought.unread.push(path);
  }
}

/** The older way into dropped folders; a folder is read in parts of a hundred. */
async function climb(entry: FileSystemEntry, before: string, brought: Brought): Promise<void> {
  const path = before + entry.name;
  try {
    if (entry.isFile) {
      const again = () =>
        new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      brought.picks.push({ path, file: await again(), again });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
        reader.readEntries(resolve, reject),
      );
      if (part.length === 0) return;
      await Promise.all(part.filter((inner) => inner.isFile).map((file) => climb(file, `${path}/`, brought)));
      for (const inner of part) if (inner.isDirectory) await climb(inner, `${path}/`, brought);
    }
  } catch {
    brought.unread.push(path);
  }
}

/** What was picked, a hundred files at a time; in between the page answers. */
export async function* parts({ picks, roots, unread }: Brought): AsyncGenerator<Brought> {
  for (let at = 0; at === 0 || at < picks.length; at += 100) {
    yield { picks: picks.slice(at, at + 100), roots, unread };
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Whether a file is another one than it was when it was picked; browsers refuse to read it then. */
export async function hasChanged(file: File): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return false;
  } catch (error) {
    // One that was moved or taken out is another thing: what was read of it was right.
    return error instanceof DOMException && error.name === "NotReadableError";
  }
}

/** Whether a file of so many bytes can still be read as it was when it was picked, up to its end. */
export async function readable(file: File, size: number): Promise<boolean> {
  try {
    const last = await file.slice(Math.max(0, size - 1), size).arrayBuffer();
    return last.byteLength === Math.min(1, size);
  } catch {
    return false;
  }
}
