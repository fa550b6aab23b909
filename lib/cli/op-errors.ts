// How far one result is from another.

/** Largest magnitude. */
export const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Largest difference of two elements. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const [left, right] = [a[i] as number, b[i] as number];
    if (Object.is(left, right) || left === right) continue;
    const difference = Math.abs(left - right);
    // A NaN or an infinity on one side alone is as far as can be.
    most = Math.max(most, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
  return most;
}

/** The unit in the last place of a float32 of this size. */
export const unitOf = (value: number): number => 2 ** (Math.floor(Math.log2(Math.max(value, 2 ** -126))) - 23);
