"""Median, least and most milliseconds of a call, and the memory of its first run, for all Python peers alike."""
import json
import time


def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))


def result_mib(result):
    """Of a fresh result, which is no extra memory; `out=` results were there before."""
    parts = result if isinstance(result, tuple) else (result,)
    return sum(getattr(part, "nbytes", 0) for part in parts) / 2**20


def extra_mib(run, fresh):
    """Most resident pages during a call less those before it and a fresh result; None where the system does not tell."""
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        before = resident("VmRSS")
        result = run()
        return round(max(resident("VmHWM") - before - (result_mib(result) if fresh else 0), 0), 1)
    except OSError:
        return None


def timed(run, budget=3.0, slow=10.0):
    """Two runs to warm up and at least three that count; of a call that takes many seconds one and two."""
    started = time.perf_counter()
    run()
    fewest = 2 if time.perf_counter() - started > slow else 3
    if fewest == 3:
        run()
    samples, end = [], time.perf_counter() + budget
    while len(samples) < fewest or (time.perf_counter() < end and len(samples) < 50):
        start = time.perf_counter()
        run()
        samples.append((time.perf_counter() - start) * 1e3)
    samples.sort()
    return samples[len(samples) // 2], samples[0], samples[-1]


def report(op, shape, run, fresh=True, **more):
    extra = extra_mib(run, fresh)
    ms, lo, hi = timed(run)
    print(json.dumps(dict(op=op, shape=shape, ms=round(ms, 4), lo=round(lo, 4), hi=round(hi, 4), extraMiB=extra, **more)), flush=True)
