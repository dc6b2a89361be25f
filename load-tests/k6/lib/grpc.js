// gRPC with our own definition of the protocol.
import grpc from 'k6/net/grpc';
import encoding from 'k6/encoding';
import { model, shape, values } from './example.js';

const client = new grpc.Client();
// Relative to load.js, unlike imports and open().
client.load(['../../proto/girandole'], 'oip.proto');

const request = {
  model_name: model,
  inputs: [{ name: 'kpis', datatype: 'FP32', shape }],
  raw_input_contents: [encoding.b64encode(values.buffer)],
};
let connected = false;

export function infer() {
  if (!connected) {
    client.connect(__ENV.GRPC || 'localhost:8001', { plaintext: true });
    connected = true;
  }
  const begin = Date.now();
  // k6 tells no time of a single call, and its clock counts milliseconds.
  const response = client.invoke('inference.GRPCInferenceService/ModelInfer', request);
  const took = Date.now() - begin;
  if (response.status === grpc.StatusOK) {
    const raw = encoding.b64decode(response.message.rawOutputContents[0]);
    const numbers = Array.from(new Float32Array(raw));
    return { outcome: 'answered', took, version: response.message.modelVersion, numbers };
  }
  return { outcome: response.status === grpc.StatusResourceExhausted ? 'refused' : 'failed', took };
}
