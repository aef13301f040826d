/* The self-test: 0 if all checks pass. */
#ifndef EDGEKIT_SELF_TEST_H_
#define EDGEKIT_SELF_TEST_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the number of checks that failed, and prints each check with printf. */
int edgekit_self_test(void);

/* With EDGEKIT_WITH_INTERPRETER the self-test calls this for each golden input: run the model, return 0 if that worked.
   edgekit_interpreter.cc does it with TensorFlow Lite Micro. */
int edgekit_invoke(const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
