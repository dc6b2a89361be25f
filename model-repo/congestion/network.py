"""A synthetic telecom network: what the congestion model learns from, and is measured on.

There is no free data of real cells, so this writes some: 15-minute steps (the usual period of performance counters)
of cells that differ in size, in kind and in luck. Demand is made of
  - a daily season: offices peak at noon, homes in the evening, every cell mixes the two in its own way;
  - a weekly season: offices sleep at the weekend, homes do not;
  - a slow drift and noise that remembers (AR(1), one step 0.9);
  - bursts: about two a week, a crowd that comes, stays for one to four hours and goes; its phones connect up to an
    hour before they want anything, so a burst can be seen coming;
  - outages: about one a week; of the cell itself (it serves nobody, then everybody comes back at once), or of its
    neighbour, whose phones it must take.
The counters are what such a demand makes of them, with noise of measurement. Congestion, the thing to forecast, is the
share of a step in which the cell has nothing left to give: near 0 below 70 % load, a half at 85 %, near 1 at 100 %.
Everything is a function of the seed.
"""
import numpy as np

DAY = 96  # steps of 15 minutes
WEEK = 7 * DAY
KPIS = [
    "congestion",           # share of the step without free resources, 0..1
    "prb_utilisation_dl",   # physical resource blocks in use, %
    "prb_utilisation_ul",   # %
    "connected_users",      # phones with a radio connection
    "active_users",         # of these, phones with data waiting
    "throughput_dl",        # Mbit/s
    "throughput_ul",        # Mbit/s
    "channel_quality",      # CQI, 1..15
    "retransmissions",      # block error rate, %
    "latency",              # ms
    "setup_failures",       # of connection attempts, %
    "handovers_in",         # a step
    "day_sin", "day_cos",   # the time of day
    "week_sin", "week_cos"  # the day of the week
]


def cell(seed, steps):
    """The counters of one cell, [steps, 16] in the order of KPIS."""
    rng = np.random.default_rng(seed)
    start = int(rng.integers(WEEK))
    time = start + np.arange(steps)
    capacity = rng.uniform(60, 150)  # Mbit/s
    crowd, early = _bursts(rng, steps)
    own, neighbour, back = _outages(rng, steps)
    load = _season(rng, time) * np.exp(_drift(rng, steps)) + crowd
    load = (load * (1 + 0.5 * neighbour) + 0.35 * back) * (1 - own)
    return _counters(rng, time, load, load + 0.7 * early * (1 - own), capacity, own, neighbour)


def _season(rng, time):
    hour, weekend = time % DAY / 4, (time // DAY) % 7 >= 5
    peak = lambda at, width: np.exp(-0.5 * (((hour - at + 12) % 24 - 12) / width) ** 2)
    office = (0.9 * peak(10.5, 2.2) + peak(15, 2.4)) * np.where(weekend, 0.25, 1)
    home = (0.35 * peak(8, 1.2) + peak(20.5, 2.6)) * np.where(weekend, 1.15, 1) + 0.3 * peak(14, 3) * weekend
    mix = rng.uniform(0, 1)
    return rng.uniform(0.45, 0.95) * (0.12 + mix * office + (1 - mix) * home)


def _drift(rng, steps):
    noise = rng.normal(0, 0.05, steps)
    for t in range(1, steps):
        noise[t] += 0.9 * noise[t - 1]
    return noise + rng.normal(0, 0.1) * np.linspace(-1, 1, steps)


def _bursts(rng, steps):
    """The load of crowds, and of the same crowds shifted to when they connect."""
    crowd, early = np.zeros((2, steps + 64))
    for at in rng.integers(8, steps, rng.poisson(2 * steps / WEEK)):
        stay, size, ahead = int(rng.integers(4, 17)), rng.uniform(0.25, 0.8), int(rng.integers(1, 5))
        shape = size * np.concatenate([np.linspace(0.3, 1, 3), np.ones(stay), np.linspace(0.9, 0.1, 5)])
        crowd[at:at + len(shape)] += shape
        early[at - ahead:at - ahead + len(shape)] += shape
    return crowd[:steps], early[:steps]


def _outages(rng, steps):
    """Three 0/1-like tracks: the cell is down, its neighbour is down, everybody is coming back."""
    own, neighbour, back = np.zeros((3, steps + 64))
    for at in rng.integers(0, steps, rng.poisson(steps / WEEK)):
        length = int(rng.integers(2, 25))
        if rng.random() < 0.4:
            own[at:at + length] = 1
            back[at + length:at + length + 6] = np.linspace(1, 0.2, 6)
        else:
            neighbour[at:at + length] = rng.uniform(0.5, 1)
    return own[:steps], neighbour[:steps], back[:steps]


def _counters(rng, time, load, presence, capacity, own, neighbour):
    noise = lambda size: rng.normal(0, size, len(time))
    up = 1 - own
    congestion = up / (1 + np.exp(-18 * (load - 0.85)))
    served = np.minimum(load, 1.0)
    users = np.maximum(0, (presence * 4 * capacity * (1 + noise(0.05)) + 8) * up)
    quality = np.clip(11 - 2.5 * served - 1.5 * neighbour + noise(0.4), 1, 15) * up
    columns = [
        congestion,
        np.clip(100 * served + noise(1.5), 0, 100) * up,
        np.clip(60 * served + noise(2.5), 0, 100) * up,
        np.round(users),
        np.round(users * np.clip(0.25 + 0.3 * congestion + noise(0.02), 0, 1)),
        np.maximum(0, served * capacity * (1 + noise(0.04))) * up,
        np.maximum(0, served * capacity * 0.15 * (1 + noise(0.06))) * up,
        quality,
        np.clip(6 + 5 * congestion + 3 * neighbour + noise(0.7), 0, 100) * up,
        np.clip(18 + 25 * served + 140 * congestion ** 2 + noise(2), 5, 400) * up,
        np.clip(0.3 + 6 * congestion + noise(0.2), 0, 100) * up + 100 * own,
        np.maximum(0, np.round(users * (0.3 + 0.8 * neighbour) * (1 + noise(0.08)))),
        *(wave(2 * np.pi * time / period) for period in (DAY, WEEK) for wave in (np.sin, np.cos)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)
