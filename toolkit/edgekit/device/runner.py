"""Runs model files on this machine: latency, peak memory, outputs, and the time of each operator.

    python runner.py JOB.json      prints one JSON document as the last line of stdout

Needs Python 3.9, numpy (1 or 2) and ai_edge_litert, tflite_runtime or tensorflow.lite; onnxruntime for .onnx. It is copied to
devices and must not import edgekit. Importing a runtime takes seconds there, so one process does everything. JOB:

    models      [{file, input, dtype, shape, outputs: null or {input, output, samples, batch, fixed}, cuts: null or a dict}]
                input: raw little-endian numbers of one invocation, in C order, as the input tensor takes them. outputs: in
                batches; a `fixed` batch is filled up with copies of the last sample. They are written raw to `output`.
                cuts: to profile the file, see edgekit.inference.cuts.
    threads     counts, 0 = all cores that this process may use
    runs        counted rounds, at least. Each runs all (file, threads) pairs once, in a new random order, so that a slow phase
                of the machine affects all alike. Every latency is kept, in nanoseconds.
    warmup      runs of each pair beforehand, at least
    affinity    null, or the CPUs to be pinned to
    delegate    "xnnpack" (the runtime's default) or "none" (its plain kernels)

The profile: the file is cut after each operator, and the difference between the medians of two neighboring cuts is what an
operator adds, with what a delegate fuses into it; the call itself does not count. The Python interfaces have no profiler.

Exit: 0, 2 (affinity), 3 (no numpy, no runtime) or 4 (a file that cannot be run); from 2 on the document is {"error": ...}.
"""

import ctypes
import hashlib
import json
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import time

try:
    import numpy as np
except ImportError as failure:
    np, NUMPY_ERROR = None, str(failure)

LEAST_WARMUP_NS = 500_000_000
# The clock of /proc/stat ticks every 10 ms: what other processes used is only known over a second or more.
LEAST_MEASURED_S = 1.0
MEMORY_RUNS = 10
# One cut file is open at a time, to save memory; several passes, so that a slow phase does not hit a single operator.
PROFILE_PASSES, PROFILE_WARMUPS, PROFILE_RUNS, PROFILE_NS = 5, 3, 10, 20_000_000


class Stop(Exception):
    """Ends the process with an exit status and an answer."""

    def __init__(self, status, error, **answer):
        super().__init__(error)
        self.status, self.answer = status, {"error": error, **answer}


class Lite:
    """Whichever LiteRT is installed. name: with its version; tried: why each package that was tried cannot be used."""

    def __init__(self):
        self.name, self.tried = None, {}
        for package in ("ai_edge_litert", "tflite_runtime", "tensorflow"):
            path = "tensorflow" if package == "tensorflow" else f"{package}.interpreter"
            try:
                module = __import__(path, fromlist=["Interpreter"])
                lite = module.lite if package == "tensorflow" else module
                resolvers = lite.experimental if package == "tensorflow" else module
                self.interpreter = lite.Interpreter
                self.plain = resolvers.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            except (ImportError, OSError, AttributeError, SystemError) as error:
                self.tried[package] = f"{type(error).__name__}: {error}"
                continue
            version = getattr(sys.modules[package], "__version__", "of unknown version")
            self.name = f"{package.replace('_', '-')} {version}"
            return

    def open(self, model, threads, delegate, x):
        """An interpreter of a file's path or content with x as its input."""
        key = "model_content" if isinstance(model, bytes) else "model_path"
        more = {"experimental_op_resolver_type": self.plain} if delegate == "none" else {}
        opened = self.interpreter(**{key: model}, num_threads=threads, **more)
        opened.allocate_tensors()
        feed(opened, x)
        return opened

    def invoker(self, path, threads, delegate, x):
        """(function that runs the file on x, what computes it)."""
        opened = self.open(path, threads, delegate, x)
        return opened.invoke, kernels(opened)

    def outputs(self, path, threads, delegate, blocks):
        """(output, what computed it) of each block of inputs."""
        opened = None
        for block in blocks:
            opened = opened or self.open(path, threads, delegate, block)
            feed(opened, block)
            opened.invoke()
            yield opened.get_tensor(opened.get_output_details()[0]["index"]), kernels(opened)

    def profile(self, model, threads, delegate):
        """Milliseconds of each operator, in order; noise may make them negative."""
        with open(model["file"], "rb") as file:
            content = file.read()
        order = list(range(len(model["cuts"]["live"])))
        times = [[] for _ in order]
        for _ in range(PROFILE_PASSES):
            random.shuffle(order)
            for count in order:
                opened = self.open(cut(content, model["cuts"], count), threads, delegate, image(model))
                timed(opened.invoke, PROFILE_WARMUPS, 0)
                times[count] += timed(opened.invoke, PROFILE_RUNS, PROFILE_NS)
        return np.diff([np.median(each) / 1e6 for each in times]).tolist()


