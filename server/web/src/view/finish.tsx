// Submit, and what is missing before it can be done.

import { useLayoutEffect, useRef } from "preact/hooks";

import type { Missing, Page } from "../page";
import { count } from "../pure/words";

export function Finish({ page }: { page: Page }) {
  const box = useRef<HTMLDivElement>(null);
  const asked = page.asked !== undefined || page.refusal !== undefined;
  useLayoutEffect(() => {
    if (asked) box.current?.focus();
  }, [asked, page.refusal]);
  const { of, due, checked, unsealed } = page.sending.totals;
  // What is still to come will be compared by itself.
  const unchecked = unsealed > 0 && !page.sending.active ? of.here - due - checked : 0;
  const step = page.state.form.fields.length > 0 ? 3 : 2;
  return (
    <section aria-labelledby="submit">
      <h2 id="submit">
        <span class="step">{step}</span> Submit
      </h2>
      <p>
        The studio starts when you submit. Until then nobody there sees that you are done, even if every file has
        arrived.
      </p>
      {unchecked > 0 && (
        <p class="hint">
          {count(unchecked, "file that has arrived was", "files that have arrived were")} not compared with your computer. To
          be sure, choose the same files or their folder again, above: they are compared, and sent again only if they
          differ. You can submit without.
        </p>
      )}
      {asked && (
        <div class="notice bad" ref={box} tabIndex={-1} role="alert">
          {page.refusal !== undefined && (
            <p>
              <strong>Not submitted yet.</strong> {page.refusal}
            </p>
          )}
          {page.asked && <StillMissing page={page} missing={page.asked} />}
        </div>
      )}
      <button
        type="button"
        class="primary wide"
        aria-disabled={page.submitting !== undefined}
        onClick={() => void page.submit()}
      >
        {said(page)}
      </button>
      {page.submitting === "comparing" && due > 0 && (
        <button type="button" class="link" onClick={() => page.hurry()}>
          Submit without comparing the rest
        </button>
      )}
    </section>
  );
}

function said(page: Page): string {
  const { due } = page.sending.totals;
  if (page.submitting === undefined) return "Submit to the studio";
  if (page.submitting === "sealing" || due === 0) return "Submitting …";
  return `Comparing ${count(due, "file")} with your computer, then submitting …`;
}

function StillMissing({ page, missing }: { page: Page; missing: Missing }) {
  const { fields, files, nothing } = missing;
  const decide = files.filter((item) => item.stage === "refused" || item.stage === "failed").length;
  const absent = files.filter((item) => item.stage === "absent").length;
  const coming = files.length - decide - absent;
  // Not while some are on their way: they only need time.
  const without = files.length > 0 && coming === 0 && page.isNew;
  return (
    <>
      <p>
        <strong>Not submitted yet.</strong> Still missing:
      </p>
      <ul>
        {nothing && files.length === 0 && (
          <li>
            {page.session
              ? "a change: add a mended or a new file, or leave one out. Nothing has changed since you last submitted"
              : "your files: choose them above"}
          </li>
        )}
        {coming > 0 && <li>{count(coming, "file")} still on the way: wait until everything has arrived</li>}
        {absent > 0 && <li>{count(absent, "file")} to be chosen again, above</li>}
        {decide > 0 && <li>your decision on {count(decide, "file")} that would come back, above</li>}
        {fields.map((field) => (
          <li key={field.name}>
            <a
              href={`#field-${field.name}`}
              onClick={(event) => {
                event.preventDefault();
                document.getElementById(`field-${field.name}`)?.focus();
              }}
            >
              {field.label}
            </a>
          </li>
        ))}
      </ul>
      {without && (
        <button type="button" onClick={() => void page.submit(true)}>
          Submit without {files.length === 1 ? "this file" : `these ${files.length.toLocaleString("en")} files`}
        </button>
      )}
    </>
  );
}
