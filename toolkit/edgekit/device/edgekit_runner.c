/* Runs a .tflite on devices without Python: latency, and the outputs of a whole set of inputs.
 *
 * Takes the flags of TensorFlow Lite's benchmark_model and prints its lines (tflite/tools/benchmark), so that edgekit reads both alike.
 * It adds raw latencies in nanoseconds (--latencies_filepath) and a set of inputs in one call (--invocation_batch).
 * The runtime is opened when it runs: libLiteRt.so (LiteRT 2.1 or newer) or libtensorflowlite_c.so, given by --library, beside this
 * program, or on the library path. No header of either is needed; what is declared here is their C interface (litert/c, tflite/c).
 *
 * Build it for the device:
 *   64-bit ARM Linux   aarch64-linux-gnu-gcc -std=c11 -O2 -Wall -Wextra -o edgekit_runner edgekit_runner.c -ldl -lm
 *   32-bit ARM Linux   arm-linux-gnueabihf-gcc ... as above
 *   Android            $NDK/toolchains/llvm/prebuilt/linux-x86_64/bin/aarch64-linux-android26-clang ... as above
 * An Android device needs an Android build of the runtime (of LiteRT's or TensorFlow Lite's .aar), not the one of a Python wheel.
 *
 * Exit status: 0 done, 2 a wrong flag, 3 no runtime, 4 no model, 5 a wrong input, 6 a result cannot be written, 7 the runtime failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VERSION "1.0"
enum { BAD_FLAG = 2, NO_RUNTIME, BAD_MODEL, BAD_INPUT, NO_OUTPUT, RUNTIME_FAILED };
enum { RANK = 8, OUTPUTS = 8, MOST_RUNS = 10000000 };

_Noreturn static void fail(int status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fflush(stdout);
  fputs("ERROR: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(status);
}

/* ---- flags: --name=value, as benchmark_model has them */
static struct {
  const char *graph, *library, *input_layer, *input_layer_shape, *input_layer_value_files, *output_filepath, *latencies_filepath;
  double min_secs, max_secs, warmup_min_secs;
  int num_threads, num_runs, warmup_runs, invocation_batch;
  bool use_xnnpack;
} flags = {.min_secs = 1, .max_secs = 150, .warmup_min_secs = 0.5, .num_threads = -1, .num_runs = 50, .warmup_runs = 1, .use_xnnpack = true};

static const struct {
  const char *name;
  enum { TEXT, COUNT, SECONDS, SWITCH } kind;
  void *value;
  const char *summary;
} known[] = {
    {"graph", TEXT, &flags.graph, "the .tflite file"},
    {"library", TEXT, &flags.library, "libLiteRt.so or libtensorflowlite_c.so; otherwise the one beside this program, or on the library path"},
    {"num_threads", COUNT, &flags.num_threads, "threads; -1: as the runtime likes"},
    {"num_runs", COUNT, &flags.num_runs, "counted runs, at least"},
    {"min_secs", SECONDS, &flags.min_secs, "seconds of counted runs, at least"},
    {"max_secs", SECONDS, &flags.max_secs, "seconds after which no run is begun"},
    {"warmup_runs", COUNT, &flags.warmup_runs, "runs before, at least"},
    {"warmup_min_secs", SECONDS, &flags.warmup_min_secs, "seconds of runs before, at least"},
    {"input_layer", TEXT, &flags.input_layer, "a name for the input"},
    {"input_layer_shape", TEXT, &flags.input_layer_shape, "its shape, e.g. 64,28,28,1"},
    {"input_layer_value_files", TEXT, &flags.input_layer_value_files, "name:file with its values, raw; otherwise made-up ones"},
    {"invocation_batch", COUNT, &flags.invocation_batch, "run the input in parts of so many; 0: the whole at once if the model can"},
    {"output_filepath", TEXT, &flags.output_filepath, "write the raw outputs of the whole input there"},
    {"latencies_filepath", TEXT, &flags.latencies_filepath, "write the nanoseconds of each counted run there, raw int64"},
    {"use_xnnpack", SWITCH, &flags.use_xnnpack, "false: the runtime's own kernels (libLiteRt.so only)"},
};

