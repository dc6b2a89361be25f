// The example that all protocols ask, and what each version answers: one cell, 60 steps of 16 numbers.
const folder = '../../../model-repo/congestion';
const read = (name) => JSON.parse(open(`${folder}/${name}`));

export const model = 'congestion';
export const example = read('example.json');
export const values = new Float32Array(example.inputs[0].data.flat(Infinity));
export const shape = example.inputs[0].shape;
export const expected = {
  1: read('expected-version-1.json').outputs[0].data.flat(Infinity),
  2: read('expected.json').outputs[0].data.flat(Infinity),
};

// Batches add up in another order, which may change the last digits.
export function near(numbers, known) {
  return (
    numbers !== undefined &&
    known !== undefined &&
    numbers.length === known.length &&
    known.every((number, at) => Math.abs(number - numbers[at]) <= 1e-4)
  );
}
