#include "edgekit_self_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "edgekit_classifier.h"
#include "edgekit_golden.h"
#include "edgekit_model.h"
#include "edgekit_sha256.h"

static int told(int good, const char *what, int count, int of) {
    printf("%s %s: %d of %d\n", good ? "ok    " : "WRONG ", what, count, of);
    return good ? 0 : 1;
}

static int test_model(void) {
    static const uint8_t abc[32] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    uint8_t digest[32];
    int good = 0;
    edgekit_sha256((const uint8_t *)"abc", 3, digest);
    good += memcmp(digest, abc, sizeof abc) == 0;
    good += memcmp(edgekit_model + 4, "TFL3", 4) == 0;
    good += (uintptr_t)edgekit_model % 16 == 0;
    edgekit_sha256(edgekit_model, sizeof edgekit_model, digest);
    good += memcmp(digest, edgekit_model_sha256, sizeof digest) == 0;
    return told(good == 4, "model: SHA-256 computed, identifier, alignment, SHA-256 as recorded", good, 4);
}

static int test_inputs(void) {
    int exact = 0, failed = 0;
    for (int i = 0; i < EDGEKIT_GOLDEN_COUNT; i++) {
        int same = 0;
        for (int j = 0; j < EDGEKIT_INPUT_COUNT; j++) {
            int8_t q = edgekit_golden_inputs[i][j];
            same += edgekit_quantize(edgekit_input_value(q)) == q;
        }
        exact += same == EDGEKIT_INPUT_COUNT;
    }
    failed += told(exact == EDGEKIT_GOLDEN_COUNT, "inputs survive dequantize and quantize", exact,
                   EDGEKIT_GOLDEN_COUNT);
#if EDGEKIT_HAS_PIXELS
    exact = 0;
    for (int i = 0; i < EDGEKIT_GOLDEN_COUNT; i++) {
        int same = 0;
        for (int j = 0; j < EDGEKIT_INPUT_COUNT; j++)
            same += edgekit_pixels[edgekit_golden_pixels[i][j]] == edgekit_golden_inputs[i][j];
        exact += same == EDGEKIT_INPUT_COUNT;
    }
    failed += told(exact == EDGEKIT_GOLDEN_COUNT, "pixels become the recorded inputs", exact, EDGEKIT_GOLDEN_COUNT);
#endif
    return failed;
}

static int test_outputs(void) {
    int right = 0, named = 0;
    for (int i = 0; i < EDGEKIT_GOLDEN_COUNT; i++)
        right += edgekit_argmax(edgekit_golden_outputs[i]) == edgekit_golden_labels[i];
    for (int k = 0; k < EDGEKIT_CLASSES; k++) named += edgekit_labels[k][0] != '\0';
    return told(right == EDGEKIT_GOLDEN_COUNT, "expected outputs have the expected labels", right,
                EDGEKIT_GOLDEN_COUNT) +
           told(named == EDGEKIT_CLASSES, "classes have a name", named, EDGEKIT_CLASSES);
}

#ifdef EDGEKIT_WITH_INTERPRETER
static int test_interpreter(void) {
    int within = 0, right = 0, exact = 0, most = 0;
    for (int i = 0; i < EDGEKIT_GOLDEN_COUNT; i++) {
        int8_t output[EDGEKIT_CLASSES];
        if (edgekit_invoke(edgekit_golden_inputs[i], output) != 0) {
            printf("WRONG  the interpreter failed at input %d\n", i);
            return 1;
        }
        int worst = 0;
        for (int k = 0; k < EDGEKIT_CLASSES; k++) {
            int steps = output[k] - edgekit_golden_outputs[i][k];
            if (steps < 0) steps = -steps;
            if (steps > worst) worst = steps;
        }
        if (worst > most) most = worst;
        exact += worst == 0;
        within += worst <= EDGEKIT_ALLOWED_STEPS;
        /* If two classes have nearly equal outputs, an allowed step may swap them. */
        right += output[edgekit_golden_labels[i]] + 2 * EDGEKIT_ALLOWED_STEPS >= output[edgekit_argmax(output)];
    }
    printf("       outputs bit-identical: %d of %d; largest difference %d steps, allowed %d\n", exact,
           EDGEKIT_GOLDEN_COUNT, most, EDGEKIT_ALLOWED_STEPS);
    return told(within == EDGEKIT_GOLDEN_COUNT, "outputs within the allowed steps", within, EDGEKIT_GOLDEN_COUNT) +
           told(right == EDGEKIT_GOLDEN_COUNT, "labels as expected", right, EDGEKIT_GOLDEN_COUNT);
}
#endif

int edgekit_self_test(void) {
    int failed = test_model() + test_inputs() + test_outputs();
#ifdef EDGEKIT_WITH_INTERPRETER
    failed += test_interpreter();
#else
    printf("-      the model was not run: no interpreter is linked (EDGEKIT_WITH_INTERPRETER)\n");
#endif
    printf(failed ? "self-test FAILED\n" : "self-test passed\n");
    return failed;
}

#ifdef EDGEKIT_SELF_TEST_MAIN
int main(void) { return edgekit_self_test() ? 1 : 0; }
#endif
