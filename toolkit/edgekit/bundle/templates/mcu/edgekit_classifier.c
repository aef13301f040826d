#include "edgekit_classifier.h"

static int32_t round_half_even(float x) {
    if (x != x) return 0;
    /* From here on a float has no fraction, and an int8 is saturated. */
    if (x >= 8388608.0f) return 8388607;
    if (x <= -8388608.0f) return -8388607;
    int32_t whole = (int32_t)x; /* toward zero */
    float rest = x - (float)whole;
    if (rest > 0.5f || (rest == 0.5f && (whole & 1))) return whole + 1;
    if (rest < -0.5f || (rest == -0.5f && (whole & 1))) return whole - 1;
    return whole;
}

int8_t edgekit_quantize(float real) {
    int32_t q = round_half_even(real / EDGEKIT_INPUT_SCALE) + EDGEKIT_INPUT_ZERO_POINT;
    return (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
}

float edgekit_input_value(int8_t quantized) {
    return (float)(quantized - EDGEKIT_INPUT_ZERO_POINT) * EDGEKIT_INPUT_SCALE;
}

float edgekit_output_value(int8_t quantized) {
    return (float)(quantized - EDGEKIT_OUTPUT_ZERO_POINT) * EDGEKIT_OUTPUT_SCALE;
}

int edgekit_argmax(const int8_t output[EDGEKIT_CLASSES]) {
    int best = 0;
    for (int k = 1; k < EDGEKIT_CLASSES; k++)
        if (output[k] > output[best]) best = k;
    return best;
}

#if EDGEKIT_HAS_THRESHOLD && !EDGEKIT_OUTPUT_IS_LOGITS
bool edgekit_accepts(const int8_t output[EDGEKIT_CLASSES]) {
    return edgekit_output_value(output[edgekit_argmax(output)]) >= EDGEKIT_THRESHOLD;
}
#endif
