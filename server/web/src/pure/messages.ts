// What the page says, in the language of its document: the messages of the server, which chose the
// language by what the browser asks for.

import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";

import en from "../../../messages/en/upload.ftl?raw";
import fr from "../../../messages/fr/upload.ftl?raw";

const SOURCES = { en, fr };

type Language = keyof typeof SOURCES;
type Facts = Record<string, FluentVariable>;

/** The messages of a language. */
export function messages(language: Language): FluentBundle {
  // Nothing is written from right to left here, and marks of direction would be copied along.
  const made = new FluentBundle(language, { useIsolating: false });
  made.addResource(new FluentResource(SOURCES[language]));
  return made;
}

export const language: Language = globalThis.document?.documentElement.lang === "fr" ? "fr" : "en";
const spoken = messages(language);

/** A message in this language. */
export function say(id: string, facts: Facts = {}): string {
  const pattern = spoken.getMessage(id)?.value;
  if (!pattern) throw new Error(`there is no message ${id}`);
  return spoken.formatPattern(pattern, facts);
}

const MARK = "\u0001";

/** A message with elements in the places of some of its facts: its parts, in order. */
export function parts<T>(id: string, elements: Record<string, T>, facts: Facts = {}): (string | T)[] {
  const marked = Object.fromEntries(Object.keys(elements).map((name) => [name, MARK + name + MARK]));
  return say(id, { ...facts, ...marked })
    .split(MARK)
    .map((part, n) => (n % 2 === 1 ? elements[part]! : part));
}
