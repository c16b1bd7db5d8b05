// What stands on the page before there is anything to do.

export function Before({ text }: { text: string }) {
  return (
    <p class="notice" role="status">
      {text}
    </p>
  );
}
