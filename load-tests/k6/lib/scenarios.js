// When how much is asked. Each scenario is one function of the environment: RATE (requests a second), CLIENTS,
// DURATION (seconds).
const strict = { checks: ['rate==1'], 'answers{outcome:failed}': ['count==0'] };
const quick = { 'latency{outcome:answered}': ['p(50)<50', 'p(99)<250'] };

const seconds = (count) => `${Math.max(1, Math.round(count))}s`;

const arrivals = (rate, duration) => ({
  executor: 'constant-arrival-rate',
  rate,
  timeUnit: '1s',
  duration: seconds(duration),
  preAllocatedVUs: 32,
  maxVUs: 512,
});

const scenarios = {
  // Does it work at all? Runs with the tests, on machines that are busy otherwise, so times do not matter.
  smoke: ({ duration }) => ({
    executor: { executor: 'constant-vus', vus: 2, duration: seconds(duration || 2) },
    thresholds: strict,
  }),
  // How do latencies grow with the clients?
  ramp: ({ clients, duration }) => ({
    executor: {
      executor: 'ramping-vus',
      startVUs: 1,
      stages: [
        { duration: seconds((duration || 60) * 0.8), target: clients || 64 },
        { duration: seconds((duration || 60) * 0.2), target: clients || 64 },
      ],
    },
    thresholds: { ...strict, ...quick },
  }),
  // Is a rate held, whatever single answers take?
  rate: ({ rate, duration }) => ({
    executor: arrivals(rate || 200, duration || 30),
    thresholds: { ...strict, ...quick, dropped_iterations: ['count==0'] },
  }),
  // A tenfold rate for a fifth of the time: refusals are right, failures are not, and afterwards all is as before.
  spike: ({ rate, duration }) => ({
    executor: {
      executor: 'ramping-arrival-rate',
      startRate: rate || 100,
      timeUnit: '1s',
      preAllocatedVUs: 64,
      maxVUs: 1024,
      stages: [0.4, 0, 0.2, 0, 0.4].map((share, at) => ({
        duration: share === 0 ? '1s' : seconds((duration || 30) * share),
        target: (rate || 100) * (at === 1 || at === 2 ? 10 : 1),
      })),
    },
    thresholds: strict,
  }),
  // Does anything grow? soak.py asks more, with bad clients and reloads.
  soak: ({ rate, duration }) => ({
    executor: arrivals(rate || 100, duration || 1800),
    thresholds: { ...strict, ...quick },
  }),
  // How does version 2 compare with version 1, as the traffic is split?
  canary: ({ rate, duration }) => ({
    executor: arrivals(rate || 200, duration || 30),
    thresholds: {
      ...strict,
      'latency{version:1}': ['p(99)<250'],
      'latency{version:2}': ['p(99)<250'],
      'answers{version:2}': ['count>0'],
    },
  }),
};

export function scenario(environment) {
  const name = environment.SCENARIO || 'smoke';
  if (!scenarios[name]) {
    throw new Error(`SCENARIO must be one of ${Object.keys(scenarios).join(', ')}, got '${name}'`);
  }
  const { executor, thresholds } = scenarios[name]({
    rate: Number(environment.RATE || 0),
    clients: Number(environment.CLIENTS || 0),
    duration: Number(environment.DURATION || 0),
  });
  return {
    scenarios: { [name]: { gracefulStop: '10s', ...executor } },
    thresholds,
    summaryTrendStats: ['count', 'med', 'p(90)', 'p(99)', 'max'],
    systemTags: ['scenario', 'check'],
  };
}
