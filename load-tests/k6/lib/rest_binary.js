// REST with tensors behind the JSON, as they lie in memory (little-endian).
import http from 'k6/http';
import { model, shape, values } from './example.js';
import { outcome } from './outcome.js';

const url = `http://${__ENV.REST || 'localhost:8000'}/v2/models/${model}/infer`;
const LENGTH = 'Inference-Header-Content-Length';
const head = JSON.stringify({
  parameters: { binary_data_output: true },
  inputs: [{ name: 'kpis', datatype: 'FP32', shape, parameters: { binary_data_size: values.byteLength } }],
});
const body = new Uint8Array(head.length + values.byteLength);
for (let at = 0; at < head.length; at += 1) {
  body[at] = head.charCodeAt(at);
}
body.set(new Uint8Array(values.buffer), head.length);
const headers = { 'Content-Type': 'application/octet-stream', [LENGTH]: String(head.length) };

export function infer() {
  const response = http.post(url, body.buffer, { headers, responseType: 'binary' });
  const answer = { outcome: outcome(response.status), took: response.timings.duration };
  if (answer.outcome === 'answered') {
    const length = Number(response.headers[LENGTH]);
    const text = String.fromCharCode.apply(null, new Uint8Array(response.body, 0, length));
    answer.version = JSON.parse(text).model_version;
    // A copy, since floats must lie at a multiple of four.
    answer.numbers = Array.from(new Float32Array(response.body.slice(length)));
  }
  return answer;
}
