#!/usr/bin/env python3
"""What the history of queries costs: bytes a series and 3,600 ticks (an hour at one a second), and the daemon's CPU a tick.

usage: history.py EARLYSTOP [TRIALS] [SECONDS] [INTERVAL]

A daemon with TRIALS trainers that report steps, metrics and phases, twenty times a second each; after five seconds the
figures are read, and again SECONDS later: what was added between, by series and tick. With an interval of 50 ms, 180
seconds are 3,600 ticks. The memory of the process is read beside the bytes that are counted.
"""
import os, re, subprocess, sys, tempfile, time, urllib.request

earlystop = sys.argv[1]
trials = int(sys.argv[2]) if len(sys.argv) > 2 else 8
seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 180
interval = sys.argv[4] if len(sys.argv) > 4 else "50ms"

TRAINER = r"""
import json, os, random, socket, time
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["EARLYSTOP_SOCKET"])
say = lambda **line: link.sendall((json.dumps(line) + "\n").encode())
say(type="hello", v=1, trial=os.environ["NAME"], experiment="wine", total_steps=10**6, labels={"algorithm": "svm"},
    params={"lr": 0.1}, objective={"metric": "val_rmse", "mode": "min"})
kept = []
for i in range(1, 10**6):
    say(type="step", step=i, epoch=i / 100, samples=32 * i, phase="eval" if i % 10 == 0 else "train",
        metrics={"train_loss": random.random(), "val_rmse": 2 / i})
    sum(range(20000))
    kept = kept[-50:] + [bytearray(random.randrange(20000))]
    time.sleep(0.05)
"""
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def figures(url):
    text = LOCAL.open(url + "/metrics", timeout=60).read().decode()
    get = lambda name: float(re.search(rf"^{name} (\S+)", text, re.M).group(1))
    names = ["earlystop_sample_duration_seconds_count", "earlystop_query_series", "earlystop_query_bytes"]
    return [get(name) for name in names + ["process_resident_memory_bytes", "process_cpu_seconds_total"]]


with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "e.toml"), "w") as config:
        config.write('query_retention = "1d"\nquery_memory = "1 GiB"\n')
    env = dict(os.environ, XDG_RUNTIME_DIR=folder, XDG_STATE_HOME=folder)
    words = [earlystop, "daemon", "--config", config.name, "--interval", interval, "--listen", "127.0.0.1:0"]
    daemon = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)
    children = [daemon]
    try:
        while not (said := re.search(r"metrics at (http://[^\s/]+)", daemon.stderr.readline())):
            pass
        env["EARLYSTOP_SOCKET"] = os.path.join(folder, "earlystop", "earlystop.sock")
        trainer = [sys.executable, "-S", "-c", TRAINER]
        children += [subprocess.Popen(trainer, env=dict(env, NAME=f"t{n}")) for n in range(trials)]
        time.sleep(5)
        before = figures(said.group(1))
        time.sleep(seconds)
        after = figures(said.group(1))
        ticks, _, counted, resident, cpu = (b - a for a, b in zip(before, after))
        series = after[1]
        print(f"{trials} trials, {series:.0f} series, {ticks:.0f} ticks at {interval}")
        print(f"at the start {before[2] / before[1]:.0f} bytes a series")
        print(f"bytes a series and 3,600 ticks: {counted / series / ticks * 3600:.0f} as counted")
        print(f"the process: {resident / series / ticks * 3600:.0f} bytes more a series and 3,600 ticks, all it does included")
        print(f"CPU of the daemon, all of it: {cpu / ticks * 1000:.2f} ms a tick")
    finally:
        for child in reversed(children):
            child.kill()
            child.wait()
