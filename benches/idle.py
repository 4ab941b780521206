#!/usr/bin/env python3
"""5,000 idle processes in one trial at 1 Hz: the whole daemon's CPU per process and tick beside a program that only preads.

usage: idle.py EARLYSTOP SLEEPERS SAMPLER [PROCESSES] [ROUNDS] [TICKS]

SLEEPERS holds PROCESSES idle processes (`sleepers N PIDFILE`) until its stdin closes; SAMPLER (`sampler pread PIDFILE
TICKS GAP_MS`) reads statm and stat of each from kept descriptors and prints one JSON line. The two take turns, so that
drift hits both; the daemon is measured while the other is silent. Then scrapes, plain and gzip, and the daemon's memory.
"""
import json, os, re, statistics, subprocess, sys, tempfile, time, urllib.request

earlystop, sleepers, sampler = sys.argv[1:4]
count = int(sys.argv[4]) if len(sys.argv) > 4 else 5000
rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 3
ticks = int(sys.argv[6]) if len(sys.argv) > 6 else 15


def cpu(pid):
    return time.clock_gettime(((~pid) << 3) | 2)


def memory(pid):
    text = open(f"/proc/{pid}/status").read()
    return {key: int(re.search(key + r":\s+(\d+)", text).group(1)) / 1024 for key in ("VmRSS", "RssAnon", "VmHWM")}


LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def scrape(url, gzip):
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"} if gzip else {})
    begin = time.monotonic()
    size = len(LOCAL.open(request, timeout=60).read())
    return (time.monotonic() - begin) * 1000, size


with tempfile.TemporaryDirectory() as folder:
    pids = os.path.join(folder, "pids")
    env = dict(os.environ, XDG_RUNTIME_DIR=folder, XDG_STATE_HOME=folder)
    words = [earlystop, "run", "--interval", "1s", "--listen", "127.0.0.1:0", "--", sleepers, str(count), pids]
    run = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = run.stderr.readline()
        url = re.search(r"http://[^\s;]+", said).group(0)
        print(said.strip())
        assert run.stdout.readline().strip() == "ready"
        time.sleep(5)
        ours, theirs, ratios = [], [], []
        for _ in range(rounds):
            before = cpu(run.pid)
            time.sleep(ticks)
            ours.append((cpu(run.pid) - before) / ticks / count * 1e6)
            out = json.loads(subprocess.check_output([sampler, "pread", pids, str(ticks), "1000"]))
            theirs.append(out["cpu_ns"] / 1000)
            ratios.append(ours[-1] / theirs[-1])
        calm = memory(run.pid)
        plain = [scrape(url, False) for _ in range(9)]
        packed = [scrape(url, True) for _ in range(9)]
        print(f"us per process and tick: daemon {[round(x, 2) for x in ours]}, pread {[round(x, 2) for x in theirs]}, "
              f"ratio {[round(x, 2) for x in ratios]}")
        print(f"scrape: median {statistics.median(t for t, _ in plain):.0f} ms, max {max(t for t, _ in plain):.0f} ms, "
              f"{plain[-1][1]} bytes; gzip median {statistics.median(t for t, _ in packed):.0f} ms, {packed[-1][1]} bytes")
        print(f"memory, MiB: before scrapes {calm}, after {memory(run.pid)}")
    finally:
        run.stdin.close()
        run.wait(60)
