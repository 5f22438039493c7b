/* Every key and value that storage keeps: the files named *_keys are the only ones that know
 * their bytes.
 *
 * Numbers are big-endian, so that the engine's bytewise order is log order. A change of anything
 * here needs a new FORMAT_VERSION (meta_keys.h) and a new golden file (tests/golden/storage). */
#ifndef STORAGE_KEYS_H
#define STORAGE_KEYS_H

#include "base/bytes.h"

#define KEY_BYTES(key) bytes_of((key).data, sizeof (key).data)

#endif
