/* Numbers into the model and out of it. */
#ifndef EDGEKIT_CLASSIFIER_H_
#define EDGEKIT_CLASSIFIER_H_

#include <stdbool.h>
#include <stdint.h>

#include "edgekit_contract.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const char *const edgekit_labels[EDGEKIT_CLASSES];

#if EDGEKIT_HAS_PIXELS
/* The input tensor's value for each pixel value (0 to 255). */
extern const int8_t edgekit_pixels[256];
#endif

/* Real number -> input tensor: rounded half to even, saturated. */
int8_t edgekit_quantize(float real);

/* Input or output tensor -> real number. */
float edgekit_input_value(int8_t quantized);
float edgekit_output_value(int8_t quantized);

/* The most probable class of an output; the first of equals. */
int edgekit_argmax(const int8_t output[EDGEKIT_CLASSES]);

#if EDGEKIT_HAS_THRESHOLD && !EDGEKIT_OUTPUT_IS_LOGITS
/* Whether the largest output reaches the operating threshold. */
bool edgekit_accepts(const int8_t output[EDGEKIT_CLASSES]);
#endif

#ifdef __cplusplus
}
#endif

#endif
