// Makes descriptors.npy and labels.npy anew; the README says why the packages below are no dependencies.
//   npm install --no-save --ignore-scripts --legacy-peer-deps @vladmandic/face-api@1.7.15 @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 jpeg-js@0.4.4
//   npm run build:dist && node test/data/faces/face-api/describe.mjs
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { matrix } from 'hypersphere';
import { writeNpy } from 'hypersphere/files';

const require = createRequire(import.meta.url);
const jpeg = require('jpeg-js');
const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');
const at = dirname(require.resolve('@vladmandic/face-api/package.json'));
const { nets, tf } = faceapi;

await tf.setBackend('wasm');
for (const net of [nets.ssdMobilenetv1, nets.faceLandmark68Net, nets.faceRecognitionNet]) await net.loadFromDisk(join(at, 'model'));

const describe = (image) =>
  faceapi
    .detectAllFaces(image, new faceapi.SsdMobilenetv1Options({ minConfidence: 0.5 }))
    .withFaceLandmarks()
    .withFaceDescriptors();
const middle = ({ detection: { box } }) => [box.x + box.width / 2, box.y + box.height / 2];

// The same face in a photograph and in its mirror image: who is who is known without knowing anybody.
const rows = [];
for (let sample = 1; sample <= 6; sample++) {
  const photograph = await readFile(join(at, `demo/sample${sample}.jpg`));
  const { data, width, height } = jpeg.decode(photograph, { useTArray: true, formatAsRGBA: false });
  const image = tf.tensor3d(data, [height, width, 3], 'int32');
  const faces = await describe(image);
  const mirrored = await describe(tf.reverse(image, 1));
  for (const face of faces.sort((a, b) => middle(a)[0] - middle(b)[0])) {
    const [x, y] = middle(face);
    const reach = face.detection.box.width / 3;
    const same = mirrored.filter((other) => Math.hypot(width - middle(other)[0] - x, middle(other)[1] - y) < reach);
    if (same.length === 1) rows.push(face.descriptor, same[0].descriptor);
  }
  tf.dispose(image);
}
const out = (name) => join(import.meta.dirname, name);
await writeNpy(out('descriptors.npy'), matrix(Float32Array.from(rows.flatMap((row) => [...row])), 128));
await writeNpy(
  out('labels.npy'),
  Int32Array.from(rows, (_, i) => i >> 1),
);
console.log(`${rows.length} descriptors of ${rows.length / 2} faces`);
