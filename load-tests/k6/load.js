// Load on a running server of model-repo: one scenario over one protocol. run.py starts server and k6 and writes a
// report; by hand:
//   k6 run -e SCENARIO=ramp -e PROTOCOL=grpc -e GRPC=localhost:8001 load-tests/k6/load.js
// Every answer is checked against model-repo's own.
import { Counter, Trend } from 'k6/metrics';
import { check } from 'k6';
import { expected, near } from './lib/example.js';
import { scenario } from './lib/scenarios.js';
import * as restJson from './lib/rest_json.js';
import * as restBinary from './lib/rest_binary.js';
import * as grpc from './lib/grpc.js';

const protocols = { 'rest-json': restJson, 'rest-binary': restBinary, grpc };
const protocol = protocols[__ENV.PROTOCOL || 'rest-json'];
if (!protocol) {
  throw new Error(`PROTOCOL must be one of ${Object.keys(protocols).join(', ')}, got '${__ENV.PROTOCOL}'`);
}

export const options = scenario(__ENV);

const latency = new Trend('latency', true);
const answers = new Counter('answers');

// Answers are { outcome: answered | refused | failed, version, numbers }.
export default function () {
  const begin = Date.now();
  const answer = protocol.infer();
  const took = answer.took === undefined ? Date.now() - begin : answer.took;
  const tags = { outcome: answer.outcome, version: answer.version || '' };
  latency.add(took, tags);
  answers.add(1, tags);
  check(answer, {
    'answered, or refused where that is right': (a) =>
      a.outcome === 'answered' || (a.outcome === 'refused' && __ENV.SCENARIO === 'spike'),
    'the numbers are those of the version': (a) => a.outcome !== 'answered' || near(a.numbers, expected[a.version]),
  });
}