static void usage(const char *program) {
  printf("edgekit runner %s\nusage: %s <flags>\nFlags:\n", VERSION, program);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) printf("\t--%s=\t%s\n", known[i].name, known[i].summary);
}

static void parse_flags(int argc, char **argv) {
  char *end;
  for (int a = 1; a < argc; a++) {
    if (!strcmp(argv[a], "--help") || !strcmp(argv[a], "--help=true")) {
      usage(argv[0]);
      exit(0);
    }
  }
  int unknown = 0;
  for (int a = 1; a < argc; a++) {
    size_t i = 0, count = sizeof known / sizeof *known;
    const char *value = NULL;
    for (; i < count; i++) {
      size_t n = strlen(known[i].name);
      if (!strncmp(argv[a], "--", 2) && !strncmp(argv[a] + 2, known[i].name, n) && argv[a][n + 2] == '=') {
        value = argv[a] + n + 3;
        break;
      }
    }
    if (!value) { /* benchmark_model goes on too; whoever reads this line decides */
      printf("%s%s", unknown++ ? " " : "WARN: Unconsumed cmdline flags: ", argv[a]);
      continue;
    }
    errno = 0;
    if (known[i].kind == TEXT) {
      *(const char **)known[i].value = value;
    } else if (known[i].kind == SWITCH && (!strcmp(value, "true") || !strcmp(value, "false"))) {
      *(bool *)known[i].value = value[0] == 't';
    } else if (known[i].kind == COUNT) {
      long n = strtol(value, &end, 10);
      if (errno || *end || end == value || n < -1 || n > MOST_RUNS) fail(BAD_FLAG, "--%s=%s is no count", known[i].name, value);
      *(int *)known[i].value = (int)n;
    } else {
      double seconds = strtod(value, &end);
      if (known[i].kind == SWITCH || errno || *end || end == value || !(seconds >= 0 && seconds <= 1e6))
        fail(BAD_FLAG, "--%s=%s is not understood", known[i].name, value);
      *(double *)known[i].value = seconds;
    }
  }
  if (unknown) putchar('\n');
}

/* ---- files and memory */
static void *allocate(size_t bytes) { /* 64: what LiteRT demands; 256 more: XNNPACK may read past the end */
  void *memory = NULL;
  if (bytes > SIZE_MAX / 2 || posix_memalign(&memory, 64, bytes + 256)) fail(RUNTIME_FAILED, "no memory for %zu bytes", bytes);
  return memset(memory, 0, bytes + 256);
}

static void write_file(const char *path, const void *data, size_t bytes) {
  FILE *file = fopen(path, "wb");
  bool written = file && fwrite(data, 1, bytes, file) == bytes;
  int reason = errno;
  if (file && fclose(file)) written = false, reason = errno;
  if (!written) fail(NO_OUTPUT, "%s cannot be written: %s", path, strerror(reason));
}

static long file_size(const char *path, int status) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) fail(status, "%s cannot be read: %s", path, strerror(errno));
  long size = ftell(file);
  fclose(file);
  return size;
}

static void read_file(const char *path, void *data, size_t bytes, int status) {
  FILE *file = fopen(path, "rb");
  if (!file || fread(data, 1, bytes, file) != bytes) fail(status, "%s cannot be read", path);
  fclose(file);
}

/* ---- what a runtime makes of a model, for one invocation */
static struct {
  int rank, own[RANK], shape[RANK], outputs; /* own: as the file has it, -1 where it is open; shape: as it runs */
  size_t input_bytes, output_bytes[OUTPUTS];
  bool floats; /* whether the input is float32 */
  unsigned char *input, *output[OUTPUTS];
  bool (*prepare)(void);
  void (*invoke)(void);
} model;

