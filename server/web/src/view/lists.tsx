// The files: what needs the person first, then what is worth knowing, then everything.

import { useState } from "preact/hooks";

import type { Finding } from "../api";
import { finding } from "../findings";
import type { Item } from "../items";
import type { Page } from "../page";
import { language, say } from "../pure/messages";
import { percent, sentence, size, split } from "../pure/words";
import type { Sending } from "../sending";

/** A long list is drawn in parts: 5,000 rows would slow a phone down. */
const PART = 100;
/** Bytes from which a file under way has a row of its own. */
const LARGE = 8_000_000;

export function Attention({ page }: { page: Page }) {
  const { sending } = page;
  const all = [...sending.items.values()];
  const refused = all.filter((item) => item.stage === "refused");
  const failed = all.filter((item) => item.stage === "failed");
  const warned = all.filter((item) => !["refused", "leaving", "left"].includes(item.stage) && item.findings.length > 0);
  const lost = all.filter((item) => item.stage === "absent" && item.note !== undefined);
  const noted = all.filter((item) => item.note !== undefined && !["left", "failed", "absent"].includes(item.stage));
  const junk = all.filter((item) => item.stage === "left" && item.junk);
  const { out } = sending.leaving;
  const isComing = (key: string) => !["here", "leaving", "left"].includes(sending.items.get(key)?.stage ?? "left");
  return (
    <>
      {refused.length > 0 && (
        <section class="card attention" aria-labelledby="refused">
          <h3 id="refused">{say("refused-heading", { n: refused.length })}</h3>
          <p class="hint">{say("refused-hint")}</p>
          <Rows items={refused}>
            {(item) => (
              <>
                <Findings item={item} />
                <div class="buttons">
                  <button type="button" class="small" onClick={() => sending.insist(item)}>
                    {say("send-anyway")}<span class="heard"> {item.path}</span>
                  </button>
                  <button type="button" class="small" onClick={() => void sending.leave([item])}>
                    {say("leave-it-out")}<span class="heard"> {item.path}</span>
                  </button>
                </div>
              </>
            )}
          </Rows>
        </section>
      )}
      {failed.length > 0 && (
        <section class="card attention" aria-labelledby="failed">
          <h3 id="failed">{say("failed-heading", { n: failed.length })}</h3>
          <Rows items={failed}>
            {(item) => (
              <>
                <p>{item.note}</p>
                <div class="buttons">
                  <button type="button" class="small" onClick={() => sending.again(item)}>
                    {say("try-again")}<span class="heard"> {item.path}</span>
                  </button>
                  <button type="button" class="small" onClick={() => void sending.leave([item])}>
                    {say("leave-it-out")}<span class="heard"> {item.path}</span>
                  </button>
                </div>
              </>
            )}
          </Rows>
        </section>
      )}
      {lost.length > 0 && (
        <section class="card attention" aria-labelledby="lost">
          <h3 id="lost">{say("lost-heading", { n: lost.length })}</h3>
          <p class="hint">{say("lost-hint")}</p>
          <Rows items={lost}>
            {(item) => (
              <>
                <p>{item.note}</p>
                <div class="buttons">
                  <button type="button" class="small" onClick={() => void sending.leave([item])}>
                    {say("leave-it-out")}<span class="heard"> {item.path}</span>
                  </button>
                </div>
              </>
            )}
          </Rows>
        </section>
      )}
      {sending.findings.shown(isComing).map((finding) => (
        <div class="notice" key={finding.rule + finding.message}>
          <p>
            <strong>{finding.severity === "refuse" ? say("would-come-back") : say("worth-a-look")}</strong>{" "}
            <Found finding={finding} />
          </p>
          {finding.files && finding.files.length > 1 && (
            <details>
              <summary>{say("files", { n: finding.files.length })}</summary>
              <ul class="plain">
                {finding.files.slice(0, PART).map((file) => (
                  <li key={file}>{file}</li>
                ))}
              </ul>
            </details>
          )}
        </div>
      ))}
      {warned.length > 0 && (
        <details class="card">
          <summary>{say("warned", { n: warned.length })}</summary>
          <Rows items={warned}>{(item) => <Findings item={item} />}</Rows>
        </details>
      )}
      {noted.length > 0 && (
        <details class="card">
          <summary>{say("noted", { n: noted.length })}</summary>
          <Rows items={noted}>{(item) => <p>{item.note}</p>}</Rows>
        </details>
      )}
      {out.length > 0 && (
        <details class="card">
          <summary>{say("out", { n: out.length })}</summary>
          <Rows items={out}>
            {(item) => (
              <button type="button" class="link" onClick={() => sending.include(item)}>
                {say("send-after-all")}<span class="heard"> {item.path}</span>
              </button>
            )}
          </Rows>
        </details>
      )}
      {junk.length > 0 && (
        <details class="card">
          <summary>{say("junk", { n: junk.length })}</summary>
          <Rows items={junk}>{(item) => <p>{item.note}</p>}</Rows>
        </details>
      )}
    </>
  );
}

