// Load over REST: k6 run -e URL=http://localhost:8000 -e BODY=model-repo/churn/example.json -e MODEL=churn load-tests/k6/rest.js
import http from 'k6/http';
import { check } from 'k6';

const url = __ENV.URL || 'http://localhost:8000';
const model = __ENV.MODEL || 'churn';
const body = open(__ENV.BODY ? `../../${__ENV.BODY}` : '../../model-repo/churn/example.json');

export const options = {
  scenarios: { load: { executor: 'constant-vus', vus: Number(__ENV.CLIENTS || 32), duration: __ENV.DURATION || '30s' } },
  thresholds: {
    http_req_failed: ['rate==0'],
    http_req_duration: ['p(50)<50', 'p(99)<250'],
    checks: ['rate==1'],
  },
};

export default function () {
  const answer = http.post(`${url}/v2/models/${model}/infer`, body, { headers: { 'Content-Type': 'application/json' } });
  check(answer, {
    'status is 200': (r) => r.status === 200,
    'the model answered': (r) => r.json('model_name') === model && r.json('outputs.#') > 0,
  });
}
