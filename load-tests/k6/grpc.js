// Load over gRPC, found by reflection: k6 run -e ADDRESS=localhost:8001 load-tests/k6/grpc.js
// Asks `congestion` (model-repo): 60 steps of 16 numbers.
import grpc from 'k6/net/grpc';
import { check } from 'k6';

const client = new grpc.Client();
const values = JSON.parse(open('../../model-repo/congestion/example.json')).inputs[0].data.flat(Infinity);
const request = {
  model_name: 'congestion',
  inputs: [{ name: 'kpis', datatype: 'FP32', shape: [1, 60, 16], contents: { fp32_contents: values.slice(0, 960) } }],
};

export const options = {
  scenarios: { load: { executor: 'constant-vus', vus: Number(__ENV.CLIENTS || 32), duration: __ENV.DURATION || '30s' } },
  thresholds: { grpc_req_duration: ['p(50)<50', 'p(99)<250'], checks: ['rate==1'] },
};

export default function () {
  if (__ITER === 0) {
    client.connect(__ENV.ADDRESS || 'localhost:8001', { plaintext: true, reflect: true });
  }
  const answer = client.invoke('inference.GRPCInferenceService/ModelInfer', request);
  check(answer, { 'status is OK': (r) => r.status === grpc.StatusOK });
}