static void *library;
#define DECLARE(result, name, ...) static result (*name)(__VA_ARGS__);
#define FIND(name) (*(void **)&name = dlsym(library, #name))
#define NEED(result, name, ...) \
  if (!FIND(name)) fail(NO_RUNTIME, "the library has no %s; expected LiteRT 2.1 or newer, or TensorFlow Lite's C library", #name);

/* ---- TensorFlow Lite's C interface (tflite/c/c_api.h) */
#define LITE(F) \
  F(const char *, TfLiteVersion, void) \
  F(void *, TfLiteModelCreateFromFile, const char *path) \
  F(void *, TfLiteInterpreterOptionsCreate, void) \
  F(void, TfLiteInterpreterOptionsSetNumThreads, void *options, int32_t threads) \
  F(void *, TfLiteInterpreterCreate, const void *model, const void *options) \
  F(int32_t, TfLiteInterpreterGetInputTensorCount, const void *interpreter) \
  F(int32_t, TfLiteInterpreterGetOutputTensorCount, const void *interpreter) \
  F(void *, TfLiteInterpreterGetInputTensor, const void *interpreter, int32_t index) \
  F(const void *, TfLiteInterpreterGetOutputTensor, const void *interpreter, int32_t index) \
  F(int, TfLiteInterpreterResizeInputTensor, void *interpreter, int32_t index, const int *dims, int32_t count) \
  F(int, TfLiteInterpreterAllocateTensors, void *interpreter) \
  F(int, TfLiteInterpreterInvoke, void *interpreter) \
  F(int, TfLiteTensorType, const void *tensor) \
  F(int32_t, TfLiteTensorNumDims, const void *tensor) \
  F(int32_t, TfLiteTensorDim, const void *tensor, int32_t index) \
  F(size_t, TfLiteTensorByteSize, const void *tensor) \
  F(void *, TfLiteTensorData, const void *tensor)
LITE(DECLARE)

static void *interpreter;

static void lite_invoke(void) {
  if (TfLiteInterpreterInvoke(interpreter)) fail(RUNTIME_FAILED, "TfLiteInterpreterInvoke failed");
}

/* Fits the interpreter to model.shape. False: it does not take that shape. */
static bool lite_prepare(void) {
  if (TfLiteInterpreterResizeInputTensor(interpreter, 0, model.shape, model.rank)) return false;
  if (TfLiteInterpreterAllocateTensors(interpreter)) return false;
  const void *input = TfLiteInterpreterGetInputTensor(interpreter, 0);
  model.input_bytes = TfLiteTensorByteSize(input);
  model.input = TfLiteTensorData(input);
  for (int o = 0; o < model.outputs; o++) {
    const void *output = TfLiteInterpreterGetOutputTensor(interpreter, o);
    model.output_bytes[o] = TfLiteTensorByteSize(output);
    model.output[o] = TfLiteTensorData(output);
  }
  return true;
}

static void lite_load(void) {
  LITE(NEED)
  printf("INFO: Runtime: TensorFlow-Lite %s\n", TfLiteVersion());
  if (!flags.use_xnnpack) fail(BAD_FLAG, "--use_xnnpack=false: TensorFlow Lite's C library cannot leave XNNPACK out");
  void *options = TfLiteInterpreterOptionsCreate();
  if (flags.num_threads > 0) TfLiteInterpreterOptionsSetNumThreads(options, flags.num_threads);
  const void *loaded = TfLiteModelCreateFromFile(flags.graph);
  interpreter = loaded ? TfLiteInterpreterCreate(loaded, options) : NULL;
  if (!interpreter) fail(BAD_MODEL, "%s is no model that this TensorFlow Lite can run", flags.graph);
  model.outputs = TfLiteInterpreterGetOutputTensorCount(interpreter);
  if (TfLiteInterpreterGetInputTensorCount(interpreter) != 1 || model.outputs < 1 || model.outputs > OUTPUTS)
    fail(BAD_MODEL, "%s: one input and at most %d outputs are supported", flags.graph, OUTPUTS);
  const void *input = TfLiteInterpreterGetInputTensor(interpreter, 0);
  model.floats = TfLiteTensorType(input) == 1;
  model.rank = TfLiteTensorNumDims(input);
  for (int d = 0; d < model.rank && d < RANK; d++) model.own[d] = TfLiteTensorDim(input, d);
  model.prepare = lite_prepare;
  model.invoke = lite_invoke;
}

/* ---- LiteRT's C interface (litert/c); the two structs are pinned by upstream's own assertions */
typedef struct {
  unsigned int rank : 7;
  bool has_strides : 1;
  int32_t dimensions[RANK];
  uint32_t strides[RANK];
} LiteRtLayout;
typedef struct {
  int32_t element_type;
  LiteRtLayout layout;
} LiteRtRankedTensorType;
_Static_assert(sizeof(LiteRtLayout) == 68 && sizeof(LiteRtRankedTensorType) == 72, "LiteRT's binary interface");

#define LITERT(F) \
  F(int, LiteRtCreateEnvironment, int count, const void *options, void **environment) \
  F(int, LiteRtCreateOptions, void **options) \
  F(int, LiteRtSetOptionsHardwareAccelerators, void *options, int accelerators) \
  F(int, LiteRtCreateOpaqueOptions, const char *identifier, void *payload, void (*destroy)(void *), void **opaque) \
  F(int, LiteRtAddOpaqueOptions, void *options, void *opaque) \
  F(int, LiteRtCreateModelFromFile, const void *first, const void *second, void **third) \
  F(int, LiteRtGetModelSignature, void *model, size_t index, void **signature) \
  F(int, LiteRtGetNumSignatureInputs, void *signature, size_t *count) \
  F(int, LiteRtGetNumSignatureOutputs, void *signature, size_t *count) \
  F(int, LiteRtGetSignatureInputTensorByIndex, void *signature, size_t index, void **tensor) \
  F(int, LiteRtGetSignatureOutputTensorByIndex, void *signature, size_t index, void **tensor) \
  F(int, LiteRtGetRankedTensorType, void *tensor, LiteRtRankedTensorType *type) \
  F(int, LiteRtCreateCompiledModel, void *environment, void *model, void *options, void **compiled) \
  F(int, LiteRtCompiledModelResizeInputTensorNonStrict, void *compiled, size_t signature, size_t input, const int *dims, size_t n) \
  F(int, LiteRtGetCompiledModelOutputTensorLayouts, void *compiled, size_t signature, size_t n, LiteRtLayout *layouts, bool update) \
  F(int, LiteRtCreateTensorBufferFromHostMemory, const LiteRtRankedTensorType *type, void *memory, size_t bytes, void (*free)(void *), void **buffer) \
  F(void, LiteRtDestroyTensorBuffer, void *buffer) \
  F(int, LiteRtRunCompiledModel, void *compiled, size_t signature, size_t inputs, void **input, size_t outputs, void **output)
LITERT(DECLARE)
DECLARE(int, LiteRtCreateCpuOptions, void **opaque)
DECLARE(int, LiteRtFindCpuOptions, void *opaque, void **cpu)
DECLARE(int, LiteRtSetCpuOptionsNumThread, void *cpu, int threads)
DECLARE(int, LiteRtCreateModelFromFd, void)

static void *compiled, *input_buffer, *output_buffers[OUTPUTS];
static LiteRtRankedTensorType input_type, output_types[OUTPUTS];

static void check(int status, const char *what) {
  if (status) fail(RUNTIME_FAILED, "%s failed with status %d", what, status);
}
#define CHECK(name, ...) check(name(__VA_ARGS__), #name)

static void litert_invoke(void) { CHECK(LiteRtRunCompiledModel, compiled, 0, 1, &input_buffer, (size_t)model.outputs, output_buffers); }

static size_t tensor_bytes(const LiteRtRankedTensorType *type) {
  static const unsigned char sizes[] = {[1] = 4, [2] = 4, [3] = 1, [4] = 8, [6] = 1, [7] = 2, [9] = 1, [10] = 2, [11] = 8, [16] = 4, [17] = 2};
  uint32_t element = (uint32_t)type->element_type;
  size_t bytes = element < sizeof sizes ? sizes[element] : 0;
  if (!bytes) fail(BAD_MODEL, "tensors of type %u are not supported", element);
  for (unsigned d = 0; d < type->layout.rank && d < RANK; d++) {
    if (type->layout.dimensions[d] < 1 || bytes > SIZE_MAX / 4 / (size_t)type->layout.dimensions[d])
      fail(BAD_MODEL, "a tensor has a dimension of %d", type->layout.dimensions[d]);
    bytes *= (size_t)type->layout.dimensions[d];
  }
  return bytes;
}

static void litert_buffer(const LiteRtRankedTensorType *type, size_t *bytes, unsigned char **memory, void **buffer) {
  if (*buffer) LiteRtDestroyTensorBuffer(*buffer);
  free(*memory);
  *bytes = tensor_bytes(type);
  *memory = allocate(*bytes);
  CHECK(LiteRtCreateTensorBufferFromHostMemory, type, *memory, *bytes, NULL, buffer);
}

static bool litert_prepare(void) {
  LiteRtLayout layouts[OUTPUTS];
  memset(layouts, 0, sizeof layouts);
  if (memcmp(model.shape, model.own, sizeof model.own) &&
      LiteRtCompiledModelResizeInputTensorNonStrict(compiled, 0, 0, model.shape, (size_t)model.rank))
    return false;
  if (LiteRtGetCompiledModelOutputTensorLayouts(compiled, 0, (size_t)model.outputs, layouts, true)) return false;
  for (int d = 0; d < model.rank; d++) input_type.layout.dimensions[d] = model.shape[d];
  input_type.layout.has_strides = false;
  litert_buffer(&input_type, &model.input_bytes, &model.input, &input_buffer);
  for (int o = 0; o < model.outputs; o++) {
    output_types[o].layout = layouts[o];
    litert_buffer(&output_types[o], &model.output_bytes[o], &model.output[o], &output_buffers[o]);
  }
  return true;
}

static void litert_cpu_options(void *options) {
  void *opaque = NULL, *cpu = NULL;
  if (flags.num_threads < 1 && flags.use_xnnpack) return; /* as it likes */
  if (FIND(LiteRtCreateCpuOptions) && FIND(LiteRtFindCpuOptions) && FIND(LiteRtSetCpuOptionsNumThread)) { /* 2.1.0 */
    if (!flags.use_xnnpack) fail(BAD_FLAG, "--use_xnnpack=false: this LiteRT cannot leave XNNPACK out");
    CHECK(LiteRtCreateCpuOptions, &opaque);
    CHECK(LiteRtFindCpuOptions, opaque, &cpu);
    if (flags.num_threads > 0) CHECK(LiteRtSetCpuOptionsNumThread, cpu, flags.num_threads);
  } else { /* from 2.1.5 on they are TOML; kernel_mode 2: built-in kernels, no delegate */
    char *toml = allocate(64);
    if (flags.num_threads > 0) snprintf(toml, 64, "num_threads = %d\n", flags.num_threads);
    if (!flags.use_xnnpack) strcat(toml, "kernel_mode = 2\n");
    CHECK(LiteRtCreateOpaqueOptions, "xnnpack", toml, free, &opaque);
  }
  CHECK(LiteRtAddOpaqueOptions, options, opaque);
}

static void litert_load(void) {
  void *environment = NULL, *options = NULL, *loaded = NULL, *signature = NULL, *tensor = NULL;
  size_t inputs = 0, outputs = 0;
  LITERT(NEED)
  printf("INFO: Runtime: LiteRT\n");
  CHECK(LiteRtCreateEnvironment, 0, NULL, &environment);
  CHECK(LiteRtCreateOptions, &options);
  CHECK(LiteRtSetOptionsHardwareAccelerators, options, 1 /* CPU */);
  litert_cpu_options(options);
  /* From 2.1.6 on the environment is the first argument. No function tells the version, but the same release brought ...FromFd. */
  int status = FIND(LiteRtCreateModelFromFd) ? LiteRtCreateModelFromFile(environment, flags.graph, &loaded)
                                             : LiteRtCreateModelFromFile(flags.graph, &loaded, NULL);
  if (status || !loaded) fail(BAD_MODEL, "%s is no model that this LiteRT can read (status %d)", flags.graph, status);
  CHECK(LiteRtGetModelSignature, loaded, 0, &signature);
  CHECK(LiteRtGetNumSignatureInputs, signature, &inputs);
  CHECK(LiteRtGetNumSignatureOutputs, signature, &outputs);
  if (inputs != 1 || outputs < 1 || outputs > OUTPUTS)
    fail(BAD_MODEL, "%s: one input and at most %d outputs are supported", flags.graph, OUTPUTS);
  model.outputs = (int)outputs;
  CHECK(LiteRtGetSignatureInputTensorByIndex, signature, 0, &tensor);
  CHECK(LiteRtGetRankedTensorType, tensor, &input_type);
  for (size_t o = 0; o < outputs; o++) {
    CHECK(LiteRtGetSignatureOutputTensorByIndex, signature, o, &tensor);
    CHECK(LiteRtGetRankedTensorType, tensor, &output_types[o]);
  }
  status = LiteRtCreateCompiledModel(environment, loaded, options, &compiled);
  if (status) fail(BAD_MODEL, "%s is no model that this LiteRT can run (status %d)", flags.graph, status);
  model.floats = input_type.element_type == 1;
  model.rank = (int)input_type.layout.rank;
  for (int d = 0; d < model.rank && d < RANK; d++) model.own[d] = input_type.layout.dimensions[d];
  model.prepare = litert_prepare;
  model.invoke = litert_invoke;
}

/* ---- the library, the model, its shape */
static void open_library(void) {
  static const char *names[] = {"libLiteRt.so", "libtensorflowlite_c.so"};
  static char path[PATH_MAX + 32];
  ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
  char *slash = length > 0 ? strrchr(path, '/') : NULL;
  for (int i = 0; i < 2 && slash && !flags.library; i++) {
    strcpy(slash + 1, names[i]);
    if (!access(path, F_OK)) flags.library = path;
  }
  if (flags.library) {
    library = dlopen(flags.library, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail(NO_RUNTIME, "the runtime cannot be opened: %s", dlerror());
    return;
  }
  for (int i = 0; i < 2 && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    dlopen(names[0], RTLD_NOW | RTLD_LOCAL); /* its reason: it may be there, but not fit the system */
    fail(NO_RUNTIME, "no %s or %s beside this program or on the library path (%s); give --library=PATH", names[0], names[1], dlerror());
  }
}

static int parse_shape(int *shape) {
  int rank = 0;
  for (const char *text = flags.input_layer_shape; *text; rank++) {
    char *end;
    long n = strtol(text, &end, 10);
    if (rank == RANK || end == text || n < 1 || n > INT_MAX || (*end && (*end != ',' || !end[1])))
      fail(BAD_FLAG, "--input_layer_shape=%s is no shape of up to %d sizes above 0", flags.input_layer_shape, RANK);
    shape[rank] = (int)n;
    text = *end ? end + 1 : end;
  }
  return rank;
}

/* Loads the model and fits it to the input. Returns how many invocations the whole input takes. */
static size_t load(void) {
  unsigned char magic[8] = "";
  if (!flags.graph) fail(BAD_FLAG, "--graph=FILE is missing");
  if (file_size(flags.graph, BAD_MODEL) >= 8) read_file(flags.graph, magic, 8, BAD_MODEL);
  if (memcmp(magic + 4, "TFL3", 4)) fail(BAD_MODEL, "%s is not a .tflite file", flags.graph);
  if (dlsym(library, "LiteRtCreateCompiledModel")) litert_load();
  else lite_load();
  if (model.rank < 1 || model.rank > RANK) fail(BAD_MODEL, "%s: an input of %d dimensions is not supported", flags.graph, model.rank);
  for (int d = 0; d < model.rank; d++) model.shape[d] = model.own[d] < 1 ? 1 : model.own[d];
  int shape[RANK], whole = model.shape[0];
  memcpy(shape, model.shape, sizeof shape);
  if (flags.input_layer_shape) {
    if (parse_shape(shape) != model.rank) fail(BAD_INPUT, "the input has %d dimensions, not those of %s", model.rank, flags.input_layer_shape);
    whole = shape[0];
    if (flags.invocation_batch > 0) shape[0] = flags.invocation_batch;
  }
  int batch = model.shape[0]; /* where the batch is fixed, the input is run in parts of that */
  memcpy(model.shape, shape, sizeof shape);
  if (!model.prepare()) {
    model.shape[0] = batch;
    if (shape[0] == batch || !model.prepare()) fail(BAD_INPUT, "%s does not take an input of shape %s", flags.graph, flags.input_layer_shape);
  }
  if (whole % model.shape[0]) fail(BAD_INPUT, "a batch of %d does not divide into invocations of %d", whole, model.shape[0]);
  return (size_t)(whole / model.shape[0]);
}

static unsigned char *input_values(size_t bytes) {
  unsigned char *values = allocate(bytes);
  const char *text = flags.input_layer_value_files, *colon = text ? strchr(text, ':') : NULL;
  if (!text) { /* like benchmark_model: something; in [0, 1) where the input is float, so that no value is special */
    uint32_t state = 1;
    for (size_t i = 0; i < (model.floats ? bytes / 4 : bytes); i++) {
      state = state * 1664525u + 1013904223u;
      if (model.floats) ((float *)(void *)values)[i] = (float)(state >> 8) / 16777216.0f;
      else values[i] = (unsigned char)(state >> 24);
    }
    return values;
  }
  if (!colon || !flags.input_layer || strncmp(text, flags.input_layer, (size_t)(colon - text)) || flags.input_layer[colon - text])
    fail(BAD_FLAG, "--input_layer_value_files=%s: expected the name of --input_layer, a colon and a file", text);
  long size = file_size(colon + 1, BAD_INPUT);
  if (size < 0 || (size_t)size != bytes) fail(BAD_INPUT, "The size of %s is %ld bytes. It should be %zu bytes.", colon + 1, size, bytes);
  read_file(colon + 1, values, bytes, BAD_INPUT);
  return values;
}

/* ---- measuring */
static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Not getrusage's: on Linux that starts at the peak of the process that started this one. */
static long peak_rss_kb(void) {
  char line[256];
  long kb = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
  if (file) fclose(file);
  return kb;
}

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* The line of benchmark_model (xla/tsl/util/stats_calculator.h), in microseconds. Returns the mean. */
static double print_statistics(const int64_t *ns, size_t count) {
  if (!count) {
    printf("INFO: count=0 p5=0 median=0 p95=0\n");
    return 0;
  }
  int64_t *us = allocate(count * sizeof *us);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) us[i] = (ns[i] + 500) / 1000, sum += (double)us[i];
  double mean = sum / (double)count;
  for (size_t i = 0; i < count; i++) squares += ((double)us[i] - mean) * ((double)us[i] - mean);
  long long first = us[0], last = us[count - 1];
  qsort(us, count, sizeof *us, ascending);
  long long least = us[0], most = us[count - 1];
  printf("INFO: count=%zu", count);
  if (count == 1) printf(" curr=%lld", last);
  else if (least == most) printf(" curr=%lld(all same)", last);
  else
    printf(" first=%lld curr=%lld min=%lld max=%lld avg=%g std=%lld", first, last, least, most, mean, (long long)sqrt(squares / (double)count));
  printf(" p5=%lld median=%lld p95=%lld\n", (long long)us[count * 5 / 100], (long long)us[count / 2], (long long)us[count * 95 / 100]);
  free(us);
  return mean;
}

typedef struct {
  int64_t *ns;
  size_t count;
} Runs;

/* Runs part after part of the input, in a circle; the outputs of each part go to their place in `results`. */
static Runs run(const unsigned char *values, size_t parts, unsigned char **results, long least_runs, double least_s) {
  Runs runs = {NULL, 0};
  size_t room = 0;
  printf("INFO: Running benchmark for at least %ld iterations and at least %g seconds but terminate if exceeding %g seconds.\n",
         least_runs, least_s, flags.max_secs);
  int64_t begin = now_ns(), elapsed = 0;
  for (; ((long)runs.count < least_runs || (double)elapsed < least_s * 1e9) && (double)elapsed <= flags.max_secs * 1e9 && runs.count < MOST_RUNS;
       runs.count++) {
    size_t part = runs.count % parts;
    if (runs.count == room) {
      room = room ? 2 * room : 1024;
      int64_t *more = realloc(runs.ns, room * sizeof *more);
      if (!more) fail(RUNTIME_FAILED, "no memory for the latencies");
      runs.ns = more;
    }
    memcpy(model.input, values + part * model.input_bytes, model.input_bytes);
    int64_t start = now_ns();
    model.invoke();
    int64_t end = now_ns();
    runs.ns[runs.count] = end - start;
    elapsed = end - begin;
    for (int o = 0; results && o < model.outputs; o++)
      memcpy(results[o] + part * model.output_bytes[o], model.output[o], model.output_bytes[o]);
  }
  return runs;
}

int main(int argc, char **argv) {
  printf("INFO: STARTING!\nINFO: edgekit runner %s\n", VERSION);
  parse_flags(argc, argv);
  open_library();
  long baseline_kb = peak_rss_kb();
  int64_t begin = now_ns();
  size_t parts = load();
  int64_t init_us = (now_ns() - begin) / 1000;
  long init_kb = peak_rss_kb();
  printf("INFO: Graph: [%s]\nINFO: The input model file size (MB): %g\n", flags.graph, (double)file_size(flags.graph, BAD_MODEL) / 1e6);
  printf("INFO: Initialized session in %gms.\nINFO: Invocations for the whole input: %zu\n", (double)init_us / 1e3, parts);
  if (parts > SIZE_MAX / 4 / (model.input_bytes + 1)) fail(BAD_INPUT, "the input is too large");
  unsigned char *values = input_values(parts * model.input_bytes), *results[OUTPUTS] = {NULL}, *all = NULL;
  size_t total = 0, offset = 0;
  for (int o = 0; o < model.outputs; o++) total += parts * model.output_bytes[o];
  if (flags.output_filepath) {
    all = allocate(total);
    for (int o = 0; o < model.outputs; o++) results[o] = all + offset, offset += parts * model.output_bytes[o];
  }
  Runs warmup = run(values, parts, NULL, flags.warmup_runs, flags.warmup_min_secs);
  double warmup_us = print_statistics(warmup.ns, warmup.count);
  long least = flags.num_runs;
  if (all && least < (long)parts) least = (long)parts;
  Runs counted = run(values, parts, all ? results : NULL, least, flags.min_secs);
  if (all && counted.count < parts) fail(RUNTIME_FAILED, "--max_secs was over after %zu of %zu invocations", counted.count, parts);
  double mean_us = print_statistics(counted.ns, counted.count);
  printf("INFO: Inference timings in us: Init: %lld, First inference: %lld, Warmup (avg): %g, Inference (avg): %g\n", (long long)init_us,
         (long long)(warmup.count ? (warmup.ns[0] + 500) / 1000 : 0), warmup_us, mean_us);
  printf("INFO: Memory footprint delta from the start of the tool (MB): init=%g overall=%g\n", (double)(init_kb - baseline_kb) / 1024,
         (double)(peak_rss_kb() - baseline_kb) / 1024);
  if (baseline_kb > 0) printf("INFO: Resident set size (KB): baseline=%ld peak=%ld\n", baseline_kb, peak_rss_kb());
  if (all) write_file(flags.output_filepath, all, total);
  if (flags.latencies_filepath) write_file(flags.latencies_filepath, counted.ns ? (void *)counted.ns : "", counted.count * sizeof *counted.ns);
  if (fflush(stdout) || ferror(stdout)) fail(NO_OUTPUT, "the standard output cannot be written");
  /* Without the runtime's destructors: there is nothing to save, and some builds crash in them. */
  _exit(0);
}