class Onnx:
    """ONNX Runtime, if it is installed; same interface as Lite."""

    def __init__(self):
        self.name, self.tried = None, {}
        try:
            import onnxruntime
        except (ImportError, OSError, AttributeError, SystemError) as error:
            self.tried["onnxruntime"] = f"{type(error).__name__}: {error}"
            return
        self.module, self.name = onnxruntime, f"onnxruntime {onnxruntime.__version__}"

    def invoker(self, path, threads, _delegate, x):
        options = self.module.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        session = self.module.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return (lambda block=x: session.run(None, {name: block})), "onnxruntime"

    def outputs(self, path, threads, delegate, blocks):
        run, used = self.invoker(path, threads, delegate, None)
        for block in blocks:
            yield run(block)[0], used


def feed(opened, x):
    """Give an interpreter its input, whatever the number of samples."""
    given = opened.get_input_details()[0]
    if tuple(given["shape"]) != x.shape:
        opened.resize_tensor_input(given["index"], x.shape)
        opened.allocate_tensors()
    opened.set_tensor(given["index"], x)


def kernels(opened):
    # Where cpuinfo does not know the processor, XNNPACK is left out without an error: only the graph's nodes show it.
    nodes = opened._interpreter
    return "xnnpack" if any(nodes.NodeName(i) == "DELEGATE" for i in range(nodes.NumNodes())) else "builtin"


def cut(content, cuts, count):
    """A .tflite that ends after its first `count` operators and outputs what later ones would read (cuts["live"][count]).

    A FlatBuffer's reference may point to anything after it: the new list of outputs is appended.
    """
    live = cuts["live"][count]
    changed = bytearray(content) + bytes(-len(content) % 4)
    struct.pack_into("<I", changed, cuts["outputs_field"], len(changed) - cuts["outputs_field"])
    struct.pack_into("<I", changed, cuts["operators_length"], count)
    return bytes(changed + struct.pack(f"<I{len(live)}i", len(live), *live))


def timed(invoke, runs, least_ns):
    """Latencies (ns) of at least `runs` runs and `least_ns` in all."""
    latencies, begin = [], time.perf_counter_ns()
    while len(latencies) < runs or time.perf_counter_ns() - begin < least_ns:
        start = time.perf_counter_ns()
        invoke()
        latencies.append(time.perf_counter_ns() - start)
    return latencies


def image(model):
    """The input that a file is timed with."""
    return np.fromfile(model["input"], model["dtype"]).reshape(model["shape"])


def cores():
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy_seconds():
    """CPU seconds that the whole machine worked or had stolen since boot; None where /proc/stat is missing."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def facts():
    """Start facts.sh; `.communicate()` gives what it prints."""
    return subprocess.Popen(["sh", "facts.sh"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def peak_rss_bytes():
    """Peak memory of this process: VmHWM, since ru_maxrss survives fork on Linux. None where that is not reported."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None


