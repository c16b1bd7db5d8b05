// Submit, and what is missing before it can be done.

import { useLayoutEffect, useRef } from "preact/hooks";

import type { Missing, Page } from "../page";
import { say } from "../pure/messages";

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
        <span class="step">{step}</span> {say("submit-heading")}
      </h2>
      <p>{say("submit-text")}</p>
      {unchecked > 0 && <p class="hint">{say("submit-unchecked", { n: unchecked })}</p>}
      {asked && (
        <div class="notice bad" ref={box} tabIndex={-1} role="alert">
          {page.refusal !== undefined && (
            <p>
              <strong>{say("not-submitted")}</strong> {page.refusal}
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
          {say("submit-hurry")}
        </button>
      )}
    </section>
  );
}

function said(page: Page): string {
  const { due } = page.sending.totals;
  if (page.submitting === undefined) return say("submit");
  if (page.submitting === "sealing" || due === 0) return say("submitting");
  return say("comparing", { n: due });
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
        <strong>{say("not-submitted")}</strong> {say("still-missing")}
      </p>
      <ul>
        {nothing && files.length === 0 && (
          <li>{page.session ? say("missing-change") : say("missing-files")}</li>
        )}
        {coming > 0 && <li>{say("missing-coming", { n: coming })}</li>}
        {absent > 0 && <li>{say("missing-absent", { n: absent })}</li>}
        {decide > 0 && <li>{say("missing-decide", { n: decide })}</li>}
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
          {say("submit-without", { n: files.length })}
        </button>
      )}
    </>
  );
}
