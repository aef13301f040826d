"""Latency of model files on the machine this runs on. Needs only numpy and a LiteRT (or ONNX Runtime) to be there.

    python runner.py JOB.json      prints one JSON document

JOB: {"mode": "latency" | "memory", "models": [PATH...], "inputs": X.npy, "threads": [1, 2], "runs": 100, "warmup": 10}.
Runs of all (model, threads) pairs are interleaved in a new random order each round, so that a slow spell of the machine
hits all alike; every latency is kept. This file is copied to devices: it must not import edgekit.
"""

import json
import os
import platform
import random
import resource
import sys
import time

import numpy as np

LEAST_WARMUP_NS = 200_000_000
# The clock of /proc/stat ticks every 10 ms: what other processes used is only known over a second or more.
LEAST_MEASURED_S = 1.0


def lite_interpreter():
    """(Interpreter class, runtime name and version) of whichever LiteRT is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        from ai_edge_litert.interpreter import Interpreter

        name = "ai-edge-litert"
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter

            name = "tflite-runtime"
        except ImportError:
            from tensorflow.lite import Interpreter

            name = "tensorflow"
    try:
        return Interpreter, f"{name} {version(name)}"
    except PackageNotFoundError:
        return Interpreter, name


def load_lite(path, threads, image):
    """(invoke, runtime, init seconds) of a .tflite with `image` (1, H, W, C) set as its input."""
    interpreter_class, runtime = lite_interpreter()
    start = time.perf_counter()
    interpreter = interpreter_class(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    seconds = time.perf_counter() - start
    detail = interpreter.get_input_details()[0]
    scale, zero_point = detail["quantization"]
    if scale:
        limits = np.iinfo(detail["dtype"])
        image = np.clip(np.round(image / scale) + zero_point, limits.min, limits.max)
    interpreter.set_tensor(detail["index"], image.astype(detail["dtype"]))
    return interpreter.invoke, runtime, seconds


def load_onnx(path, threads, image):
    """(invoke, runtime, init seconds) of an .onnx."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    seconds = time.perf_counter() - start
    feed = {session.get_inputs()[0].name: image.astype(np.float32)}
    return (lambda: session.run(None, feed)), f"onnxruntime {onnxruntime.__version__}", seconds


def busy_seconds():
    """CPU seconds that the whole machine worked or had stolen since boot; None where /proc/stat is missing."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def cpu_facts():
    """What is known of the processor."""
    facts = {"machine": platform.machine(), "system": platform.platform(), "cores": os.cpu_count()}
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":") for line in file]
        names = [value.strip() for key, _, value in lines if key.strip() in ("model name", "Model", "Hardware")]
        facts["cpu"] = names[0] if names else platform.processor()
    except OSError:
        facts["cpu"] = platform.processor()
    try:
        with open("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") as file:
            facts["governor"] = file.read().strip()
    except OSError:
        facts["governor"] = None
    return facts


def latency(job):
    """Interleaved latencies of every model at every thread count."""
    image = np.load(job["inputs"], allow_pickle=False)[:1]
    rows, invokes = [], []
    for path in job["models"]:
        for threads in job["threads"]:
            load = load_onnx if path.endswith(".onnx") else load_lite
            invoke, runtime, init = load(path, threads, image)
            begin, warmups = time.perf_counter_ns(), 0
            while warmups < job["warmup"] or time.perf_counter_ns() - begin < LEAST_WARMUP_NS:
                invoke()
                warmups += 1
            invokes.append(invoke)
            rows.append(
                {
                    "model": path,
                    "threads": threads,
                    "runtime": runtime,
                    "init_ms": init * 1e3,
                    "warmups": warmups,
                    "latencies_ns": [],
                }
            )
    load_before = os.getloadavg()
    busy, own, begin = busy_seconds(), time.process_time(), time.perf_counter()
    order = list(range(len(rows)))
    shuffle = random.Random(0).shuffle
    rounds = 0
    while rounds < job["runs"] or time.perf_counter() - begin < LEAST_MEASURED_S:
        rounds += 1
        shuffle(order)
        for index in order:
            invoke = invokes[index]
            start = time.perf_counter_ns()
            invoke()
            rows[index]["latencies_ns"].append(time.perf_counter_ns() - start)
    elapsed = time.perf_counter() - begin
    own = time.process_time() - own
    others = None if busy is None else max(0.0, (busy_seconds() - busy - own) / elapsed)
    return {
        "rows": rows,
        "device": cpu_facts(),
        "conditions": {
            "load_average_before": load_before,
            "load_average_after": os.getloadavg(),
            "measured_seconds": elapsed,
            "other_processes_cores": others,
            "tensorflow_loaded": "tensorflow" in sys.modules,
            "python": platform.python_version(),
        },
    }


def peak_rss_bytes():
    """Most memory this process ever held. Not ru_maxrss where it can be helped: on Linux that survives fork and exec."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory(job):
    """Peak resident bytes of this process before and after running one model a few times."""
    image = np.load(job["inputs"], allow_pickle=False)[:1]
    path = job["models"][0]
    if path.endswith(".onnx"):
        import onnxruntime  # noqa: F401  the runtime's own size belongs to the baseline
    else:
        lite_interpreter()
    before = peak_rss_bytes()
    invoke, _, _ = (load_onnx if path.endswith(".onnx") else load_lite)(path, 1, image)
    for _ in range(10):
        invoke()
    return {"baseline_bytes": before, "peak_rss_bytes": peak_rss_bytes()}


if __name__ == "__main__":
    with open(sys.argv[1]) as job_file:
        work = json.load(job_file)
    print(json.dumps({"latency": latency, "memory": memory}[work["mode"]](work)))
