"""Median, least and most milliseconds of a call, for all peers alike."""
import time


def timed(run, budget=3.0):
    for _ in range(2):
        run()
    samples, end = [], time.perf_counter() + budget
    while len(samples) < 3 or (time.perf_counter() < end and len(samples) < 50):
        start = time.perf_counter()
        run()
        samples.append((time.perf_counter() - start) * 1e3)
    samples.sort()
    return samples[len(samples) // 2], samples[0], samples[-1]
