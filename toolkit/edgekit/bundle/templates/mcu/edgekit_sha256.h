/* SHA-256 (FIPS 180-4), small rather than fast: the self-test uses it to prove that the flash holds the right model. */
#ifndef EDGEKIT_SHA256_H_
#define EDGEKIT_SHA256_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void edgekit_sha256(const uint8_t *data, size_t length, uint8_t digest[32]);

#ifdef __cplusplus
}
#endif

#endif