/** What a check found; where the page speaks another language, the studio's own words as well. */
export function Found({ finding: found }: { finding: Finding }) {
  return (
    <>
      {sentence(finding(found))}
      {language !== "en" && (
        <span class="hint" lang="en">
          {" "}
          {sentence(found.message)}
        </span>
      )}
    </>
  );
}

function Findings({ item }: { item: Item }) {
  return (
    <>
      {item.findings.map((finding) => (
        <p key={finding.rule + finding.message}>
          <Found finding={finding} />
        </p>
      ))}
    </>
  );
}

const ORDER = { sending: 0, queued: 1, looking: 1, absent: 2, refused: 3, failed: 3, leaving: 3, here: 4, left: 5 };

export function Everything({ page }: { page: Page }) {
  const { sending } = page;
  const returned = page.session?.review.state === "returned";
  const [open, setOpen] = useState(false);
  const items = open ? [...sending.items.values()].sort((one, two) => ORDER[one.stage] - ORDER[two.stage]) : [];
  return (
    <details class="card" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{say("all-files", { n: sending.items.size })}</summary>
        {open && (
          <Rows items={items}>
            {(item) => (
              <>
                {item.stage === "sending" ? <Bar item={item} /> : <p class="hint">{stands(item, sending)}</p>}
                {(!item.sealed || returned) && item.stage !== "left" && item.stage !== "leaving" && (
                  <button type="button" class="link" onClick={() => void sending.leave([item])}>
                    {item.stage === "here" && !item.sealed ? say("take-back") : say("leave-out")}
                    <span class="heard"> {item.path}</span>
                  </button>
                )}
              </>
            )}
          </Rows>
        )}
      </details>
  );
}

/** The large files under way; small ones come and go too fast to be read. */
export function UnderWay({ sending }: { sending: Sending }) {
  const going = [...sending.items.values()].filter((item) => item.stage === "sending" && item.size >= LARGE);
  if (going.length === 0) return null;
  return <Rows items={going.slice(0, 8)}>{(item) => <Bar item={item} />}</Rows>;
}

function Bar({ item }: { item: Item }) {
  const done = percent(item.acknowledged, item.size);
  return (
    <div class="bar">
      <progress max={100} value={done} aria-label={say("arrived-of", { path: item.path })} />
      <span class="hint">{say("percent", { n: done })}</span>
    </div>
  );
}

function stands(item: Item, sending: Sending): string {
  const part = (then: string) =>
    item.acknowledged > 0 ? say("part-arrived", { n: percent(item.acknowledged, item.size), then }) : then;
  switch (item.stage) {
    case "here":
      return checked(item, item.sealed ? say("is-submitted") : say("is-arrived"));
    case "looking":
      return say("is-looked-at");
    case "queued":
      return part(sending.paused ? say("is-paused") : item.tries > 0 ? say("is-trying") : say("is-waiting"));
    case "absent":
      return part(say("is-absent"));
    case "refused":
      return say("is-refused");
    case "failed":
      return say("is-failed");
    case "leaving":
      return say("is-leaving");
    case "left":
      return item.note ?? say("is-left");
    case "sending":
      return "";
  }
}

function checked(item: Item, stands: string): string {
  switch (item.check) {
    case "same":
      return say("checked-same", { stands });
    case "due":
      return say("checked-due", { stands });
    case "unable":
      return say("checked-unable", { stands });
    case undefined:
      return stands;
  }
}

interface RowsProps {
  items: Item[];
  children: (item: Item) => preact.ComponentChildren;
}

function Rows({ items, children }: RowsProps) {
  const [most, setMost] = useState(PART);
  return (
    <>
      <ul class="rows">
        {items.slice(0, most).map((item) => {
          const { folder, name } = split(item.path);
          return (
            <li key={item.key}>
              <p class="name">
                {folder && <span class="folder">{folder}</span>}
                <span class="file">{name}</span>
                <span class="size">{size(item.size)}</span>
              </p>
              {children(item)}
            </li>
          );
        })}
      </ul>
      {items.length > most && (
        <button type="button" class="link" onClick={() => setMost(most + 5 * PART)}>
          {say("show-more", { n: items.length })}
        </button>
      )}
    </>
  );
}
