// Where files come from: a place to drop them, and a button for each way to choose them.

import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { canChooseFolders, chooseFiles, chooseFolder, fromDrop, fromInput, type Brought } from "../pick";
import { count } from "../pure/words";
import type { Sending } from "../sending";

interface Props {
  sending: Sending;
  /** Something is in the list already. */
  compact: boolean;
}

export function PickBox({ sending, compact }: Props) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [reading, setReading] = useState(false);
  const folders = canChooseFolders();

  const take = async (brought: Promise<Brought | undefined>, instead?: HTMLInputElement | null) => {
    setReading(true);
    try {
      const got = await brought;
      if (got === undefined) instead?.click();
      else if (got.picks.length + got.unread.length > 0) await sending.bring(got);
    } finally {
      setReading(false);
    }
  };

  // A drop beside the box must not open the file in the place of the page.
  useLayoutEffect(() => {
    const stop = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer) void take(fromDrop(event.dataTransfer));
    };
    const enter = () => setOver(true);
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    addEventListener("dragover", stop);
    addEventListener("drop", drop);
    addEventListener("dragenter", enter);
    addEventListener("dragleave", leave);
    return () => {
      removeEventListener("dragover", stop);
      removeEventListener("drop", drop);
      removeEventListener("dragenter", enter);
      removeEventListener("dragleave", leave);
    };
  }, [sending]);

  const chosen = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    const brought = fromInput(input);
    // So that choosing the same again is heard.
    input.value = "";
    void take(Promise.resolve(brought));
  };

  const absent = sending.totals.of.absent;
  // Where nothing is missing there is nothing to go on with.
  const locked = sending.roots.locked.length > 0 && absent > 0;
  const unread = [...sending.unread];
  return (
    <>
      {locked && (
        <div class="notice go">
          <p>
            Welcome back. {`${count(absent, "file is", "files are")} still to come.`} Your browser asks
            once whether this page may read {named(sending)} again.
          </p>
          <button type="button" class="primary" onClick={() => void sending.unlock()}>
            Go on with {named(sending)}
          </button>
        </div>
      )}
      {!locked && absent > 0 && (
        <div class="notice go">
          <p>
            <strong>{count(absent, "file is", "files are")} still to come.</strong> Choose or drop{" "}
            {sourceOf(sending) ?? "the same files"} again: the upload goes on from there.
          </p>
        </div>
      )}
      <div class={`drop${compact ? " compact" : ""}${over ? " over" : ""}`}>
        {!compact && <p class="big">Drop your session folder here</p>}
        {!compact && <p class="hint">With all its sub-folders, as it lies on your disk. Large sessions are fine.</p>}
        <div class="buttons">
          {folders && (
            <button
              type="button"
              class={compact ? "" : "primary"}
              onClick={() => void take(chooseFolder(), folder.current)}
            >
              {compact ? "Add a folder" : "Choose a folder"}
            </button>
          )}
          <button type="button" onClick={() => void take(chooseFiles(), files.current)}>
            {compact ? "Add files" : "Choose files"}
          </button>
          {compact && <span class="hint">or drop them anywhere on this page</span>}
        </div>
        <input ref={files} class="heard" id="choose-files" type="file" multiple tabIndex={-1} aria-hidden="true" onChange={chosen} />
        <input
          ref={(input) => {
            folder.current = input;
            input?.setAttribute("webkitdirectory", "");
          }}
          class="heard"
          id="choose-folder"
          type="file"
          multiple
          tabIndex={-1}
          aria-hidden="true"
          onChange={chosen}
        />
        {reading && <p role="status">Reading the folder …</p>}
      </div>
      {unread.length > 0 && (
        <p class="notice bad" role="alert">
          {unread.length === 1 ? "This could not be read" : "These could not be read"} on your computer:{" "}
          {unread.slice(0, 5).join(", ")}
          {unread.length > 5 && ` and ${unread.length - 5} more`}. Check that nothing else holds them
          open, then choose them again.
        </p>
      )}
    </>
  );
}

function named(sending: Sending): string {
  const [first] = sending.roots.locked;
  return sending.roots.locked.length === 1 && first ? `“${first.name}”` : count(sending.roots.locked.length, "folder");
}

/** The folder that all missing files are in, if it is one. */
function sourceOf(sending: Sending): string | undefined {
  const folders = new Set<string>();
  for (const item of sending.items.values()) {
    if (item.stage === "absent") folders.add(item.path.includes("/") ? item.path.split("/")[0]! : "");
  }
  const [only] = folders;
  return folders.size === 1 && only ? `the folder “${only}”` : undefined;
}
