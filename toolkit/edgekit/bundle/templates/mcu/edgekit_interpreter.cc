// The model through TensorFlow Lite Micro, one sample at a time, for the self-test and for an app.
#include <cstring>

#include "edgekit_model.h"
#include "edgekit_ops.h"
#include "edgekit_self_test.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

// A first guess, to be replaced by what edgekit_arena_used() reports on your target.
#ifndef EDGEKIT_ARENA_BYTES
#define EDGEKIT_ARENA_BYTES (2 * EDGEKIT_ARENA_AT_LEAST + 16 * 1024)
#endif

namespace {

alignas(16) uint8_t arena[EDGEKIT_ARENA_BYTES];

tflite::MicroInterpreter *interpreter() {
    static tflite::MicroMutableOpResolver<EDGEKIT_OPERATORS> resolver;
    static bool added = edgekit_add_operators(resolver) == kTfLiteOk;
    static tflite::MicroInterpreter made(tflite::GetModel(edgekit_model), resolver, arena, sizeof arena);
    static bool ready = added && made.AllocateTensors() == kTfLiteOk;
    return ready ? &made : nullptr;
}

}  // namespace

extern "C" int edgekit_invoke(const int8_t *input, int8_t *output) {
    tflite::MicroInterpreter *made = interpreter();
    if (made == nullptr) return 1;
    std::memcpy(made->input(0)->data.int8, input, EDGEKIT_INPUT_COUNT);
    if (made->Invoke() != kTfLiteOk) return 2;
    std::memcpy(output, made->output(0)->data.int8, EDGEKIT_CLASSES);
    return 0;
}

extern "C" size_t edgekit_arena_used() {
    tflite::MicroInterpreter *made = interpreter();
    return made == nullptr ? 0 : made->arena_used_bytes();
}
