// JSON.parse takes the last of equal keys, other readers the first: a file that means two things is none.

/** A key that an object of this JSON text holds twice; the text must be valid. */
export function repeatedKey(text: string): string | undefined {
  // The keys of the objects that are open; a list has none.
  const open: (Set<string> | undefined)[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      // Written otherwise it may be the same key: "w" is "\u0077".
      const key = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
