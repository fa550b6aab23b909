// Which pictures of a font are characters. Its character map claims more than it draws: an empty outline, or the one box for all it lacks.

/** Less ink than three black pixels is no character. */
const leastInk = 3 * 255;
/** Two characters may look alike at this size; more of them alike are the box. */
const mostAlike = 2;

const inkOf = (picture) => picture.reduce((sum, value) => sum + value, 0);

/**
 * What is wrong with each picture of one font, undefined where nothing is.
 * @param {readonly Uint8Array[]} pictures ink, 0 to 255
 * @returns {('blank' | 'boxed' | undefined)[]}
 */
export function faults(pictures) {
  const counts = new Map();
  const keys = pictures.map((picture) => Buffer.from(picture).toString('latin1'));
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return pictures.map((picture, i) => {
    if (inkOf(picture) < leastInk) return 'blank';
    return counts.get(keys[i]) > mostAlike ? 'boxed' : undefined;
  });
}

/** Mean over the pictures that both fonts have of their correlation, pixel by pixel. */
export function likeness(one, other) {
  let [sum, count] = [0, 0];
  one.forEach((picture, i) => {
    if (!picture || !other[i]) return;
    sum += correlation(picture, other[i]);
    count++;
  });
  return count > 0 ? sum / count : 0;
}

function correlation(a, b) {
  const [meanA, meanB] = [inkOf(a) / a.length, inkOf(b) / b.length];
  let [ab, aa, bb] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k] - meanA, b[k] - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}
