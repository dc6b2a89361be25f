// REST with everything in JSON.
import http from 'k6/http';
import { example, model } from './example.js';
import { outcome } from './outcome.js';

const url = `http://${__ENV.REST || 'localhost:8000'}/v2/models/${model}/infer`;
const body = JSON.stringify({ inputs: example.inputs });
const headers = { 'Content-Type': 'application/json' };

export function infer() {
  const response = http.post(url, body, { headers });
  const answer = { outcome: outcome(response.status), took: response.timings.duration };
  if (answer.outcome === 'answered') {
    const json = response.json();
    answer.version = json.model_version;
    answer.numbers = json.outputs[0].data;
  }
  return answer;
}