def resident_pages():
    """Addresses of the pages of mapped files (the libraries) that this process holds; none if the kernel hides them."""
    addresses = []
    try:
        with open("/proc/self/maps") as maps, open("/proc/self/pagemap", "rb") as pagemap:
            for fields in map(str.split, maps):
                if (
                    len(fields) > 5
                    and fields[1].startswith("r")
                    and fields[5].startswith("/")
                    and fields[5][:5] != "/dev/"
                ):
                    start, end = (int(address, 16) // mmap.PAGESIZE for address in fields[0].split("-"))
                    pagemap.seek(start * 8)
                    entries = np.frombuffer(pagemap.read((end - start) * 8), "<u8")
                    addresses += [(start + int(n)) * mmap.PAGESIZE for n in np.flatnonzero(entries >> np.uint64(63))]
    except OSError:
        pass
    return addresses


def memory(model, runtime, delegate, pages):
    """Peak bytes of a forked process before and after it runs the file.

    A fork starts without its parent's pages of mapped files: they are touched first, so that both numbers are those of a
    process that has imported the runtime itself.
    """
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for page in pages:
                ctypes.string_at(page, 1)
            before = peak_rss_bytes()
            timed(runtime.invoker(model["file"], 1, delegate, image(model))[0], MEMORY_RUNS, 0)
            answer = {"baseline_bytes": before, "peak_bytes": peak_rss_bytes()}
        except Exception as error:  # whatever the runtime raises goes into the answer
            answer = {"error": str(error)[:2000]}
        os.write(send, json.dumps(answer).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        text = json.dumps({"error": f"the runtime crashed ({signal.Signals(os.WTERMSIG(status)).name})"})
    answer = json.loads(text)
    if "error" in answer:
        raise Stop(4, "model", file=model["file"], message=answer["error"])
    return answer


def write_outputs(model, runtime, delegate):
    """Run a file on all samples; the SHA-256 of the file of outputs and what computed them."""
    plan = model["outputs"]
    # Mapped, not read: the samples may exceed a small device's memory.
    x = np.memmap(plan["input"], model["dtype"], "r", shape=(plan["samples"], *model["shape"][1:]))

    def blocks():
        for start in range(0, len(x), plan["batch"]):
            block = np.array(x[start : start + plan["batch"]])
            missing = plan["batch"] - len(block) if plan["fixed"] else 0
            yield np.concatenate([block, *[block[-1:]] * missing])

    digest, left, used = hashlib.sha256(), len(x), set()
    with open(plan["output"], "wb") as file:
        try:
            for block, by in runtime.outputs(model["file"], cores(), delegate, blocks()):
                content = block[:left].tobytes()
                left -= min(left, len(block))
                used.add(by)
                digest.update(content)
                file.write(content)
        except (RuntimeError, ValueError) as error:  # it does not accept so many samples at a time
            raise Stop(4, "model", file=model["file"], message=str(error)) from None
    return {"sha256": digest.hexdigest(), "kernels": ", ".join(sorted(used))}


def latency(job, models, runtimes, threads):
    """Warm all (file, threads) pairs up, then run them interleaved; the state of the machine right before and after."""
    rows, invokes, warm_s = [], [], time.perf_counter()
    for index, model in models:
        for count in threads:
            x, start = image(model), time.perf_counter()
            invoke, used = runtimes[index].invoker(model["file"], count, job["delegate"], x)
            row = {"model": index, "threads": count, "runtime": runtimes[index].name, "kernels": used}
            row["init_ms"] = (time.perf_counter() - start) * 1e3
            row["warmups"] = len(timed(invoke, job["warmup"], LEAST_WARMUP_NS))
            rows.append({**row, "latencies_ns": []})
            invokes.append(invoke)
    # While facts.sh runs, the processor is kept as busy as in the measured part: an idle one reports a low frequency.
    process = facts()
    while process.poll() is None:
        for row, invoke in zip(rows, invokes):  # noqa: B905  Python 3.9 has no `strict`
            invoke()
            row["warmups"] += 1
    warm_s = time.perf_counter() - warm_s
    busy, own, begin = busy_seconds(), time.process_time(), time.perf_counter()
    order, rounds = list(range(len(rows))), 0
    while rounds < job["runs"] or time.perf_counter() - begin < LEAST_MEASURED_S:
        rounds += 1
        random.shuffle(order)
        for index in order:
            invoke = invokes[index]
            start = time.perf_counter_ns()
            invoke()
            rows[index]["latencies_ns"].append(time.perf_counter_ns() - start)
    elapsed = time.perf_counter() - begin
    own = time.process_time() - own
    others = None if busy is None else max(0.0, (busy_seconds() - busy - own) / elapsed)
    seconds = warm_s + elapsed
    before = process.communicate()[0].decode(errors="replace")
    return {"rows": rows, "others_cores": others, "before": before, "after": facts(), "seconds": seconds}


def work(job):
    """Everything the job asks for."""
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        libc = None
    system = {"python": sys.version.split()[0], "machine": os.uname().machine, "libc": libc}
    if np is None:
        raise Stop(3, "no numpy", tried={"numpy": NUMPY_ERROR}, **system)
    if job["affinity"] is not None:  # before any thread of a runtime exists: those inherit it
        try:
            os.sched_setaffinity(0, job["affinity"])
        except (OSError, AttributeError, ValueError) as error:
            raise Stop(2, "affinity", message=str(error)) from None
    affinity = None if job["affinity"] is None else sorted(os.sched_getaffinity(0))
    by_onnx = {
        onnx: Onnx() if onnx else Lite() for onnx in {model["file"].endswith(".onnx") for model in job["models"]}
    }
    runtimes = [by_onnx[model["file"].endswith(".onnx")] for model in job["models"]]
    models = [(index, model) for index, model in enumerate(job["models"]) if runtimes[index].name is not None]
    # Without ONNX Runtime, .onnx files are left out: it is rare on small devices.
    if not models or (False in by_onnx and by_onnx[False].name is None):
        tried = {package: why for runtime in by_onnx.values() for package, why in runtime.tried.items()}
        raise Stop(3, "no runtime", tried=tried, **system)
    threads = list(dict.fromkeys(count or cores() for count in job["threads"]))
    delegate, pages, begin = job["delegate"], resident_pages(), time.perf_counter()
    peaks = {index: memory(model, runtimes[index], delegate, pages) for index, model in models}
    memory_s = time.perf_counter() - begin
    answer = latency(job, models, runtimes, threads)
    begin = time.perf_counter()
    profiles = {i: runtimes[i].profile(model, threads[0], delegate) for i, model in models if model["cuts"]}
    outputs = {i: write_outputs(model, runtimes[i], delegate) for i, model in models if model["outputs"]}
    answer["seconds"] += memory_s + time.perf_counter() - begin  # while files ran, not while facts were read
    answer["after"] = answer["after"].communicate()[0].decode(errors="replace")
    return {**answer, "memory": peaks, "profiles": profiles, "outputs": outputs, "affinity": affinity}


if __name__ == "__main__":
    with open(sys.argv[1]) as job_file:
        todo = json.load(job_file)
    try:
        document, status = work(todo), 0
    except Stop as stop:
        document, status = stop.answer, stop.status
    print(json.dumps(document), flush=True)
    os._exit(status)  # at once: what a library flushes at its exit would follow the last line
